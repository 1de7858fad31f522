"""Yielding: what a monitor answers when its workstream is to let go of what it holds; and whose word it heeds.

A workstream that does not run uses nothing, so it lets go.  One that runs lets go if the claim names the command that
brings that about; else it finishes by the end of its lease, if that has one in seconds; else it refuses.  Nobody is
asked: the answer is due within a quarter of a second.

The highest epoch heard is durable.  What a coordinator of a lower one still says is dropped: it has died, and what it
said was said again by the next.
"""

from alluse_hub.protocols.arbitration import (
    AskYield,
    EpochRaised,
    OfferYield,
    Option,
    RuleYield,
    StandDown,
    StoodDown,
    YieldDone,
)
from alluse_hub.protocols.claims import Claim, Clock
from alluse_hub.protocols.workstream import Command

from . import commands
from .state import Stage, Turn

KEY = "yield/"
"""How the key of the command begins by which a program is told to let go; the conflict's id follows."""


def stand_down(turn: Turn, word: StandDown, asker: str) -> None:
    heeds(turn, word.epoch)
    turn.send(asker, StoodDown(workstream=turn.state.ws, epoch=turn.kept.epoch))


def heeds(turn: Turn, epoch: int) -> bool:
    """Whether this is no coordinator of the past; the first word of a new one is remembered."""
    if epoch > turn.kept.epoch:
        turn.record(EpochRaised(epoch=epoch))
    return epoch == turn.kept.epoch


def asked(turn: Turn, question: AskYield, asker: str) -> None:
    if not heeds(turn, question.epoch):
        return
    option, in_s, why = _offer(turn, question.claim)
    turn.send(
        asker,
        OfferYield(
            conflict=question.conflict,
            workstream=turn.state.ws,
            round=question.round,
            option=option,
            in_s=in_s,
            why=why,
        ),
    )


def _offer(turn: Turn, claim: Claim) -> tuple[Option, float, str]:
    ws = turn.state.ws
    if turn.state.is_out:
        return Option.RELEASE, 0.0, f"{turn.state.out_why}, so it uses nothing"
    if claim.yields:
        return Option.RELEASE, 0.0, f"{ws} lets go by {claim.yields}"
    lease = claim.lease
    if lease.clock is Clock.HUB and lease.until is not None and not lease.until_cleared:
        return Option.FINISH, max(0.0, lease.until - turn.at), f"{ws} finishes by the end of its lease"
    return Option.REFUSE, 0.0, f"{ws} has not said how it lets go of {claim.resource}"


def ruled(turn: Turn, order: RuleYield, asker: str) -> None:
    """Said again until it is answered, and done once: by its key, as any command."""
    if not heeds(turn, order.epoch):
        return
    claim = order.claim
    if order.option is not Option.RELEASE or not claim.yields or turn.state.is_out:
        turn.send(asker, YieldDone(conflict=order.conflict, workstream=turn.state.ws, ok=True))
        return
    command = Command(
        key=f"{KEY}{order.conflict}",
        command=claim.yields,
        parameters={"claim": claim.id, "resource": claim.resource, "reason": order.reason},
        deadline_s=order.deadline_s,
    )
    if turn.state.stage is Stage.UP or command.key in turn.kept.open:
        commands.command(turn, command, asker)
    else:
        why = f"{turn.state.ws} is not up"
        turn.send(asker, YieldDone(conflict=order.conflict, workstream=turn.state.ws, ok=False, error=why))
