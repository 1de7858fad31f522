"""A process forked from deep down pays for its calls what any other does."""

import os
import resource
from collections.abc import Callable

from alluse_hub.supervision.engine.forks import fork

CALLS = 200
DEPTHS = 300
"""Over several chunks of frames: somewhere among them a loop lies at the end of one."""


def at_depth(depth: int, call: Callable[[], int]) -> int:
    return call() if depth == 0 else at_depth(depth - 1, call)


def leaf() -> int:
    return 1


def faults() -> int:
    """Pages that the kernel had to clear for a loop of small calls."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(CALLS):
        leaf()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def exit_with_the_worst() -> None:
    at_depth(DEPTHS, faults)  # all memory that is used, is there
    worst = max(at_depth(depth, faults) for depth in range(DEPTHS))
    raise SystemExit(worst >= CALLS)


def test_no_depth_makes_each_call_of_a_loop_map_memory() -> None:
    _, status = os.waitpid(fork(exit_with_the_worst), 0)

    assert os.waitstatus_to_exitcode(status) == 0
