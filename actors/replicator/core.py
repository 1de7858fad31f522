"""The replicator: versions in, offers and contents out, and proof back.

Every letter makes one turn: what it brings is taken in, then all is asked that can be asked now.  What must survive is
in the ledger and changes by facts alone.  What an earlier life had under way is offered again: a target that has it
says so.
"""

from alluse_hub.protocols.arbitration import DecideConflict
from alluse_hub.protocols.effects import Core, Decision
from alluse_hub.protocols.flow import Present
from alluse_hub.protocols.lifecycle import PeerUp, Started, Woken
from alluse_hub.protocols.message import Envelope
from alluse_hub.protocols.names import BOARD
from alluse_hub.protocols.sync import ForceSync, ReplicatorSpec, RungsShown, SwitchSync, SyncMode
from alluse_hub.protocols.versions import DatasetsTold, Version
from alluse_hub.protocols.workstream import CommandReply

from . import comparing, contents, deliveries, diverging, exchanges, figures, people
from .ledger import FACTS
from .state import Replicator, Turn, evolved, restored, start

CLOCK = "clock"
"""The one timer: whatever is due next."""

TICK_S = 1.0
"""While something is under way, deadlines and repetitions are looked at this often."""


def decide(state: Replicator, letter: Envelope) -> Decision[Replicator]:
    turn = Turn(state, letter.at, letter.id)
    is_board_new, only = False, ""
    match letter.body:
        case Started(incarnation=life):
            turn.set(life=life)
            diverging.close_undeclared(turn)
            comparing.plan(turn)
            is_board_new = True
        case Woken(timer=timer):
            assert timer == CLOCK, f"the replicator sets no timer {timer!r}"
            turn.set(due_at=None)
            _tick(turn)
        case DatasetsTold() as word:
            _told(turn, word)
        case CommandReply() as reply:
            only = _answered(turn, reply)
        case Present(workstream=workstream, presence=presence):
            _present(turn, workstream, presence)
        case PeerUp(name=name):
            turn.set(words={ws: serial for ws, serial in turn.state.words.items() if ws != name})
            is_board_new = name == BOARD
            exchanges.say_again_to(turn, name)
            comparing.again_with(turn, name)
        case RungsShown() as shown:
            _rungs(turn, shown)
        case SwitchSync() as order:
            people.switch(turn, letter.sender, order)
        case ForceSync() as order:
            people.force(turn, letter.sender, order)
        case DecideConflict() as order:
            people.decide(turn, letter.sender, order)
        case other:
            raise TypeError(f"the replicator does not take {type(other).__name__}")
    comparing.pump(turn)
    diverging.pump(turn)
    deliveries.pump(turn, only)
    people.finish(turn)
    figures.show(turn, afresh=is_board_new)
    _wind(turn)
    return turn.done()


def _tick(turn: Turn) -> None:
    deliveries.expire(turn)
    diverging.put_again(turn)
    contents.drop(turn)
    exchanges.say_again(turn)
    comparing.when_due(turn)
    comparing.ask_for_words(turn)


def _told(turn: Turn, word: DatasetsTold) -> None:
    """Carry what is new, and ask for the next word when it is time.  A word that came before is no news."""
    if word.serial <= turn.state.words.get(word.workstream, 0):
        return
    comparing.answered(turn, word.workstream)
    turn.set(words={**turn.state.words, word.workstream: word.serial})
    for dataset, version in word.versions.items():
        if deliveries.learn(turn, word.workstream, dataset, version):
            turn.set(is_shown=False)
            deliveries.live(turn, word.workstream, dataset, "live")
    if word.asked:
        turn.set(asked={**turn.state.asked, **word.asked}, is_shown=False)
    pace_s = 0.0
    for sync in turn.state.syncs.values():
        if sync.source != word.workstream:
            continue
        if sync.mode is SyncMode.LIVE:
            pace_s = max(pace_s, sync.pace_s)
        is_due = sync.id in word.met if sync.when else sync.event in word.events
        if sync.mode is SyncMode.ON_EVENT and is_due and turn.plays(sync.id):
            for target in sync.targets:
                deliveries.unless_there(turn, f"{sync.id}>{target}", comparing.EVENT)
    turn.set(ask_at={**turn.state.ask_at, word.workstream: turn.now + pace_s})


def _answered(turn: Turn, reply: CommandReply) -> str:
    """The target that alone it concerns; empty if it may concern others too."""
    found = exchanges.answered(turn, reply)
    if found is None:
        return reply.workstream
    diverged: list[tuple[str, Version]] = []
    match found:
        case exchanges.OFFER, exchange:
            diverged = deliveries.offered(turn, exchange, reply)
        case exchanges.APPLY, exchange:
            diverged = deliveries.applied(turn, exchange, reply)
        case exchanges.GET, exchange:
            deliveries.fetched(turn, exchange, reply)
        case exchanges.DIGEST, exchange:
            comparing.told(turn, exchange, reply)
        case exchanges.MEND, exchange:
            diverging.stored(turn, exchange, reply)
        case kind, _:
            raise ValueError(f"the replicator asks no {kind!r}")
    for edge, has in diverged:
        diverging.begin(turn, edge, has)
    return reply.workstream if found[0] in {exchanges.OFFER, exchanges.APPLY} and not diverged else ""


def _rungs(turn: Turn, shown: RungsShown) -> None:
    """Where a hold is over, what waited goes on, with its deadline from now."""
    edges = [edge for edges in turn.state.ends.values() for edge in edges]
    held = [edge for edge in edges if turn.hold_on(edge)]
    turn.set(rungs=shown.rungs, claims=shown.claims, is_shown=False)
    freed = {edge: turn.now for edge in held if not turn.hold_on(edge)}
    turn.set(freed_at={**turn.state.freed_at, **freed})


def _present(turn: Turn, workstream: str, presence: str) -> None:
    before = turn.state.presence.get(workstream)
    if before == presence:
        return
    turn.set(
        presence={**turn.state.presence, workstream: presence},
        heard_of={**turn.state.heard_of, workstream: turn.now},
        is_shown=False,
    )
    if presence == "up":
        turn.came_up(workstream)
        if before is not None:
            comparing.again_with(turn, workstream)


def _wind(turn: Turn) -> None:
    """Set the clock to what is due next."""
    state = turn.state
    times = [*state.compare_at.values(), *state.pass_at.values(), *state.ask_at.values()]
    times += [due_at for due_at, _ in state.ask_again.values()]
    times += [each.until for each in diverging.asks(turn)]
    times += [until for until in state.held_off.values() if until > turn.now]
    if state.exchanges or state.forced or any(edge.open for edge in turn.ledger.edges.values()):
        times.append(turn.now + TICK_S)
    if not state.is_shown and state.show_at is not None:
        times.append(state.show_at)
    if not times:
        return
    first = max(turn.now, min(times))
    if state.due_at is None or first < state.due_at - 1e-9:
        turn.set(due_at=first)
        turn.wake(CLOCK, first - turn.now)


def heeds(state: Replicator, name: str) -> bool:
    return name == BOARD or any(name in {sync.source, *sync.targets} for sync in state.syncs.values())


REPLICATOR: Core[Replicator] = Core(
    start=start,
    decide=decide,
    spec=ReplicatorSpec,
    accepts=frozenset(
        {
            *(Started, Woken, PeerUp, Present),
            *(DatasetsTold, CommandReply, RungsShown),
            *(SwitchSync, ForceSync, DecideConflict),
        }
    ),
    evolve=evolved,
    facts=FACTS,
    restore=restored,
    heeds=heeds,
)
