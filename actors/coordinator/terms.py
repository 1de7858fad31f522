"""Terms: each life of the coordinator has an epoch, larger than any before, and tells everybody to heed no lower one.

A directive of an earlier life may still be on its way when the next has begun.  Its fence is lower than what the new
one says of the same resource, and its epoch is lower whatever it is about; monitors keep the highest of both.  One that
knows a higher epoch than ours has seen more than we remember, as after the restoring of a backup: the term begins again
above that.  ``StandDown`` is said to each monitor when it first tells of its program, and again until it is answered.
"""

from alluse_hub.actors.coordinator import conflicts
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.arbitration import StandDown, StoodDown, TermBegun
from alluse_hub.protocols.claims import ConflictClass
from alluse_hub.protocols.names import COORDINATOR
from alluse_hub.protocols.states import replace

ANSWER_S = 0.5
"""The first pause before it is said again; each next is twice as long."""

SLOWEST_PAUSE_S = 300.0


def timer_of(workstream: str) -> str:
    return f"term:{workstream}"


def begin(turn: Turn, incarnation: int) -> None:
    _begin(turn, max(incarnation, turn.ledger.docket.epoch + 1))


def _begin(turn: Turn, epoch: int) -> None:
    turn.record(TermBegun(epoch=epoch))
    turn.state = replace(turn.state, heeded=frozenset())
    for workstream in turn.state.presence:
        turn.forget(timer_of(workstream))
        _say(turn, workstream)


def met(turn: Turn, workstream: str) -> None:
    """Its monitor is there."""
    if workstream not in turn.state.heeded and timer_of(workstream) not in turn.state.tries:
        _say(turn, workstream)


def _say(turn: Turn, workstream: str) -> None:
    tries = turn.tried(timer_of(workstream))
    pause = min(ANSWER_S * 2 ** min(tries, 16), SLOWEST_PAUSE_S)
    word = StandDown(epoch=turn.ledger.docket.epoch)
    turn.send_and_wake(workstream, word, timer_of(workstream), pause, committed=False)


def no_answer(turn: Turn, workstream: str) -> None:
    if workstream not in turn.state.heeded:
        _say(turn, workstream)


def heard(turn: Turn, word: StoodDown) -> None:
    own = turn.ledger.docket.epoch
    if word.epoch == own:
        turn.forget(timer_of(word.workstream))
        turn.state = replace(turn.state, heeded=turn.state.heeded | {word.workstream})
    elif word.epoch > own:
        conflicts.conflict(
            turn,
            ConflictClass.AUTHORITY,
            word.workstream,
            (word.workstream, COORDINATOR),
            f"{word.workstream} has heard a coordinator of epoch {word.epoch}, and this one is of epoch {own}.",
            outcome="term begins again",
            winner=COORDINATOR,
            closed=f"There is no other now: the term begins again, with epoch {word.epoch + 1}.",
        )
        _begin(turn, word.epoch + 1)
