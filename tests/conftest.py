"""For all tests: the same examples each time, and no stopwatch, so that a failure is always the code's."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("plain", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("search", deadline=None, print_blob=True)  # by name: `--hypothesis-profile search`
settings.load_profile("plain")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """For a test that interrupts a child: a shell has what it starts in the background ignore SIGINT, and children
    inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
