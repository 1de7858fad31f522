"""Depth: room for the calls of a process that begins its life deep down.

CPython keeps the frames of Python functions in chunks of 16 kB.  A call for which the chunk has no room left maps a new
one, and its return unmaps it again.  An actor is forked from its parent's handler, and that one from its own parent's:
with some sixty frames below it, its loop comes to lie at the end of a chunk, and then every letter costs dozens of
mappings and of pages to be cleared.  Whether it does so is chance: a local variable more, far below, is enough.

A chunk is made larger if a single frame asks for more, to the next power of two.  ``with_depth`` has such a frame, so
what is called from it has the rest of a large chunk to itself.  The memory is only touched when it is used.
"""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SLOTS = 33_000
"""Of 8 bytes: a little more than 256 kB, so the chunk has 512, and about half of it is left: for a thousand calls."""


def with_depth(call: Callable[[], T]) -> T:
    return call()


with_depth.__code__ = with_depth.__code__.replace(co_stacksize=SLOTS)
