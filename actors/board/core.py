"""What the board does with a letter: fold it into the picture, or show the picture.

Not durable and decides nothing; a letter that brings nothing new changes nothing.  Pure.
"""

from alluse_hub.actors.board.picture import Board, BoardSpec, Conflicts, Heard, Turn, with_subtree
from alluse_hub.actors.board.views import view
from alluse_hub.protocols.admin import AskBoard
from alluse_hub.protocols.board import BoardShown
from alluse_hub.protocols.children import TreeShown
from alluse_hub.protocols.claims import ConflictClosed, ConflictOpened, ConflictShown, ConflictsShown
from alluse_hub.protocols.effects import Core, Decision, Send
from alluse_hub.protocols.flow import FlowsShown
from alluse_hub.protocols.health import HealthChanged, Pulse
from alluse_hub.protocols.lifecycle import Started
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.rules import RulesShown
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.sync import SyncsShown


def start(name: str, spec: Message) -> Board:
    assert isinstance(spec, BoardSpec), f"{name} is given a board's specification"
    return Board(spec)


def decide(state: Board, letter: Envelope) -> Decision[Board]:
    match letter.body:
        case Started():
            return Decision(state)
        case AskBoard(request=request, view=name, args=args):
            shown = BoardShown(request=request, version=state.version, view=view(state, name, args, letter.at))
            return Decision(state, (Send(letter.sender, shown),))
        case body:
            after = fold(state, body, letter.at)
            return Decision(after if after is state else replace(after, version=state.version + 1))


def fold(state: Board, body: Message, at: float) -> Board:
    """The picture with ``body`` in it; the very same picture if that brings nothing new."""
    match body:
        case TreeShown():
            return replace(state, trees=with_subtree(state.trees, body))
        case Pulse():
            return replace(state, pulses=state.pulses | {body.workstream: Heard(body, at)})
        case HealthChanged():
            return replace(state, turns=state.turns | {body.workstream: Turn(body, at)})
        case FlowsShown():
            return replace(state, flows=body)
        case RulesShown():
            return replace(state, rules=body)
        case SyncsShown():
            return replace(state, syncs=state.syncs.with_(body))
        case ConflictsShown():
            return replace(state, conflicts=Conflicts(body.open, body.closed, body.count))
        case ConflictOpened():
            return _with(state, state.conflicts.opened(ConflictShown.of(body)))
        case ConflictClosed():
            return _with(state, state.conflicts.ended(body))
        case other:
            raise TypeError(f"a board does not take {type(other).__name__}")


def _with(state: Board, conflicts: Conflicts) -> Board:
    return state if conflicts is state.conflicts else replace(state, conflicts=conflicts)


BOARD = Core(
    start=start,
    decide=decide,
    spec=BoardSpec,
    accepts=frozenset(
        {
            Started,
            AskBoard,
            TreeShown,
            Pulse,
            HealthChanged,
            FlowsShown,
            RulesShown,
            SyncsShown,
            ConflictsShown,
            ConflictOpened,
            ConflictClosed,
        }
    ),
)
