"""Many lives in one process: each goes its own way, and none makes the others pay."""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from alluse_hub.protocols.lifecycle import ChildStart, ChildUp, Exited, StopAsked
from alluse_hub.supervision.residents import TICKS_PER_TURN, WORDS_PER_WAKE
from tests.supervision.lodgers import ABRUPT, CHOOSY, PATIENCE_S, PROMPT, Cell, FullDisk, Labour, PromptLabour
from tests.supervision.toys import TOY, Counter, ask


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[Cell]:
    Labour.released.clear()
    made = Cell(tmp_path)
    yield made
    Labour.released.set()
    made.residents.close()


def up(name: str, incarnation: int = 1) -> ChildUp:
    return ChildUp(name=name, life=1, incarnation=incarnation, pid=77)


# --- birth ------------------------------------------------------------------------------------------------------------


def test_a_resident_boots_under_its_own_name_in_the_process_of_the_cell(cell: Cell) -> None:
    cell.fill("a")

    booted = cell.trail.entries[0]
    assert (booted.actor, booted.message, booted.incarnation) == ("a", "Booted", 1)
    born = {"parent": "cell-1", "version": "v", "actor": "tests.supervision.lodgers.LodgerActor", "spec": {}}
    assert booted.body == {"pid": 77, "start_ticks": 7, **born}
    assert cell.words == [up("a")]


def test_those_that_are_open_can_be_introduced(cell: Cell) -> None:
    cell.fill("a", "b")

    assert cell.residents.open() == [("a", 1), ("b", 1)]


def test_a_durable_resident_has_what_its_earlier_life_recorded(cell: Cell) -> None:
    cell.fill("a", start=TOY)
    cell.ask("a", "add", "x")
    again = Cell(cell.home, trail=cell.trail).fill("a", start=TOY)

    found = again.residents.find("a")
    assert found is not None
    state: Any = found.life.state
    assert isinstance(state, Counter)
    assert (state.total, again.words) == (10, [up("a", 2)])


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (ChildStart(actor="tests.supervision.nowhere.Actor"), "ModuleNotFoundError"),
        (ChildStart(actor="tests.supervision.lodgers.Nobody"), "AttributeError"),
        (ChildStart(actor="tests.supervision.lodgers.LodgerActor", spec={"unknown": 1}), "ValidationError"),
    ],
    ids=["module", "class", "spec"],
)
def test_one_that_cannot_be_booted_is_told_of_with_its_error(cell: Cell, start: ChildStart, said: str) -> None:
    cell.fill("a", start=start)

    (word,) = cell.words
    assert isinstance(word, Exited)
    assert word.name == "a"
    assert word.cause.startswith(f"error: {said}: ")


# --- letters ----------------------------------------------------------------------------------------------------------


def test_a_letter_is_heard_by_the_resident_it_names(cell: Cell) -> None:
    cell.fill("a", "b")
    cell.ask("b", "wake", "1.5")

    assert cell.entries("b") == ["Booted", "Started", "AskBoard"]
    assert cell.entries("a") == ["Booted", "Started"]


def test_residents_write_to_each_other_as_to_anybody_else(cell: Cell) -> None:
    cell.fill("a", "b")
    cell.residents.introduce([("a", 1), ("b", 1)])
    cell.ask("a", "write", "b")

    ((to, parcel),) = cell.posted
    assert (to, parcel.sender, parcel.to, parcel.to_incarnation, parcel.number) == ("b", "a", "b", 1, 1)


def test_all_residents_are_introduced(cell: Cell) -> None:
    cell.fill("a", "b", start=TOY)
    cell.residents.introduce([("router", 4)])

    for name in ("a", "b"):
        resident = cell.residents.find(name)
        assert resident is not None
        assert resident.life.state.peers == {"router": 4}


def test_one_that_heeds_some_peers_hears_of_them_alone_and_can_write_to_all(cell: Cell) -> None:
    cell.fill("a", start=CHOOSY)
    cell.residents.introduce([("router", 4), ("b", 2), ("c", 1)])
    cell.ask("a", "relay", "x")

    resident = cell.residents.find("a")
    assert resident is not None
    assert resident.life.state.peers == {"router": 4}
    assert {to for to, _ in cell.posted} == {"b"}


# --- time -------------------------------------------------------------------------------------------------------------


def test_the_earliest_of_all_timers_is_the_one_that_counts(cell: Cell) -> None:
    cell.fill("a", "b", "c")
    assert cell.residents.next_due() is None
    for name, after_s in (("a", "5"), ("b", "2"), ("c", "9")):
        cell.ask(name, "wake", after_s)

    assert cell.residents.next_due() == 102.0
    cell.at = 105.0
    cell.residents.tick()
    assert [cell.heard(name) for name in ("a", "b", "c")] == [("tick",), ("tick",), ()]
    assert cell.residents.next_due() == 109.0


def test_a_timer_that_is_set_anew_comes_up_when_it_was_set_for_last(cell: Cell) -> None:
    cell.fill("a")
    cell.ask("a", "wake", "2")
    cell.ask("a", "wake", "7")

    assert cell.residents.next_due() == 107.0
    cell.at = 103.0
    cell.residents.tick()
    assert cell.heard("a") == ()


def test_more_timers_at_once_than_a_turn_takes_are_left_for_the_next(cell: Cell) -> None:
    names = [f"a{k}" for k in range(TICKS_PER_TURN + 5)]
    cell.fill(*names)
    for name in names:
        cell.ask(name, "wake", "1")
    cell.at = 102.0

    cell.residents.tick()
    assert sum(len(cell.heard(name)) for name in names) == TICKS_PER_TURN
    assert cell.residents.next_due() == 101.0
    cell.residents.tick()
    assert sum(len(cell.heard(name)) for name in names) == len(names)


def calls(act: Callable[[], None]) -> int:
    """How many Python functions ``act`` calls."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    gc.disable()  # a collection in between would call whoever wants to know of it
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def test_a_turn_costs_the_same_among_250_residents_as_among_five(tmp_path: Path) -> None:
    costs = []
    for count in (5, 250):
        cell = Cell(tmp_path).fill(*(f"a{k}" for k in range(count)), start=TOY)
        cell.ask("a3", "add", "x")

        def turn(cell: Cell = cell) -> None:
            cell.ask("a3", "add", "y")
            cell.residents.tick()
            cell.residents.hear_words()
            cell.residents.next_due()

        costs.append(calls(turn))
        cell.residents.close()

    assert costs[0] == costs[1]


# --- workers ----------------------------------------------------------------------------------------------------------


def test_a_worker_that_blocks_holds_up_nobody_else(cell: Cell) -> None:
    cell.fill("a", "b")
    cell.ask("a", "work", "hang")
    cell.ask("b", "work", "say:hello")

    cell.until(lambda: cell.heard("b") == ("hello",))
    cell.ask("a", "wake", "1")
    cell.at += 2.0
    cell.residents.tick()
    assert cell.heard("a") == ("tick",)


def test_every_word_of_a_worker_is_heard_however_late_it_comes(cell: Cell) -> None:
    cell.fill("a")
    for k in range(3):
        cell.ask("a", "work", f"say:{k}")
        cell.until(lambda k=k: cell.heard("a") == tuple(map(str, range(k + 1))))  # type: ignore[misc]  # of this round


def test_a_talkative_worker_lets_the_others_be_heard_and_the_mailbox_have_its_turn(cell: Cell) -> None:
    cell.fill("a", "b")
    cell.ask("a", "work", "many:1000")
    eventually(lambda: cell.waiting("a") == 1000)
    cell.ask("b", "work", "say:hello")
    eventually(lambda: cell.waiting("b") == 1)
    before = cell.wakes

    cell.residents.hear_words()
    assert cell.heard("b") == ("hello",)
    assert WORDS_PER_WAKE - 2 <= len(cell.heard("a")) < WORDS_PER_WAKE
    assert cell.wakes > before
    cell.until(lambda: len(cell.heard("a")) == 1000)
    assert cell.heard("a") == tuple(map(str, range(1000)))


def eventually(holds: Callable[[], bool]) -> None:
    """What another thread does by itself."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_what_a_worker_wants_watched_is_read_for_its_own_resident(cell: Cell) -> None:
    cell.fill("a", "b", start=PROMPT)
    (source,) = workers_sources(cell, "b")
    assert cell.watched == {*workers_sources(cell, "a"), source}

    write(cell, "b", "from the pipe")
    cell.residents.read(source)
    cell.residents.hear_words()

    assert (cell.heard("a"), cell.heard("b")) == ((), ("from the pipe",))


def test_a_prompt_worker_is_watched_again_when_its_thread_is_free_again(cell: Cell) -> None:
    cell.fill("a", start=PROMPT)
    watched = set(cell.watched)
    cell.ask("a", "work", "hang")
    assert cell.watched == set()

    Labour.released.set()
    cell.until(lambda: cell.watched == watched)


def test_nothing_of_an_ended_resident_is_watched(cell: Cell) -> None:
    cell.fill("a", start=PROMPT)
    cell.residents.stop("a", "shutdown")

    assert cell.watched == set()
    cell.residents.read(0)  # one that was ready before is nobody's now


def workers_sources(cell: Cell, name: str) -> tuple[int, ...]:
    return worker(cell, name).sources()


def write(cell: Cell, name: str, text: str) -> None:
    os.write(worker(cell, name).into, text.encode())


def worker(cell: Cell, name: str) -> PromptLabour:
    resident = cell.residents.find(name)
    assert resident is not None
    assert resident.workshop is not None
    found = resident.workshop._worker
    assert isinstance(found, PromptLabour)
    return found


# --- one that raises --------------------------------------------------------------------------------------------------


def test_a_resident_that_raises_leaves_its_failure_as_last_entry_and_is_told_of(cell: Cell) -> None:
    cell.fill("a", "b")
    cell.ask("a", "raise")
    cell.ask("b", "work", "say:still here")

    assert cell.entries("a")[-1] == "Failed"
    assert cell.words[2:] == [Exited(name="a", life=1, cause="error: ValueError: told to")]
    cell.until(lambda: cell.heard("b") == ("still here",))


def test_it_is_not_run_again_and_told_of_once(cell: Cell) -> None:
    cell.fill("a")
    cell.ask("a", "raise")
    cell.ask("a", "raise")
    cell.residents.tick()
    cell.residents.close()
    cell.residents.hear_words()

    assert cell.entries("a").count("Failed") == 1
    assert len([word for word in cell.words if isinstance(word, Exited)]) == 1


def test_a_worker_that_raises_fails_its_resident_with_its_own_error(cell: Cell) -> None:
    cell.fill("a")
    cell.ask("a", "work", "raise")

    cell.until(lambda: len(cell.words) == 2)
    assert cell.words[1] == Exited(name="a", life=1, cause="error: LookupError: a was told to")
    assert cell.entries("a")[-1] == "Failed"


@pytest.mark.parametrize("view", ["spawn", "stop"])
def test_a_resident_can_have_no_children(cell: Cell, view: str) -> None:
    cell.fill("a")
    cell.ask("a", view)

    (word,) = cell.words[1:]
    assert isinstance(word, Exited)
    assert "a lives in the cell cell-1 and can have no child 'child'" in word.cause


def test_one_that_cannot_even_record_its_failure_fails_the_cell(cell: Cell) -> None:
    cell.residents._open_spool = lambda name: FullDisk(name, room=2)

    cell.fill("a")

    with pytest.raises(OSError, match="no space left"):
        cell.ask("a", "raise")


# --- the end ----------------------------------------------------------------------------------------------------------


def test_a_resident_that_is_asked_to_end_hears_the_reason_and_its_end_is_told_when_its_worker_has_let_go(
    cell: Cell,
) -> None:
    cell.fill("a")
    cell.residents.stop("a", "keep-workstreams")

    assert cell.entries("a")[-1] == StopAsked.__name__
    cell.until(lambda: len(cell.words) == 2)
    assert cell.words[1] == Exited(name="a", life=1, cause="keep-workstreams")
    resident = cell.residents.find("a")
    assert resident is not None
    assert resident.is_closed


def test_one_that_knows_no_such_request_ends_at_once(cell: Cell) -> None:
    cell.fill("a", start=ABRUPT)
    cell.residents.stop("a", "whatever")

    cell.until(lambda: len(cell.words) == 2)
    assert cell.words[1] == Exited(name="a", life=1, cause="shutdown")


def test_one_that_ends_by_itself_is_told_of_with_its_own_cause(cell: Cell) -> None:
    cell.fill("a")
    cell.ask("a", "end")

    cell.until(lambda: len(cell.words) == 2)
    assert cell.words[1] == Exited(name="a", life=1, cause="normal")


def test_a_slow_end_of_one_holds_up_nobody_else(cell: Cell) -> None:
    cell.fill("a", "b")
    cell.ask("a", "work", "hang")
    for name in ("a", "b"):
        cell.residents.stop(name, "shutdown")

    cell.until(lambda: len(cell.words) == 3)
    assert cell.words[2] == Exited(name="b", life=1, cause="shutdown")
    Labour.released.set()
    cell.until(lambda: len(cell.words) == 4)


def test_an_ended_resident_hears_nothing_more(cell: Cell) -> None:
    cell.fill("a")
    cell.residents.stop("a", "shutdown")
    before = cell.entries("a")
    cell.letter("a", ask("wake", "1"))
    cell.residents.introduce([("router", 1)])
    cell.residents.stop("a", "again")

    assert cell.entries("a") == before
    assert cell.residents.next_due() is None
    assert cell.residents.open() == []


def test_closing_all_lets_every_worker_go(cell: Cell) -> None:
    cell.fill("a", "b", "c")
    cell.residents.close()

    residents = [cell.residents.find(name) for name in ("a", "b", "c")]
    assert [resident.is_closed for resident in residents if resident is not None] == [True, True, True]
    assert cell.residents.open() == []
