"""How any core is run, restarted, timed, recorded and simulated.  Knows no workstream and no rule."""
