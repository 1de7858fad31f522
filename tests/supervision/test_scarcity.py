"""A full disk under an actor: nothing half done, restrictions go on, telemetry is counted, and it ends by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from alluse_hub.protocols import scarcity, wire
from alluse_hub.protocols.admin import AskBoard, Asked, ShutDown
from alluse_hub.protocols.effects import Core, Decision, Record, Send
from alluse_hub.protocols.flow import EventsTaken, ResumeFlow
from alluse_hub.protocols.lifecycle import Started
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.scarcity import SpoolGap
from alluse_hub.protocols.trail import AuditorSpec, EntryKind, TailStuck
from alluse_hub.supervision.boot import Boot
from alluse_hub.supervision.life import Life
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.ports import Ports
from alluse_hub.supervision.scarcity import RETRY_S, WAITING_MAX, Scarcity, Waiting
from alluse_hub.supervision.spool import Frame, SpoolFullError

HEARD = EntryKind.HEARD
EVENT = [Frame(HEARD, "Deliver", b"{}"), Frame(EntryKind.FACT, "EventHeard", b"{}")]
QUESTION = [Frame(HEARD, "Asked", b"{}"), Frame(EntryKind.SENT, "AskBoard", b"{}", "board")]
DIRECTIVE = [Frame(HEARD, "Consider", b"{}"), Frame(EntryKind.SENT, "Directive", b"{}", "ws2")]


@dataclass
class Disk:
    """A spool on a disk that can be filled; ``reserve`` entries are left for what is urgent."""

    actor: str = "x"
    incarnation: int = 1
    n: int = 0
    is_full: bool = True
    reserve: int = 4
    kept: list[Frame] = field(default_factory=list)

    def write(self, frames: Sequence[Frame], at: float, wall: float, *, urgent: bool = False) -> int:
        if self.is_full and (not urgent or self.reserve < len(frames)):
            raise SpoolFullError("the disk is full")
        self.reserve -= len(frames) if self.is_full else 0
        self.kept += frames
        self.n += len(frames)
        return self.n


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def scarce(disk: Disk) -> Scarcity:
    made = Scarcity()
    assert not made.write(disk, QUESTION, 1.0, 0.0, can_wait=True)
    return made


def letter(body: Message) -> Waiting:
    return Waiting(body, "y", "y/1/1", "", "", b"")


def at(now: float) -> Ports:
    return cast("Ports", SimpleNamespace(now=lambda: now, wall=lambda: 0.0))


def tried(scarce: Scarcity, disk: Disk, now: float) -> list[Message]:
    return [each.body for each in scarce.due(disk, at(now))]


RESUME = ResumeFlow(flow="ws3-ws4")


def test_every_kind_that_is_declared_is_a_message() -> None:
    assert (scarcity.TELEMETRY | scarcity.RESTRICTING | scarcity.PERISHABLE) - wire.KINDS.keys() == set()


def test_a_turn_with_a_fact_is_not_done_and_nothing_of_it_is_written(disk: Disk) -> None:
    with pytest.raises(SpoolFullError):
        Scarcity().write(disk, EVENT, 1.0, 0.0, can_wait=True)

    assert disk.kept == []


def test_a_restriction_takes_the_reserve_also_in_a_turn_that_loosens_behind_it(disk: Disk) -> None:
    commit = Frame(EntryKind.FACT, "DirectiveIssued", b"{}", power=True)

    assert Scarcity().write(disk, [*DIRECTIVE, commit], 1.0, 0.0, can_wait=True)

    assert disk.kept == [*DIRECTIVE, commit]


def test_without_reserve_a_restriction_waits_too(disk: Disk) -> None:
    disk.reserve = 1

    with pytest.raises(SpoolFullError):
        Scarcity().write(disk, DIRECTIVE, 1.0, 0.0, can_wait=True)


def test_what_cannot_wait_takes_the_reserve(disk: Disk) -> None:
    assert Scarcity().write(disk, EVENT, 1.0, 0.0, can_wait=False)


def test_telemetry_goes_on_unrecorded(disk: Disk, scarce: Scarcity) -> None:
    assert disk.kept == []
    assert scarce.told == "the disk is full; 0 letters wait and go on by themselves when there is space"


def test_letters_wait_in_their_order_and_whatever_comes_behind_them_too(disk: Disk, scarce: Scarcity) -> None:
    first, second = RESUME, ResumeFlow(flow="ws1-ws2")
    scarce.wait(letter(first), 1.0)

    assert scarce.keeps_back(letter(second), 1.1)
    assert not scarce.keeps_back(letter(ShutDown(by="me", reason="")), 1.1)
    assert not scarce.keeps_back(letter(AskBoard(request="1", view="status")), 1.1)
    assert tried(scarce, disk, 1.0) == []
    assert scarce.next_retry == 1.0 + RETRY_S
    assert tried(scarce, disk, 1.0 + RETRY_S) == [first, second]


def test_the_first_that_has_to_wait_again_keeps_its_place(disk: Disk, scarce: Scarcity) -> None:
    first, second = RESUME, ResumeFlow(flow="ws1-ws2")
    scarce.wait(letter(first), 1.0)
    scarce.wait(letter(second), 1.0)

    for each in scarce.due(disk, at(2.0)):
        assert each.body == first
        scarce.wait(each, 2.0)

    assert tried(scarce, disk, 3.0) == [first, second]


def test_orders_of_people_are_not_carried_out_later(disk: Disk, scarce: Scarcity) -> None:
    order = Asked(request="1", ask="restart", uid=0, pid=1, user="me")

    scarce.wait(letter(order), 1.0)

    assert not scarce.holds
    disk.is_full = False
    tried(scarce, disk, 9.0)
    assert SpoolGap.model_validate_json(disk.kept[-1].body).refused == {"Asked": 1}


@pytest.mark.parametrize("order", ["Asked", "RestartProgram"])
def test_an_order_does_not_overtake_letters_that_wait_though_there_is_space_again(
    disk: Disk, scarce: Scarcity, order: str
) -> None:
    scarce.wait(letter(RESUME), 1.0)
    disk.is_full = False

    with pytest.raises(SpoolFullError):
        scarce.write(
            disk, [Frame(HEARD, order, b"{}"), Frame(EntryKind.FACT, "OrderGiven", b"{}")], 1.1, 0.0, can_wait=True
        )

    assert disk.kept == []
    assert scarce.write(disk, QUESTION, 1.2, 0.0, can_wait=True), "questions do"


def test_when_there_is_space_again_a_fact_tells_what_was_not_recorded(disk: Disk, scarce: Scarcity) -> None:
    scarce.wait(letter(RESUME), 1.0)
    tried(scarce, disk, 1.6)
    assert scarce.told, "the gap itself has no space yet"

    disk.is_full = False
    tried(scarce, disk, 2.5)

    assert [frame.message for frame in disk.kept] == ["SpoolGap"]
    gap = SpoolGap.model_validate_json(disk.kept[0].body)
    assert gap.unrecorded == {"Asked": 1, "AskBoard": 1}
    assert (gap.since, gap.until, gap.waited, gap.why) == (1.0, 2.5, 1, "the disk is full")
    assert (scarce.told, scarce.next_retry) == ("", None)


def test_with_too_many_letters_the_actor_fails_rather_than_forget(scarce: Scarcity) -> None:
    for _ in range(WAITING_MAX):
        scarce.wait(letter(RESUME), 1.0)

    with pytest.raises(OverflowError, match="letters wait: the disk is full"):
        scarce.wait(letter(RESUME), 1.0)


# --- a life on such a disk -----------------------------------------------------------------------------------------


class Nobody:
    """Carries a life, and keeps what it says."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, str, str]] = []
        self.time = 5.0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return 1e9

    def post(self, to: str, parcel: Parcel) -> None:
        self.posted.append((to, parcel.kind, parcel.id))


def decide_on(state: int, letter: Envelope) -> Decision[int]:
    if isinstance(letter.body, Asked):
        return Decision(state, (Record(EventsTaken(workstream="b", through=0)), Send("b", RESUME)))
    return Decision(state)


ORDERLY: Core[int] = Core(
    start=lambda _name, _spec: 0,
    decide=decide_on,
    spec=AuditorSpec,
    accepts=frozenset({Started, Asked}),
    unrecorded=lambda _state, _letter, why: (Send("asker", TailStuck(why=why)),),
)


def test_an_order_that_finds_no_space_is_answered_at_once_and_neither_done_nor_recorded(disk: Disk) -> None:
    world = Nobody()
    disk.is_full = False
    life = Life(Boot("x", 1, {}, "hub"), ORDERLY, disk, cast("Ports", world))
    life.open()
    life.introduce("asker", 1)
    life.introduce("b", 1)
    disk.is_full, before = True, list(disk.kept)

    life.said(Asked(request="1", ask="restart", uid=0, pid=1, user="me"))

    assert world.posted == [("asker", "TailStuck", "")]
    assert disk.kept == before
    disk.is_full = False
    world.time = 9.0
    life.tick()
    assert world.posted == [("asker", "TailStuck", "")], "nor later"
    assert [frame.message for frame in disk.kept[len(before) :]] == ["SpoolGap"]
