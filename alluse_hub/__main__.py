"""``python -m alluse_hub`` is the same command as ``run.py`` and ``alluse-hub``."""

from alluse_hub.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
