"""A process of our own: forked, alone with what it needs, and gone when its parent is.

The newborn closes every descriptor but those it prints to, so that no child holds its siblings' sockets or an admin's
lock.  The kernel kills it when the thread that forked it ends (PR_SET_PDEATHSIG), whatever it is doing; so a whole
subtree ends with its supervisor, hung handlers and all.  Children are therefore to be made by the main thread only.
"""

import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from alluse_hub.supervision.engine.depth import with_depth
from alluse_hub.supervision.processes import die_with_parent

EXIT_BROKEN = 70
"""sysexits.h, EX_SOFTWARE: it did not even get to its own error handling."""

FILES_MAX = 65_536
"""Descriptors that a process of ours may have."""

_kept: list[object] = []
"""What must not be finalised in a child: its descriptors have been closed, and their numbers given to others."""


def fork(main: Callable[[], None], *, keep: tuple[int, ...] = (), has_parent: bool = True) -> int:
    """Run ``main`` in a new process; its pid.  ``keep``: descriptors left open.  ``has_parent``: ends with its parent.

    Exit status: 0, or what SystemExit says, or 1 after any other exception.
    """
    _flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = EXIT_BROKEN
    try:
        if has_parent:
            die_with_parent(parent)
        _be_alone(keep)
        status = with_depth(partial(_run, main))
    finally:
        _flush()
        os._exit(status)


def fork_detached(main: Callable[[], None], *, keep: tuple[int, ...] = ()) -> None:
    """Run ``main`` in a daemon: in a session of its own, with no parent to end with."""

    def intermediate() -> None:
        os.setsid()
        fork(main, keep=keep, has_parent=False)

    os.waitpid(fork(intermediate, keep=keep, has_parent=False), 0)


def _run(main: Callable[[], None]) -> int:
    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException:  # noqa: BLE001  # a forked child must never return into its parent's code
        traceback.print_exc()
        return 1
    return 0


def _be_alone(keep: tuple[int, ...]) -> None:
    gc.freeze()  # what the parent left over must not be finalised here
    kept = {0, 1, 2, *keep, *_standard_streams()}
    for number in _descriptors():
        if number not in kept:
            with suppress(OSError):  # the one that listed them
                os.close(number)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _descriptors() -> Iterable[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208  # numbers are wanted
    except OSError:  # the parent had none left, so we have none to list them with
        return range(FILES_MAX)


def _standard_streams() -> set[int]:
    """Descriptors behind what Python prints to, wherever that was sent: a print must never reach a socket."""
    found = set()
    for stream in (sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__):
        with suppress(OSError, ValueError, AttributeError):  # closed, absent, or no file
            found.add(stream.fileno())  # type: ignore[union-attr]  # None where a process has no such stream
    return found


def keep_logging_alive() -> None:
    """The handlers that the parent logs with are about to be replaced; their files have been closed already."""
    loggers = [known for known in logging.Logger.manager.loggerDict.values() if isinstance(known, logging.Logger)]
    _kept.extend((logging.Logger.manager, logging.root, *loggers))
    _kept.extend(list(known.handlers) for known in (logging.root, *loggers))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # closed, or replaced by something that is no stream
