"""A dense system for each test, and an actor that does whatever it is sent."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from thespian.actors import Actor, ActorAddress, ActorSystemMessage

from alluse_hub.supervision.dense.base import DenseSystem, open_dense

PATIENCE_S = 20.0

Act = Callable[["Doer", ActorAddress], Any]


class Doer(Actor):  # type: ignore[misc]  # Thespian ships no types
    """Calls what it is sent with itself and the sender: here messages are handed over as they are.  Keeps what it hears
    from the system, and whatever else it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Any] = []
        self.kept: list[Any] = []
        self.child: Any = None

    def receiveMessage(self, message: Any, sender: ActorAddress) -> Any:  # noqa: N802
        if callable(message):
            return message(self, sender)
        (self.heard if isinstance(message, ActorSystemMessage) else self.kept).append(message)
        return None


def reply(what: Any) -> Act:
    """Have the actor answer; a function is called with the actor first."""

    def act(actor: Doer, sender: ActorAddress) -> None:
        actor.send(sender, what(actor) if callable(what) else what)

    return act


def bear(actor_class: Any = Doer) -> Act:
    """Have the actor make a child, and answer with its address."""

    def act(actor: Doer, sender: ActorAddress) -> None:
        actor.child = actor.createActor(actor_class)
        actor.send(sender, actor.child)

    return act


def heard_of(actor: Doer) -> list[str]:
    return [type(message).__name__ for message in actor.heard]


@pytest.fixture
def system() -> Iterator[DenseSystem]:
    opened = open_dense()
    yield opened
    opened.shutdown()


@pytest.fixture
def doer(system: DenseSystem) -> ActorAddress:
    return system.createActor(Doer)


@pytest.fixture
def ask(system: DenseSystem) -> Callable[[ActorAddress, Any], Any]:
    """The answer, which has to come in time."""

    def ask(actor: ActorAddress, message: Any) -> Any:
        answer = system.ask(actor, message, PATIENCE_S)
        assert answer is not None
        return answer

    return ask
