"""The core of a cell: residents start together and end together, whoever is the reason."""

import pytest

from alluse_hub.protocols.children import TreeShown
from alluse_hub.protocols.effects import Decision, Effect, Record, Send, Spawn, Stop, Wake
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.lifecycle import (
    KEEP_WORKSTREAMS,
    RESIDENTS_MAX,
    CellSpec,
    ChildEnded,
    ChildStart,
    ChildState,
    ChildUp,
    Exited,
    GaveUp,
    PeerUp,
    ResidentSpec,
    Started,
    StopAsked,
    Strategy,
    Woken,
)
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.supervision.cell_core import CAUSE_CHARS_MAX, CELL, PICTURE_S, Cell

START = ChildStart(actor="fake.Resident", spec={"k": 1})


def spec(*names: str, grace_s: float = 5.0) -> CellSpec:
    return CellSpec(residents=tuple(ResidentSpec(name=name, start=START, grace_s=grace_s) for name in names))


class Told:
    """A cell and all that it has said so far."""

    def __init__(self, wanted: CellSpec) -> None:
        self.state: Cell = CELL.start("cell-1", wanted)
        self.effects: list[Effect] = []
        self.now = 0.0

    def hear(self, *bodies: Message) -> "Told":
        self.effects = []
        for body in bodies:
            self.now += 1.0
            decision: Decision[Cell] = CELL.decide(self.state, Envelope("x/1/1", "x", "cell-1", body, self.now))
            self.state = decision.state
            self.effects += decision.effects
        return self

    def up(self, *names: str) -> "Told":
        return self.hear(*(ChildUp(name=name, life=1, incarnation=3, pid=77) for name in names))

    def gone(self, name: str, cause: str = "shutdown") -> "Told":
        return self.hear(Exited(name=name, life=1, cause=cause))

    @property
    def pictures(self) -> list[TreeShown]:
        said = [effect.message for effect in self.effects if isinstance(effect, Send) and effect.to == "board"]
        return [message for message in said if isinstance(message, TreeShown)]

    @property
    def states(self) -> str:
        return " ".join(f"{child.name}:{child.state.value}" for child in self.pictures[-1].children)

    @property
    def stops(self) -> dict[str, str]:
        return {effect.name: effect.reason for effect in self.effects if isinstance(effect, Stop)}

    @property
    def facts(self) -> list[Message]:
        return [effect.fact for effect in self.effects if isinstance(effect, Record)]


def begun(*names: str, grace_s: float = 5.0) -> Told:
    return Told(spec(*names, grace_s=grace_s)).hear(Started(incarnation=1))


def standing(*names: str, grace_s: float = 5.0) -> Told:
    return begun(*names, grace_s=grace_s).up(*names)


# --- the start --------------------------------------------------------------------------------------------------------


def test_all_residents_are_started_at_once_in_the_order_of_the_specification() -> None:
    cell = begun("a", "b", "c")

    assert [effect for effect in cell.effects if isinstance(effect, Spawn)] == [
        Spawn(name, 1, START) for name in ("a", "b", "c")
    ]
    assert cell.states == "a:starting b:starting c:starting"


def test_the_cell_is_up_when_the_last_of_its_residents_is() -> None:
    cell = begun("a", "b")
    assert CELL.ready is not None

    assert not CELL.ready(cell.up("b").state)
    assert CELL.ready(cell.up("a").state)
    assert cell.states == "a:ready b:ready"


def test_the_picture_of_a_cell_says_that_it_is_one_and_who_lives_in_it() -> None:
    shown = standing("a", "b").pictures[-1]

    assert (shown.supervisor, shown.cell, shown.strategy) == ("cell-1", True, Strategy.ONE_FOR_ALL)
    assert [(child.name, child.pid, child.incarnation) for child in shown.children] == [("a", 77, 3), ("b", 77, 3)]


def test_residents_that_come_up_in_quick_succession_make_one_picture() -> None:
    cell = begun("a", "b", "c", "d").up("a", "b", "c")

    assert cell.effects == [Wake("picture", PICTURE_S)]
    assert cell.hear(Woken(timer="picture")).states == "a:ready b:ready c:ready d:starting"
    assert cell.hear(Woken(timer="picture")).effects == []


def test_a_new_board_is_shown_the_picture_and_nobody_else() -> None:
    cell = standing("a")

    assert cell.hear(PeerUp(name="board", incarnation=2)).states == "a:ready"
    assert cell.hear(PeerUp(name="router", incarnation=2)).effects == []
    assert CELL.heeds is not None
    assert [name for name in ("board", "router", "a") if CELL.heeds(cell.state, name)] == ["board"]


def test_two_residents_of_one_name_are_refused() -> None:
    with pytest.raises(CallerError, match="given twice: a"):
        CELL.start("cell-1", spec("a", "b", "a"))


@pytest.mark.parametrize("count", [0, RESIDENTS_MAX + 1])
def test_a_cell_has_one_resident_at_least_and_a_bounded_number(count: int) -> None:
    with pytest.raises(ValueError, match="residents"):
        spec(*(f"a{k}" for k in range(count)))


# --- one that ends by itself ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", ["error: ValueError: no", "shutdown", "normal"])
def test_a_resident_that_ends_by_itself_ends_the_cell_with_a_cause_that_names_it(cause: str) -> None:
    cell = standing("a", "b").gone("b", cause)

    assert cell.stops == {"cell-1": f"error: b ended: {cause}"}
    assert cell.facts == [ChildEnded(name="b", life=1, incarnation=3, cause=cause), GaveUp(child="b", cause=cause)]
    assert cell.states == "a:ready b:stopped"


def test_a_resident_that_fails_in_its_start_ends_the_cell_as_well() -> None:
    cell = begun("a", "b").up("a").gone("b", "error: ImportError: no module")

    assert cell.stops == {"cell-1": "error: b ended: error: ImportError: no module"}
    assert CELL.ready is not None
    assert not CELL.ready(cell.state)


def test_the_cause_is_cut() -> None:
    assert len(standing("a").gone("a", "x" * 10_000).stops["cell-1"]) == CAUSE_CHARS_MAX


def test_an_end_told_twice_is_an_end_once() -> None:
    cell = standing("a", "b").hear(StopAsked(reason="shutdown")).gone("a")

    assert cell.gone("a").effects == []


# --- asked to end -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["shutdown", KEEP_WORKSTREAMS])
def test_all_residents_are_asked_to_end_at_once_and_with_the_reason_given(reason: str) -> None:
    cell = standing("a", "b").hear(StopAsked(reason=reason))

    assert cell.stops == {"a": reason, "b": reason}
    assert cell.states == "a:stopping b:stopping"


def test_a_cell_that_was_asked_ends_in_order_when_the_last_of_its_residents_has() -> None:
    cell = standing("a", "b").hear(StopAsked(reason="shutdown"))

    assert cell.gone("b").stops == {}
    assert cell.gone("a").stops == {"cell-1": "shutdown"}
    assert cell.states == "a:stopped b:stopped"


def test_a_resident_that_fails_while_it_ends_keeps_nobody_from_ending_in_order() -> None:
    cell = standing("a", "b").hear(StopAsked(reason="shutdown"))

    assert cell.gone("a", "error: OSError: late").stops == {}
    assert cell.gone("b").stops == {"cell-1": "shutdown"}


def test_it_waits_as_long_as_the_longest_grace_and_then_goes_with_those_that_are_left() -> None:
    wanted = CellSpec(
        residents=tuple(ResidentSpec(name=name, start=START, grace_s=s) for name, s in (("a", 3.0), ("b", 9.0)))
    )
    cell = Told(wanted).hear(Started(incarnation=1)).up("a", "b").hear(StopAsked(reason="shutdown"))
    assert Wake("grace", 9.0) in cell.effects

    assert cell.gone("a").hear(Woken(timer="grace")).stops == {"cell-1": "killed: b did not end within the grace"}


def test_of_many_that_do_not_end_some_are_named_and_the_rest_counted() -> None:
    names = [f"a{k}" for k in range(9)]

    late = standing(*names).hear(StopAsked(reason="shutdown")).hear(Woken(timer="grace"))

    assert late.stops == {"cell-1": "killed: a0, a1, a2, a3, a4 and 4 more did not end within the grace"}


def test_asked_while_it_starts_it_stops_those_too_that_are_not_up() -> None:
    cell = begun("a", "b").up("a").hear(StopAsked(reason="shutdown"))

    assert cell.stops == {"a": "shutdown", "b": "shutdown"}
    assert cell.up("b").pictures[-1].children[1].state is ChildState.STOPPING


def test_asked_again_it_does_nothing_more() -> None:
    assert standing("a").hear(StopAsked(reason="shutdown")).hear(StopAsked(reason="shutdown")).effects == []


def test_a_message_of_somebody_else_is_refused() -> None:
    with pytest.raises(TypeError, match="does not take"):
        standing("a").hear(GaveUp(child="x", cause="y"))
