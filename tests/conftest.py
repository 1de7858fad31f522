"""For all tests: the same examples each time, and no stopwatch, so that a failure is always the code's."""

from hypothesis import settings

settings.register_profile("plain", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("search", deadline=None, print_blob=True)  # by name: `--hypothesis-profile search`
settings.load_profile("plain")
