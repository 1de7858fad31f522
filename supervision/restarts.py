"""Restarts: who, together with whom, how often, and after what pause.

Four decisions, after Erlang/OTP's supervisor(3): the *restart type* says whether a child that ended is started again,
the *strategy* says who goes down with it, the *intensity* says when trying must stop so that the fault climbs to a
level that may know better.  The fourth is ours: the *pause* before the next try, which OTP leaves out.  Supervisors use
all four, and judge by ``is_proper_stop`` whom they stopped; monitors use all but the strategy, for the programs of
their workstreams.

A pause has *jitter*, so that what failed together is not tried together, in step, again and again.  It is no dice: the
share that is taken away comes from a digest of who is tried, which life failed and when, so that the same letters give
the same pause, in a simulation as in a replay.

Pure: the times come from the letters.
"""

import math
from hashlib import blake2b

from alluse_hub.protocols.lifecycle import KILLED, Backoff, Intensity, RestartType, Shutdown, Strategy

NORMAL = "normal"
SHUTDOWN = "shutdown"
ORDERLY_PREFIX = "shutdown:"
"""An orderly end that says more, such as ``shutdown:upgrade``; OTP's ``{shutdown, Term}``."""

PAUSE_FIRST_S = 0.5
PAUSE_FACTOR = 2.0
PAUSE_CAP_S = 30.0
"""The back-off unless told otherwise: 0.5, 1, 2, 4, 8, 16, 30, 30 ... seconds."""

SHARES = 2**64
"""So many shares of a pause a digest can tell apart."""


def is_orderly(cause: str) -> bool:
    return cause in {NORMAL, SHUTDOWN} or cause.startswith(ORDERLY_PREFIX)


def should_restart(restart: RestartType, cause: str) -> bool:
    """Whether a child that was up and ended by itself is started again.

    A supervisor that gives up ends with ``shutdown``, which is orderly: its parent restarts it if it is permanent and
    leaves it down if it is transient.
    """
    match restart:
        case RestartType.PERMANENT:
            return True
        case RestartType.TRANSIENT:
            return not is_orderly(cause)
        case RestartType.TEMPORARY:
            return False


def is_proper_stop(restart: RestartType, shutdown: Shutdown, cause: str) -> bool:
    """Whether a child that was to stop ended as it should: if not, that is worth a report.

    With ``shutdown``, or killed if that was all it was given; one that need not run may also end in any other order.
    """
    wanted = KILLED if shutdown is Shutdown.BRUTAL_KILL else SHUTDOWN
    return cause == wanted or (restart is not RestartType.PERMANENT and is_orderly(cause))


def recent(times: tuple[float, ...], now: float, period_s: float) -> tuple[float, ...]:
    """Those of ``times`` at most ``period_s`` old; one of exactly that age still counts, as in OTP."""
    return tuple(at for at in times if now - at <= period_s)


def count_restart(times: tuple[float, ...], now: float, intensity: Intensity) -> tuple[tuple[float, ...], bool]:
    """The restart times with ``now`` added and old ones dropped, and whether this restart breaks the limit.

    ``times``: earlier restarts in seconds of hub time, newest first; so is the answer, which never holds more than
    one time above the limit.  Windows are exact, where OTP counts in whole seconds.
    """
    counted = (now, *recent(times, now, intensity.period_s))
    return counted[: intensity.restarts + 1], len(counted) > intensity.restarts


def affected(strategy: Strategy, order: tuple[str, ...], failed: str) -> tuple[str, ...]:
    """Whom to restart when ``failed`` fails, itself among them, in start order; they are stopped in reverse.

    Raises ValueError if ``failed`` is not in ``order``.
    """
    place = order.index(failed)
    match strategy:
        case Strategy.ONE_FOR_ONE | Strategy.SIMPLE_ONE_FOR_ONE:
            return (failed,)
        case Strategy.ONE_FOR_ALL:
            return order
        case Strategy.REST_FOR_ONE:
            return order[place:]


def pause_s(
    count: int, first_s: float = PAUSE_FIRST_S, factor: float = PAUSE_FACTOR, cap_s: float = PAUSE_CAP_S
) -> float:
    """Seconds to wait before restart number ``count`` (from 1) of a row: exponential back-off, at most ``cap_s``.

    ``first_s > 0``, ``factor >= 1``.  Restart number 0 or less is no restart and needs no wait.
    """
    assert first_s > 0, "a pause begins above zero"
    assert factor >= 1, "a back-off does not shrink"
    if count < 1:
        return 0.0
    if first_s >= cap_s:
        return cap_s
    growth_max = math.log(cap_s / first_s)  # compared as logarithms: a large power would overflow
    if (count - 1) * math.log(factor) >= growth_max:
        return cap_s
    return min(first_s * factor ** (count - 1), cap_s)


def row_after(row: int, up_s: float, reset_s: float) -> int:
    """Which restart of a row the next one is, from 1, after ``row`` earlier ones and ``up_s`` seconds of being up.

    A try that failed to start was up for 0 s.
    """
    return 1 if up_s >= reset_s else row + 1


def jittered_s(pause: float, jitter: float, *seed: object) -> float:
    """``pause`` seconds less a share of it, from nothing up to ``jitter``, that ``seed`` decides; never more.

    Other seeds, however alike, give other shares, spread evenly.
    """
    digest = blake2b("\0".join(map(str, seed)).encode(), digest_size=8).digest()
    return pause * (1.0 - jitter * int.from_bytes(digest, "big") / SHARES)


def backoff_s(backoff: Backoff, row: int, *seed: object) -> float:
    """Seconds to wait before restart number ``row`` (from 1) of a row; ``seed`` as of ``jittered_s``."""
    whole = pause_s(row - backoff.at_once, backoff.first_s, backoff.factor, backoff.cap_s)
    return jittered_s(whole, backoff.jitter, *seed)
