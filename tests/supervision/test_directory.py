"""The directory that the root keeps: who hears of whom, and how often."""

from types import SimpleNamespace
from typing import Any

import pytest
from thespian.actors import ActorAddress

from alluse_hub.supervision.boot import Boot
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.words import Introduce, Register


class Root(Shell):
    """A root without a system: what it sends is kept, by address."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, list[tuple[str, int]]]] = []
        self.told: list[tuple[str, int]] = []
        self._own = Boot("hub", 1, {}, "guardian")
        life: Any = SimpleNamespace(introduce=lambda name, incarnation, _: self.told.append((name, incarnation)))
        self._life = life

    def send(self, address: ActorAddress, message: Introduce) -> None:
        self.sent.append((str(address.addressDetails), [(name, life) for name, life, _ in message.peers]))

    def register(self, name: str, incarnation: int, *residents: str) -> None:
        self.sent, self.told = [], []
        lives = tuple((resident, incarnation) for resident in residents)
        self._register(Register(name, incarnation, ActorAddress(f"at {name}/{incarnation}"), lives))


@pytest.fixture
def root() -> Root:
    root = Root()
    root.register("hub", 1)
    root.register("router", 1)
    root.register("cell-1", 1, "a", "b", "c")
    return root


def test_a_newborn_is_told_of_all_and_all_are_told_of_it(root: Root) -> None:
    root.register("board", 1)

    names = ["hub", "router", "cell-1", "a", "b", "c", "board"]
    assert dict(root.sent)["at board/1"] == [(name, 1) for name in names]
    assert dict(root.sent)["at router/1"] == [("board", 1)]
    assert root.told == [("board", 1)]


def test_a_cell_is_told_once_for_all_who_live_in_it(root: Root) -> None:
    root.register("board", 1)

    assert [to for to, _ in root.sent].count("at cell-1/1") == 1


def test_all_who_live_in_a_cell_are_introduced_at_once_at_its_address(root: Root) -> None:
    root.register("cell-1", 2, "a", "b", "c")

    born = [("cell-1", 2), ("a", 2), ("b", 2), ("c", 2)]
    assert root.sent[0] == ("at router/1", born)
    assert root.told == born
    assert [to for to, _ in root.sent] == ["at router/1", "at cell-1/2"]
