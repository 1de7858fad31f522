"""Commands to the programs, by way of their monitors: one of each kind at a time to each workstream, said again until
answered.

A monitor does a key once and gives the same answer to whoever asks again, so saying it twice costs a letter and changes
nothing.  What is not answered in time is let go; the deliveries it was about are offered again.
"""

from collections.abc import Callable, Iterable, Iterator

from alluse_hub.protocols.message import Json
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.versions import Held
from alluse_hub.protocols.workstream import Command, CommandReply

from .state import Exchange, Turn

AGAIN_S = 2.0
"""After this long without an answer it is said again; then after twice that, and so on up to ``AGAIN_MAX_S``."""

AGAIN_MAX_S = 16.0
COMMAND_S = 30.0
"""Deadline of a command: a program that does not answer within it is judged hung by its monitor."""

GIVE_UP_S = 45.0
"""A command without any answer, not even its monitor's *no*, is let go after this."""

PROBE_S = 30.0
"""A program that is said not to be up is asked all the same, if there is something to ask, so long after the last word:
the word that it is back may have been lost."""

ITEMS_MAX = 64
"""Data sets in one command."""

CONTENT_BYTES_MAX = 500_000
"""Contents in one command: half of the longest line."""

OFFER = "offer_datasets"
APPLY = "apply_datasets"
GET = "get_datasets"
DIGEST = "digest_datasets"
MEND = "mend"
"""As ``APPLY``, for a version that the hub has made of two; to the source."""


def is_free(turn: Turn, kind: str, workstream: str) -> bool:
    is_left_alone = turn.state.held_off.get(workstream, 0.0) > turn.now
    if is_left_alone or f"{kind}:{workstream}" in turn.state.exchanges:
        return False
    return turn.is_up(workstream) or turn.now >= turn.state.heard_of.get(workstream, 0.0) + PROBE_S


def ask(
    turn: Turn,
    kind: str,
    workstream: str,
    datasets: Json | list[str],
    carries: Iterable[tuple[str, int]] = (),
) -> None:
    command = Command(
        key=f"{turn.who}/{kind}/{workstream}",
        command=APPLY if kind == MEND else kind,
        parameters={"datasets": datasets},
        deadline_s=COMMAND_S,
    )
    exchange = Exchange(command, tuple(datasets), tuple(carries), turn.now, turn.now)
    turn.set(
        exchanges={**turn.state.exchanges, f"{kind}:{workstream}": exchange},
        heard_of={**turn.state.heard_of, workstream: turn.now},
    )
    turn.send(workstream, command)


def answered(turn: Turn, reply: CommandReply) -> tuple[str, Exchange] | None:
    """The kind and the exchange that ``reply`` ends; None for one that was let go."""
    for name, exchange in turn.state.exchanges.items():
        if exchange.command.key == reply.key:
            let_go(turn, name)
            if reply.ok:
                turn.came_up(reply.workstream)
            return name.partition(":")[0], exchange
    return None


def let_go(turn: Turn, name: str) -> None:
    turn.set(exchanges={other: exchange for other, exchange in turn.state.exchanges.items() if other != name})


def say_again(turn: Turn) -> None:
    """Whatever has waited long enough for an answer."""
    for name, exchange in list(turn.state.exchanges.items()):
        if turn.now - exchange.first_at >= GIVE_UP_S:
            workstream = name.partition(":")[2]
            let_go(turn, name)
            why = f"no answer to {exchange.command.command} within {GIVE_UP_S:g} s"
            turn.set(dark={**turn.state.dark, workstream: why}, is_shown=False)
        elif turn.now - exchange.said_at >= wait_s(exchange):
            _repeat(turn, name, exchange)


def say_again_to(turn: Turn, workstream: str) -> None:
    """A new incarnation of its monitor may not have heard it."""
    for name, exchange in list(turn.state.exchanges.items()):
        if name.partition(":")[2] == workstream:
            _repeat(turn, name, exchange)


def wait_s(exchange: Exchange) -> float:
    return float(min(AGAIN_MAX_S, AGAIN_S * 2 ** (exchange.tries - 1)))


def _repeat(turn: Turn, name: str, exchange: Exchange) -> None:
    said = replace(exchange, said_at=turn.now, tries=exchange.tries + 1)
    turn.set(exchanges={**turn.state.exchanges, name: said})
    turn.send(name.partition(":")[2], exchange.command)
    for edge, serial in exchange.carries:
        delivery = turn.delivery(edge, serial)
        if delivery is not None:
            turn.move(edge, serial, delivery.stage, again=1)


def in_hand(turn: Turn) -> frozenset[tuple[str, int]]:
    """Deliveries that a command under way is about."""
    return frozenset(carried for exchange in turn.state.exchanges.values() for carried in exchange.carries)


def held_in(reply: CommandReply, names: Iterable[str], wrong: Callable[[str], Held]) -> Iterator[tuple[str, Held]]:
    """What the program answers for each name; ``wrong`` makes one of a sentence where it answered something else."""
    result = reply.result if isinstance(reply.result, dict) else {}
    for name in names:
        said = result.get(name)
        if said is None:
            yield name, wrong("the program did not answer for it")
            continue
        try:
            yield name, Held.model_validate(said)
        except ValueError:
            yield name, wrong("the program's answer for it is not understood")
