"""Birth and end of actors that share a process: what the kernel would have seen to is seen to here."""

import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from thespian.actors import (
    ActorAddress,
    ActorExitRequest,
    ActorSystemFailure,
    InvalidActorSpecification,
    NoCompatibleSystemForActor,
    requireCapability,
)

from alluse_hub.supervision.dense.base import DenseSystem, open_dense
from alluse_hub.supervision.dense.tenant import Kill, NotHereError
from tests.dense.conftest import PATIENCE_S, Doer, bear, heard_of, reply

Ask = Callable[[ActorAddress, Any], Any]


class Stillborn(Doer):
    def __init__(self) -> None:
        raise ValueError("not today")


class QuitsAtBirth(Doer):
    def __init__(self) -> None:
        sys.exit(4)


class Particular(Doer):
    def __init__(self, capabilities: dict[str, Any], requirements: Any) -> None:
        super().__init__()
        self.told = (capabilities["place"], requirements)


@requireCapability("wings")
class Flier(Doer):
    pass


def exits(ask: Ask, parent: ActorAddress, count: int = 1) -> list[str]:
    """What the parent has heard of the end of children, when it has heard of so many: asking from outside may overtake
    an end, if the loop looks outside first.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        words: list[str] = ask(parent, reply(lambda actor: [str(getattr(word, "cause", word)) for word in actor.heard]))
        if len(words) >= count or time.monotonic() > deadline:
            return words


def quit_with(error: BaseException) -> Callable[[Doer, ActorAddress], None]:
    def act(_actor: Doer, _sender: ActorAddress) -> None:
        raise error

    return act


# --- birth -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "cause"),
    [(Stillborn, "error: ValueError: not today"), (QuitsAtBirth, "exit status 4"), ("nowhere.Nobody", "error: ")],
)
def test_a_child_that_cannot_be_made_is_told_to_its_parent_once(
    ask: Ask, doer: ActorAddress, kind: Any, cause: str
) -> None:
    ask(doer, bear(kind))

    [word] = exits(ask, doer)
    assert word.startswith(cause)


def test_what_is_sent_to_a_child_of_no_class_comes_back_as_poison(system: DenseSystem, doer: ActorAddress) -> None:
    child = system.ask(doer, bear("nowhere.Nobody"), 1.0)

    assert "Child Aborted" in system.ask(child, "hello", 1.0).details


def test_a_root_of_no_class_is_refused(system: DenseSystem) -> None:
    with pytest.raises(ImportError):
        system.createActor("nowhere.Nobody")
    with pytest.raises(InvalidActorSpecification):
        system.createActor("Nobody")


def test_an_actor_is_made_only_where_there_is_what_it_requires(system: DenseSystem, ask: Ask) -> None:
    with pytest.raises(NoCompatibleSystemForActor):
        system.createActor(Flier)

    system.updateCapability("wings", True)
    assert ask(system.createActor(Flier), reply("here")) == "here"


def test_an_actor_that_wants_them_is_given_capabilities_and_requirements() -> None:
    system = open_dense(capabilities={"place": "here"})
    try:
        actor = system.createActor(Particular, {"size": 3})
        assert system.ask(actor, reply(lambda actor: actor.told), 1.0) == ("here", {"size": 3})
    finally:
        system.shutdown()


def test_a_global_name_is_one_actor_until_it_ends(system: DenseSystem, ask: Ask) -> None:
    first = system.createActor(Doer, globalName="only")
    assert system.createActor(Doer, globalName="only") == first

    system.tell(first, ActorExitRequest())
    second = system.createActor(Doer, globalName="only")

    assert second != first
    assert ask(second, reply(lambda actor: actor.globalName)) == "only"


def test_no_source_is_loaded(system: DenseSystem) -> None:
    with pytest.raises(NotHereError):
        system.loadActorSource("some.zip")
    with pytest.raises(NotHereError):
        system.createActor(Doer, sourceHash="0123")


# --- what would end a process ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (SystemExit(3), "exit status 3"),
        (SystemExit(), "exit status 0"),
        (SystemExit("enough"), "error: enough"),
        (KeyboardInterrupt(), "error: KeyboardInterrupt"),
        (GeneratorExit(), "error: GeneratorExit"),
    ],
)
def test_what_would_end_a_process_ends_that_actor_and_no_other(
    system: DenseSystem, ask: Ask, doer: ActorAddress, error: BaseException, cause: str
) -> None:
    child, other = ask(doer, bear()), ask(doer, bear())

    system.tell(child, quit_with(error))

    assert exits(ask, doer) == [cause]
    assert not system.is_alive(child)
    assert ask(other, reply("here")) == "here"


def test_those_below_an_actor_that_quits_end_with_it_and_hear_that_they_do(
    system: DenseSystem, ask: Ask, doer: ActorAddress
) -> None:
    child = ask(doer, bear())
    grandchild = ask(child, bear())
    kept = ask(grandchild, reply(lambda actor: actor.heard))

    system.tell(child, quit_with(SystemExit(3)))

    assert [type(message) for message in kept] == [ActorExitRequest]
    assert not system.is_alive(grandchild)
    assert exits(ask, doer) == ["exit status 3"]


# --- killed ----------------------------------------------------------------------------------------------------------


def test_a_killed_actor_ends_ahead_of_its_mail_and_hears_of_its_end(
    system: DenseSystem, ask: Ask, doer: ActorAddress
) -> None:
    child = ask(doer, bear())
    known = ask(child, reply(lambda actor: actor))

    def kill(actor: Doer, _sender: ActorAddress) -> None:
        actor.send(actor.child, "unread")
        actor.send(actor.child, Kill())

    system.tell(doer, kill)

    assert exits(ask, doer) == ["killed by SIGKILL"]
    assert (known.kept, heard_of(known)) == ([], ["ActorExitRequest"])


def test_an_actor_may_kill_itself_and_finishes_what_it_is_at(system: DenseSystem, ask: Ask, doer: ActorAddress) -> None:
    child = ask(doer, bear())

    def suicide(actor: Doer, sender: ActorAddress) -> None:
        actor.send(actor.myAddress, Kill())
        actor.send(sender, "last words")

    assert ask(child, suicide) == "last words"
    assert exits(ask, doer) == ["killed by SIGKILL"]


def test_one_that_fails_at_its_end_ends_all_the_same(system: DenseSystem, ask: Ask, doer: ActorAddress) -> None:
    class Clinging(Doer):
        def receiveMessage(self, message: Any, sender: ActorAddress) -> Any:  # noqa: N802
            if isinstance(message, ActorExitRequest):
                raise SystemExit(9)
            return super().receiveMessage(message, sender)

    killed, asked = ask(doer, bear(Clinging)), ask(doer, bear(Clinging))
    for child, how in ((killed, Kill()), (asked, ActorExitRequest())):
        ask(child, reply("here"))
        system.tell(child, how)

    assert exits(ask, doer, 2) == ["killed by SIGKILL", "exit status 9"]


def test_the_object_of_an_actor_that_ended_is_let_go(system: DenseSystem, doer: ActorAddress) -> None:
    gone: list[str] = []

    class Marked(Doer):
        def __del__(self) -> None:
            gone.append("gone")

    actor = system.createActor(Marked)
    system.ask(actor, reply("here"), 1.0)
    system.tell(actor, ActorExitRequest())

    assert gone == ["gone"]


# --- in order --------------------------------------------------------------------------------------------------------


def test_an_exit_comes_in_the_order_of_the_mail_and_what_is_behind_it_is_not_read(
    system: DenseSystem, ask: Ask, doer: ActorAddress
) -> None:
    child = ask(doer, bear())
    known = ask(child, reply(lambda actor: actor))

    def order(actor: Doer, _sender: ActorAddress) -> None:
        for message in ("before", ActorExitRequest(), "behind"):
            actor.send(actor.child, message)

    system.tell(doer, order)

    assert exits(ask, doer) == ["exit status 0"]
    assert known.kept == ["before"]


def test_a_parent_that_is_asked_to_exit_goes_when_its_children_have_read_their_mail_and_gone(
    system: DenseSystem, ask: Ask, doer: ActorAddress
) -> None:
    parent = ask(doer, bear())
    child, other = ask(parent, bear()), ask(parent, bear())
    known = ask(parent, reply(lambda actor: actor))
    read = ask(child, reply(lambda actor: actor.kept))
    ask(other, reply("here"))

    def leave(actor: Doer, sender: ActorAddress) -> None:
        for number in range(100):
            actor.send(child, number)
        actor.send(parent, ActorExitRequest())
        actor.send(sender, "left")

    ask(doer, leave)

    assert exits(ask, doer) == ["exit status 0"]
    assert read == list(range(100))
    assert heard_of(known) == ["ActorExitRequest", "ChildExited", "ChildExited"]


def test_an_exit_that_is_not_recursive_leaves_the_children(system: DenseSystem, ask: Ask, doer: ActorAddress) -> None:
    parent = ask(doer, bear())
    child = ask(parent, bear())

    system.tell(parent, ActorExitRequest(recursive=False))

    assert exits(ask, doer) == ["exit status 0"]
    assert ask(child, reply("here")) == "here"


def test_whoever_is_born_below_one_who_leaves_leaves_too(system: DenseSystem, ask: Ask, doer: ActorAddress) -> None:
    class Late(Doer):
        def receiveMessage(self, message: Any, sender: ActorAddress) -> Any:  # noqa: N802
            if isinstance(message, ActorExitRequest):
                born.append(self.createActor(Doer))
            return super().receiveMessage(message, sender)

    born: list[ActorAddress] = []
    child = ask(doer, bear(Late))
    system.tell(child, Kill())
    system.tell(ask(doer, bear(Late)), ActorExitRequest())

    assert len(exits(ask, doer, 2)) == 2
    assert [system.is_alive(address) for address in born] == [False] * len(born)


def test_a_system_ends_though_some_never_stop_talking() -> None:
    system = open_dense()

    def chatter(actor: Doer, sender: ActorAddress) -> None:
        actor.send(sender, chatter)

    pair = system.createActor(Doer), system.createActor(Doer)
    system.tell(pair[0], lambda actor, _sender: actor.send(pair[1], chatter))
    system.run(timeout_s=0.01)

    system.shutdown()

    assert not any(address.addressDetails.mail for address in pair)


def test_an_actor_may_end_the_whole_system(system: DenseSystem, doer: ActorAddress) -> None:
    other = system.createActor(Doer)

    system.tell(doer, lambda actor, _sender: actor.actorSystemShutdown())
    system.run(lambda: not (system.is_alive(doer) or system.is_alive(other)), 20.0)

    assert not system.is_alive(other)
    with pytest.raises(ActorSystemFailure):
        system.createActor(Doer)
