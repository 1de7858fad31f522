"""Health of the whole: one number, one word, one sentence.

The number, 0 to 100, is the mean of two: the *least* health of all workstreams that are meant to run, and their
*mean*.  So one dead workstream of five at best gives 40, however well the others are, and a slight cough of each shows
too.  A workstream in maintenance or stopped on purpose is not meant to run; one never heard of, not heard of for
``fragile_s`` seconds, or watched by nobody because its monitor is parked, stopped, hung or waits to be restarted,
counts as 0.  With nothing meant to run the number is 100.

The word is the first that fits:

==============  ==================================================================================================
``starting``    some workstream that is meant to run has not got beyond ``starting``, and nothing is worse
``critical``    an actor that all others need (auditor, coordinator, router) is not up, or is hung, or the number is
                below 40
``degraded``    an actor is not up, or is hung, or says what it lacks, such as space on the disk, or a workstream is
                hung, in error or parked, or the number is below 80
``healthy``     otherwise
==============  ==================================================================================================

Pure.
"""

from dataclasses import dataclass

from alluse_hub.actors.board.picture import Board
from alluse_hub.protocols.health import Status
from alluse_hub.protocols.lifecycle import ChildState
from alluse_hub.protocols.names import AUDITOR, COORDINATOR, ROUTER

NEEDED_BY_ALL = frozenset({AUDITOR, COORDINATOR, ROUTER})
NOT_MEANT_TO_RUN = frozenset({Status.MAINTENANCE, Status.STOPPED, Status.STOPPING})
ILL = frozenset({Status.HUNG, Status.ERROR, Status.PARKED})
NOT_UP = frozenset(ChildState) - {ChildState.READY, ChildState.DEGRADED, ChildState.STOPPING}
SAID = frozenset({ChildState.HUNG, ChildState.RESTARTING, ChildState.PARKED})
"""States of an actor that say more than that it is not up."""

HEALTHY_FROM = 80.0
CRITICAL_BELOW = 40.0


@dataclass(frozen=True, slots=True)
class SystemHealth:
    score: float
    least: float
    mean: float
    word: str
    why: str


def system_health(board: Board, now: float) -> SystemHealth:
    """``now``: hub time in seconds."""
    healths: dict[str, float] = {}
    ill: list[str] = []
    starting: list[str] = []
    for known in board.spec.workstreams:
        heard = board.pulses.get(known.id)
        if heard is None:
            healths[known.id] = 0.0
            if board.child_state(known.id) not in NOT_UP - {ChildState.STARTING}:  # those are told below
                starting.append(known.id)
            continue
        pulse = heard.pulse
        if pulse.status in NOT_MEANT_TO_RUN:
            continue
        if board.unwatched(known.id):  # the monitor is told below
            healths[known.id] = 0.0
            continue
        silent_s = now - heard.at
        healths[known.id] = pulse.health if silent_s <= board.spec.fragile_s else 0.0
        if silent_s > board.spec.fragile_s:
            ill.append(f"nothing was heard of {known.id} for {silent_s:.0f} s")
        elif pulse.status is Status.STARTING:
            starting.append(known.id)
        elif pulse.status in ILL:
            ill.append(f"{known.id} is {pulse.status.value}: {pulse.why}")
    down = {
        child.name: child.state for tree in board.trees.values() for child in tree.children if child.state in NOT_UP
    }
    supervisors = {tree.supervisor for tree in board.trees.values()}  # ill for their children's sake
    lacks = [
        f"{child.name}: {child.why}"
        for tree in board.trees.values()
        for child in tree.children
        if child.state is ChildState.DEGRADED and child.why and child.name not in supervisors
    ]
    least = min(healths.values(), default=100.0)
    mean = sum(healths.values()) / len(healths) if healths else 100.0
    word, why = _word((least + mean) / 2, healths, down, lacks + ill, starting)
    return SystemHealth(round((least + mean) / 2, 1), round(least, 1), round(mean, 1), word, why)


def _word(
    score: float, healths: dict[str, float], down: dict[str, ChildState], ill: list[str], starting: list[str]
) -> tuple[str, str]:
    needed = [name for name in down if name in NEEDED_BY_ALL]
    causes = [*(_is_down(name, down[name]) for name in [*needed, *(n for n in down if n not in needed)]), *ill]
    if starting and not needed and not ill:
        return "starting", f"waiting for {', '.join(starting)}"
    if needed or score < CRITICAL_BELOW:
        return "critical", "; ".join(causes) or _lowest(healths)
    if causes or score < HEALTHY_FROM:
        return "degraded", "; ".join(causes) or _lowest(healths)
    return "healthy", "all that is meant to run runs"


def _is_down(name: str, state: ChildState) -> str:
    return f"{name} is {state.value}" if state in SAID else f"{name} is not up"


def _lowest(healths: dict[str, float]) -> str:
    name = min(healths, key=lambda key: healths[key])
    return f"{name} has health {healths[name]:.0f}"
