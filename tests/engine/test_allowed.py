import importlib
import os
import pickle
from dataclasses import is_dataclass
from datetime import timedelta
from typing import Any

import pytest
from thespian.actors import ActorAddress, PoisonMessage

from alluse_hub.supervision.engine.address import SocketAddress
from alluse_hub.supervision.engine.allowed import (
    EVERYTHING,
    HUB,
    PACKED,
    PICKLE,
    SHELL,
    THESPIAN,
    Allowed,
    RefusedClassError,
    encode,
)
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.words import BootOrder, House, Introduce

PARCEL = Parcel("a/1/2", "a", 1, "b", 1, 2, "Woken", b"{}", "", "")
ADDRESS = ActorAddress(SocketAddress("/run/hub/a12.0123456789abcdef.sock", 3))


class Bomb:
    def __init__(self, *what: Any) -> None:
        self.what = what

    def __reduce__(self) -> Any:
        return self.what


@pytest.mark.parametrize(
    "message",
    [
        PARCEL,
        BootOrder("ws1", 1, {"a": [1, 2.0, None, "x"]}, "hub", 12, House("/home", 0.0, "reader", "1", ADDRESS)),
        Introduce((("ws1", 1, ADDRESS),)),
        timedelta(seconds=3),
        PoisonMessage(PARCEL, "text"),
        ("plain", {"data": {1, 2}}, [b"x"]),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_the_hub_sends_comes_through(message: object) -> None:
    assert HUB.decode(encode(message)) == message


@pytest.mark.parametrize("parcel", [PARCEL, PARCEL._replace(cause="a\0b"), PARCEL._replace(cause="\ud800")])
def test_a_parcel_comes_through_packed_or_as_a_pickle(parcel: Parcel) -> None:
    assert HUB.decode(HUB.encode(parcel)) == parcel


def test_a_parcel_is_no_pickle_and_everything_else_is() -> None:
    assert HUB.encode(PARCEL)[0] < PICKLE
    assert HUB.encode((PARCEL,))[0] == PICKLE
    assert EVERYTHING.encode(PARCEL)[0] == PICKLE


@pytest.mark.parametrize("mark", [mark for mark in range(PICKLE) if mark not in PACKED])
def test_a_mark_that_no_class_has_is_refused(mark: int) -> None:
    with pytest.raises(RefusedClassError):
        HUB.decode(bytes([mark]) + HUB.encode(PARCEL)[1:])


def test_a_packed_class_must_be_on_the_list_too() -> None:
    with pytest.raises(RefusedClassError):
        Allowed(frozenset(), PACKED).decode(HUB.encode(PARCEL))


def test_an_address_keeps_the_number_of_the_request() -> None:
    assert HUB.decode(encode(ADDRESS)).addressDetails.request == 3


@pytest.mark.parametrize(
    "bomb",
    [
        Bomb(os.system, ("true",)),
        Bomb(eval, ("1",)),
        Bomb(importlib.import_module, ("os",)),
        Bomb(getattr, (PARCEL, "id")),
        Bomb(Bomb, ()),
    ],
    ids=["system", "eval", "import", "getattr", "foreign class"],
)
def test_a_message_cannot_call_what_is_not_on_the_list(bomb: Bomb) -> None:
    with pytest.raises(RefusedClassError):
        HUB.decode(pickle.dumps(bomb))


@pytest.mark.parametrize("name", ["os.system", "ExitCause.__init__", "signal"])
def test_a_name_reached_through_a_listed_module_is_refused(name: str) -> None:
    module = "alluse_hub.supervision.engine.exits"
    stream = b"\x80\x04" + b"".join(
        b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)
    ) + b"\x93."  # fmt: skip

    with pytest.raises(RefusedClassError):
        HUB.decode(stream)


def test_a_listed_name_that_is_no_class_of_that_module_is_refused() -> None:
    with pytest.raises(RefusedClassError):
        Allowed(frozenset({"posixpath.os"})).find("posixpath", "os")


@pytest.mark.parametrize("name", sorted(THESPIAN | SHELL))
def test_every_name_on_the_list_is_a_class(name: str) -> None:
    module, _, cls = name.rpartition(".")

    assert isinstance(HUB.find(module, cls), type)


def test_every_word_that_shells_say_among_themselves_is_on_the_list() -> None:
    module = importlib.import_module("alluse_hub.supervision.words")
    words = {f"{module.__name__}.{name}" for name, found in vars(module).items() if is_dataclass(found)}

    assert words
    assert words <= SHELL
