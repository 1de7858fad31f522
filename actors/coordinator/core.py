"""The coordinator: events in, claims, directives and commands out.

Every letter makes one ``Turn``.  What must survive is in the ledger and changes by facts alone; so whatever cuts a life
short, the next one either decides a round afresh, of which nothing was sent, or goes on with what was decided.
"""

from alluse_hub.actors.coordinator import (
    approving,
    claiming,
    commands,
    conflicts,
    deadlines,
    directives,
    gating,
    governing,
    lowering,
    negotiating,
    operators,
    people,
    programs,
    reach,
    rounds,
    taking,
    telling,
    terms,
    views,
)
from alluse_hub.actors.coordinator.ledger import FACTS
from alluse_hub.actors.coordinator.state import Coordinator, Turn, evolved, restored, start
from alluse_hub.protocols.approvals import AskApprovals, DecideApproval, SetLevel
from alluse_hub.protocols.arbitration import (
    ClaimResource,
    DecideConflict,
    OfferYield,
    OverrideFloor,
    ReleaseClaim,
    StoodDown,
    YieldDone,
)
from alluse_hub.protocols.claims import Clock, DirectiveAck, DirectiveHeard, PlaceClaim, WithdrawClaim
from alluse_hub.protocols.effects import Core, Decision
from alluse_hub.protocols.flow import Consider, Present
from alluse_hub.protocols.lifecycle import PeerDown, PeerUp, Started, Woken
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.names import BOARD, REPLICATOR, ROUTER
from alluse_hub.protocols.rules import CoordinatorSpec, RoundAbandoned
from alluse_hub.protocols.ruleset import AskRules, ChangeRules, RunRule, SwitchAuto, SwitchRule
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.workstream import CommandReply

LAPSES = "lapses"
"""The timer of leases on the hub's clock."""


def decide(state: Coordinator, letter: Envelope) -> Decision[Coordinator]:
    turn = Turn(state, letter.at)
    gating.order(turn, letter.body)
    is_board_new = False
    match letter.body:
        case Started(incarnation=incarnation):
            _started(turn, incarnation)
            is_board_new = True
        case Consider() as shown:
            rounds.consider(turn, shown)
        case ClaimResource() | ReleaseClaim() | OverrideFloor() | DecideConflict() as order:
            people.take(turn, letter.sender, order)
        case CommandReply() | DirectiveAck() | DirectiveHeard() | OfferYield() | YieldDone() | StoodDown() as word:
            _answered(turn, word)
        case PlaceClaim() | WithdrawClaim() as asked if programs.is_program(turn, letter.sender):
            programs.take(turn, letter.sender, asked)
        case PlaceClaim() as asked:
            operators.place(turn, letter.sender, asked)
        case WithdrawClaim() as asked:
            operators.withdraw(turn, letter.sender, asked)
        case AskApprovals() | DecideApproval() | SetLevel() as order:
            approving.take(turn, letter.sender, order)
        case AskRules() | ChangeRules() | SwitchRule() | SwitchAuto() | RunRule() as order:
            governing.take(turn, letter.sender, order)
        case Present() as word:
            _present(turn, word)
        case PeerDown() as word:
            reach.went_down(turn, word)
            telling.went_down(turn, word.name)
        case PeerUp(name=name, incarnation=incarnation):
            reach.came_up(turn, name, incarnation)
            _peer_up(turn, name)
            if name == ROUTER:
                governing.tell_router(turn)
            if name == REPLICATOR:
                views.show_rungs(turn)
            is_board_new = name == BOARD
        case Woken(timer=timer):
            _woken(turn, timer)
        case other:
            raise TypeError(f"the coordinator does not take {type(other).__name__}")
    _settle(turn)
    telling.tell(turn, state.ledger, back=_back(letter.body))
    rounds.finish_if_answered(turn)
    deadlines.settle(turn)
    approving.settle(turn)
    _arm_lapse(turn)
    if is_board_new:
        views.show_all(turn)
    else:
        views.show_changes(turn, state.ledger)
    return turn.done()


def _back(body: Message) -> str:
    """The workstream that is there again, if the letter says so."""
    match body:
        case Present(workstream=name, presence="up") | PeerUp(name=name):
            return name
        case _:
            return ""


Answer = CommandReply | DirectiveAck | DirectiveHeard | OfferYield | YieldDone | StoodDown


def _answered(turn: Turn, word: Answer) -> None:
    match word:
        case CommandReply() if word.key.startswith(negotiating.KEY):
            telling.yielded(turn, word)
            negotiating.replied(turn, word)
            directives.settle(turn)
        case CommandReply():
            reach.answered(turn, word.workstream)
            if telling.answered(turn, word):
                return
            commands.answered(turn, word)
        case DirectiveAck():
            reach.answered(turn, word.resource.partition("/")[0])
            directives.acknowledged(turn, word)
        case DirectiveHeard():
            directives.heard(turn, word)
        case OfferYield():
            negotiating.offered(turn, word)
        case YieldDone():
            negotiating.done(turn, word)
            directives.settle(turn)
        case StoodDown():
            terms.heard(turn, word)


def _settle(turn: Turn) -> None:
    """What follows from claims and answers that are gone: others have what was taken, conflicts are over."""
    negotiating.settle(turn)
    lowering.settle(turn)
    taking.grant_standing(turn)
    commands.grant_freed(turn)


def _started(turn: Turn, incarnation: int) -> None:
    """Take up what an earlier life left: nothing was sent of a round that it did not decide to the end."""
    if turn.ledger.before is not None:
        turn.record(RoundAbandoned(round=turn.ledger.round))
    terms.begin(turn, incarnation)
    governing.take_up(turn)
    claiming.drop_undeclared(turn)
    claiming.lapse(turn)
    conflicts.close_left_open(turn)
    negotiating.take_up(turn)
    directives.take_up(turn)
    commands.take_up(turn)
    telling.take_up(turn)
    approving.take_up(turn)


def _present(turn: Turn, word: Present) -> None:
    before = turn.state.presence.get(word.workstream)
    terms.met(turn, word.workstream)
    turn.state = replace(turn.state, presence={**turn.state.presence, word.workstream: word.presence})
    if word.presence == "out":
        programs.went_out(turn, word.workstream)
        telling.fail_all(turn, word.workstream, f"{word.workstream} is out")
        commands.fail_all(turn, word.workstream, f"{word.workstream} is out")
        for resource in turn.ledger.directives:
            if resource.partition("/")[0] == word.workstream:
                directives.fail(turn, resource, f"{word.workstream} is out")
    if word.presence == "up" and before != "up":
        directives.say_again_to(turn, word.workstream)


def _peer_up(turn: Turn, name: str) -> None:
    directives.say_again_to(turn, name)
    commands.say_again_to(turn, name)
    telling.say_again_to(turn, name)


def _woken(turn: Turn, timer: str) -> None:
    kind, _, about = timer.partition(":")
    match kind:
        case _ if timer == LAPSES:
            turn.state = replace(turn.state, lapse_at=None)
            claiming.lapse(turn)
            directives.settle(turn)
        case deadlines.DUE:
            deadlines.meet(turn)
        case approving.DUE:
            approving.meet(turn)
        case "yield":
            negotiating.no_answer(turn, about)
            directives.settle(turn)
        case "people":
            negotiating.nobody_decided(turn, about)
        case "term":
            terms.no_answer(turn, about)
        case "directive":
            directives.no_answer(turn, about)
        case "command":
            commands.no_answer(turn, about)
        case "told":
            telling.no_answer(turn, about)
        case _:
            raise ValueError(f"the coordinator sets no timer {timer!r}")


def _arm_lapse(turn: Turn) -> None:
    """One timer, for the first lease to end on the hub's clock."""
    ends = [
        claim.lease.until
        for claim in turn.ledger.claims.values()
        if claim.lease.clock is Clock.HUB and claim.lease.until is not None and not claim.lease.until_cleared
    ]
    first = min(ends, default=None)
    if first == turn.state.lapse_at:
        return
    turn.state = replace(turn.state, lapse_at=first)
    if first is None:
        turn.cancel(LAPSES)
    else:
        turn.wake(LAPSES, max(0.0, first - turn.at))


COORDINATOR: Core[Coordinator] = Core(
    start=start,
    decide=decide,
    spec=CoordinatorSpec,
    accepts=frozenset(
        {
            Started,
            Woken,
            PeerUp,
            PeerDown,
            Consider,
            Present,
            CommandReply,
            DirectiveAck,
            DirectiveHeard,
            PlaceClaim,
            WithdrawClaim,
            ClaimResource,
            ReleaseClaim,
            OverrideFloor,
            DecideConflict,
            OfferYield,
            YieldDone,
            StoodDown,
            AskApprovals,
            DecideApproval,
            SetLevel,
            AskRules,
            ChangeRules,
            SwitchRule,
            SwitchAuto,
            RunRule,
        }
    ),
    evolve=evolved,
    facts=FACTS,
    restore=restored,
)
