"""Windows: what functions of streams say, held against a model that keeps every event and counts them one by one."""

import math
import random
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from alluse_hub.actors.coordinator import windows
from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.actors.coordinator.pieces import middle_of, step_of
from alluse_hub.actors.coordinator.watching import Reader, Watch
from alluse_hub.actors.coordinator.windows import Filling, Table, fed
from alluse_hub.protocols.claims import Clock
from alluse_hub.protocols.conditions import ConditionError, holds, parse
from alluse_hub.protocols.conditions.tree import Window, windows_of
from alluse_hub.protocols.conditions.values import Unknown
from alluse_hub.protocols.flow import Event

FUNCTIONS = ("count", "rate", "sum", "avg", "min", "max", "p95", "distinct", "changed")


@dataclass
class Bench:
    """One condition's windows, fed by hand."""

    text: str
    opened: float = -1e6
    tables: dict[str, Table | Filling] = field(default_factory=dict)
    heard: int = 0

    def __post_init__(self) -> None:
        self.condition = parse(self.text)
        self.watch = Watch.over([self.condition])
        for id_, feed in self.watch.feeds.items():
            self.tables[id_] = Filling(Table(feed.kind, feed.clock, feed.length, self.opened))

    def hear(self, at: float, name: str = "tick", ws: str = "ws3", **payload: Any) -> None:
        event = Event(ws=ws, n=self.heard + 1, event=name, payload=payload)
        for feed in self.watch.by_stream.get((ws, name), ()):
            heard = feed.heard(event, self.heard + 1)
            self.heard += 1
            if heard is not None:
                self.tables[feed.id].add(at, heard)  # type: ignore[union-attr]  # all are Filling here

    def reader(self, at: float) -> Reader:
        return Reader(self.watch, self.tables, Now(at, int(at), "s"))

    def value(self, at: float, **payload: Any) -> Any:
        return self.reader(at).value(self.window, payload)

    def shown(self, at: float, **payload: Any) -> str:
        return self.reader(at).shown(self.window, payload)

    @property
    def window(self) -> Window:
        return windows_of(self.condition.tree)[0]


def bench(call: str, opened: float = -1e6) -> Bench:
    truth = call.startswith(("changed", "before"))
    return Bench(call if truth else f"{call} > 0", opened)


# --- each function ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ('count(ws3.tick, "10s")', 3),
        ('rate(ws3.tick, "10s")', 0.3),
        ('sum(ws3.tick.price, "10s")', 9),
        ('avg(ws3.tick.price, "10s")', 3),
        ('min(ws3.tick.price, "10s")', 1),
        ('max(ws3.tick.price, "10s")', 6),
        ('p95(ws3.tick.price, "10s")', 6),
        ('distinct(ws3.tick.symbol, "10s")', 2),
        ('changed(ws3.tick.symbol, "10s")', True),
        ("age(ws3.tick)", 1.0),
        ('count(ws3.tick, "10s", where(price > 1))', 2),
        ('count(ws3.tick, "10s", by(symbol))', 2),
        ('sum(ws3.tick.price, "10s", where(price > 1), by(symbol, name))', 6),
        ('before(ws3.tick, ws4.fill, "10s")', False),
    ],
)
def test_a_function_of_a_stream_has_the_value_of_the_events_in_its_window(call: str, value: Any) -> None:
    made = bench(call)
    made.hear(0.0, price=100, symbol="X")
    for at, price, symbol in ((11.0, 1, "A"), (12.0, 2, "B"), (19.0, 6, "A")):
        made.hear(at, price=price, symbol=symbol)

    assert made.value(20.0, symbol="A", name="A") == pytest.approx(value)


def test_the_window_is_open_at_its_old_end_and_closed_at_its_new_one() -> None:
    made = bench('count(ws3.tick, "10s")')
    made.hear(10.0)
    made.hear(19.0)
    assert made.value(19.999) == 2

    made.hear(20.0)
    assert made.value(20.0) == 2


def test_before_asks_for_the_order_in_which_events_came_not_for_their_times() -> None:
    made = bench('before(ws3.tick, ws4.fill, "10s")')
    made.hear(5.0, "fill", "ws4")
    made.hear(5.0, "tick", "ws3")
    assert made.value(6.0) is False

    made.hear(5.0, "fill", "ws4")
    assert made.value(6.0) is True
    assert made.value(15.0) is False


def test_a_value_has_changed_if_it_differs_from_the_last_before_the_window() -> None:
    made = bench('changed(ws3.tick.mode, "10s")')
    made.hear(0.0, mode="a")
    made.hear(100.0, mode="b")
    assert made.value(105.0) is True

    made.hear(200.0, mode="b")
    assert made.value(205.0) is False


def test_age_counts_from_the_last_event_and_before_the_first_from_when_it_was_watched() -> None:
    made = bench("age(ws3.tick)", opened=50.0)
    assert made.value(60.0) == 10.0

    made.hear(61.0)
    assert made.value(70.0) == 9.0


def test_sessions_are_counted_by_their_ordinals() -> None:
    made = bench('count(ws3.tick, "3 sessions")')
    for ordinal in (1, 2, 2, 3, 4):
        made.hear(float(ordinal))

    assert made.value(4.0) == 4
    assert made.value(6.0) == 1


# --- what is not known ------------------------------------------------------------------------------------------------


def why(value: Any) -> str:
    assert isinstance(value, Unknown)
    return value.why


def test_a_window_younger_than_its_length_is_warming_and_unknown() -> None:
    made = bench('count(ws3.tick, "10s")', opened=0.0)
    made.hear(1.0)

    assert "is warming: watched for 9 of 10s" in why(made.value(9.0))
    assert made.value(10.0) == 1


def test_a_partial_window_answers_at_once() -> None:
    made = bench('count(ws3.tick, "10s", partial())', opened=0.0)
    made.hear(1.0)

    assert made.value(2.0) == 1


@pytest.mark.parametrize(
    ("call", "bad"),
    [
        ('sum(ws3.tick.price, "10s")', {"symbol": "A"}),
        ('sum(ws3.tick.price, "10s")', {"price": True}),
        ('count(ws3.tick, "10s", where(price > 1))', {"price": "high"}),
        ('count(ws3.tick, "10s", by(symbol))', {"price": 1}),
        ('distinct(ws3.tick.price, "10s")', {"price": [1]}),
        ("age(ws3.tick, where(price > 1))", {}),
    ],
)
def test_an_event_that_cannot_be_read_makes_unknown_what_it_may_belong_to(call: str, bad: dict[str, Any]) -> None:
    made = bench(call)
    made.hear(1.0, price=5, symbol="A")
    made.hear(2.0, **bad)

    assert "could not be read" in why(made.value(3.0, symbol="A"))
    made.hear(20.0, price=5, symbol="A")
    assert not isinstance(made.value(21.0, symbol="A"), Unknown)


def test_the_key_of_the_event_in_hand_must_be_there() -> None:
    made = bench('count(ws3.tick, "10s", by(symbol))')

    assert why(made.value(1.0)) == "symbol is missing"
    assert "cannot tell events apart" in why(made.value(1.0, symbol=["A"]))


@pytest.mark.parametrize("function", ["avg", "min", "max", "p95"])
def test_of_no_events_there_is_no_mean_and_no_extreme(function: str) -> None:
    assert "has no event" in why(bench(f'{function}(ws3.tick.price, "10s")').value(1.0))


def test_an_unknown_window_never_makes_a_condition_true_whatever_negation_stands_before_it() -> None:
    for text in ('count(ws3.tick, "10s") < 5', '!(count(ws3.tick, "10s") < 5)', 'changed(ws3.tick.x, "5 sessions")'):
        made = Bench(text, opened=0.0)

        assert holds(made.condition, {}, made.reader(1.0)) is None


# --- against the model ------------------------------------------------------------------------------------------------


def modelled(function: str, values: list[Any], prior: Any, length: float) -> Any:
    match function:
        case "count":
            return len(values)
        case "rate":
            return len(values) / length
        case "sum":
            return sum(values)
        case "distinct":
            return len(set(values))
        case "changed":
            row = [prior, *values] if prior is not None else values
            return any(a != b for a, b in pairwise(row))
        case _ if not values:
            return None
        case "avg":
            return sum(values) / len(values)
        case "min":
            return min(values)
        case "max":
            return max(values)
        case _:
            return sorted(values)[math.ceil(0.95 * len(values)) - 1]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_kept_one_by_one_it_is_exactly_what_the_model_says(function: str) -> None:
    for seed in range(12):
        dice = random.Random(seed)
        stream = "ws3.tick" if function in {"count", "rate"} else "ws3.tick.price"
        made = bench(f'{function}({stream}, "60s", by(symbol))')
        events: dict[str, list[tuple[float, int]]] = {"A": [], "B": []}
        at = 0.0
        for _ in range(700):
            at += dice.choice((0.0, 0.1, 0.5, 0.5, dice.random() * 40 if dice.random() < 0.02 else 0.2))
            symbol, price = dice.choice("AAAB"), dice.randrange(5)
            made.hear(at, symbol=symbol, price=price)
            events[symbol].append((at, price))
            if dice.random() < 0.2:
                asked = dice.choice("AB")
                values = [value for when, value in events[asked] if when > at - 60]
                older = [value for when, value in events[asked] if when <= at - 60]
                expected = modelled(function, values, older[-1] if older else None, 60.0)
                found = made.value(at, symbol=asked)
                assert (None if isinstance(found, Unknown) else found) == pytest.approx(expected), (seed, at)


def test_beyond_so_many_it_keeps_slices_and_is_exact_for_a_length_up_to_a_sixtieth_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(windows, "EXACT_MAX", 500)
    dice = random.Random(5)
    shown: list[str] = []
    for function in FUNCTIONS:
        stream = "ws3.tick" if function in {"count", "rate"} else "ws3.tick.price"
        made = bench(f'{function}({stream}, "60s")')
        events: list[tuple[float, float]] = []
        at = 0.0
        for _ in range(2_500):
            at += dice.random() * 0.1
            price = dice.randrange(1, 1000)
            made.hear(at, price=price)
            events.append((at, price))
        found = made.value(at)
        low = modelled(function, [value for when, value in events if when > at - 60], None, 60.0)
        high = modelled(function, [value for when, value in events if when > at - 61], None, 60.0)
        slack = 0.011 * high if function == "p95" else 1e-9
        least, most = min(low, high), max(low, high)
        if function in {"avg", "p95"}:
            least, most = 0.98 * least, 1.02 * most
        assert least - slack <= found <= most + slack, function
        shown.append(made.shown(at))
        assert all(table.cells <= 61 for table in made.tables.values())
    assert any("of the events may be older" in text for text in shown)


def test_the_histogram_is_within_one_percent() -> None:
    dice = random.Random(1)
    for _ in range(2_000):
        value = dice.choice((1, -1)) * math.exp(dice.uniform(-500, 500))
        assert middle_of(step_of(value)) == pytest.approx(value, rel=0.0101)
    assert middle_of(step_of(0)) == 0


def test_feeding_at_once_or_event_by_event_gives_the_same_table() -> None:
    dice = random.Random(3)
    table = Table("numbers", Clock.HUB, 60.0, 0.0)
    rounds = [
        (float(at), [(at * 10 + k + 1, dice.choice(('"A"', '"B"')), dice.randrange(9)) for k in range(3)])
        for at in range(200)
    ]
    one_by_one = Filling(table)
    for at, events in rounds:
        table = fed(table, at, events)
        for event in events:
            one_by_one.add(at, event)

    assert one_by_one.table() == table


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_keys_are_bounded_and_those_silent_longest_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "KEYS_MAX", 10)
    made = bench('count(ws3.tick, "1h", by(symbol))')
    for n in range(25):
        made.hear(float(n), symbol=f"S{n}")
    (table,) = made.tables.values()

    assert len(table.keys) == 10
    assert table.dropped == 15
    assert made.value(25.0, symbol="S20") == 1
    assert "more keys than are kept" in why(made.value(25.0, symbol="S3"))


def test_a_key_that_was_there_before_others_were_given_up_goes_on_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "KEYS_MAX", 3)
    made = bench('count(ws3.tick, "1h", by(symbol))')
    for n in range(9):
        made.hear(float(n), symbol="steady")
        made.hear(float(n), symbol=f"S{n}")

    assert made.value(10.0, symbol="steady") == 9


def test_cells_are_bounded_over_all_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "CELLS_MAX", 100)
    made = bench('count(ws3.tick, "1h", by(symbol))')
    for n in range(500):
        made.hear(float(n), symbol=f"S{n % 7}")
        (table,) = made.tables.values()
        assert table.cells <= 100
        assert table.cells == sum(series.cells for series in table.keys.values())


def test_keys_that_have_nothing_left_are_forgotten() -> None:
    made = bench('count(ws3.tick, "10s", by(symbol))')
    for n in range(1_000):
        made.hear(float(n), symbol=f"S{n}")
    (table,) = made.tables.values()

    assert len(table.keys) <= 11
    assert table.dropped == 0


def test_windows_that_ask_for_the_same_are_one() -> None:
    texts = (
        'count(ws3.tick, "60s", by(symbol)) > 3',
        'rate(ws3.tick, "1m", by(symbol)) > 3',
        'count(ws3.tick, "60s", by(symbol, name)) > 5',
        'avg(ws3.tick.price, "60s") > 3 && sum(ws3.tick.price, "60s") > 3',
        'count(ws3.tick, "61s", by(symbol)) > 3',
    )

    assert len(Watch.over([parse(text) for text in texts]).feeds) == 3


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "right"),
    [
        ('count(ws3, "60s") > 1', 7, "write it as ws4.order_filled"),
        ('sum(ws3.tick, "60s") > 1', 5, "write it as ws4.order_filled.quantity"),
        ('count("tick", "60s") > 1', 7, "begins with the name of a stream"),
        ("count(ws3.tick, 60) > 1", 17, 'in quotes, such as "60s"'),
        ('count(ws3.tick, "60") > 1', 17, "'30s', '5m', '2h', '1d' or '5 sessions'"),
        ('count(ws3.tick, "400d") > 1', 17, "not between 1 s and 30 days"),
        ('count(ws3.tick, "1.5 sessions") > 1', 17, "whole sessions"),
        ("count(ws3.tick) > 1", 1, "count() takes 2 values, not 1"),
        ('count(ws3.tick, "60s", size > 3) > 1', 29, "takes 2 values"),
        ('count(ws3.tick, "60s", by(symbol), where(a > 1), by(b)) > 1', 50, "stands there twice"),
        ('count(ws3.tick, "60s", where(count(ws3.tick, "9s") > 1)) > 1', 30, "no function of a stream stands in it"),
        ('count(ws3.tick, "60s", by(1)) > 1', 27, "by() takes names of fields"),
        ("where(a > 1)", 1, "stands only inside a function of a stream"),
        ('age(ws3.tick, "minutes") > 1', 15, 'age() counts in "s" or in "sessions"'),
        ("age(ws3.tick, partial()) > 1", 15, "age() has no length"),
        ('count(ws3.tick, "60s")', 1, "must be true or false; this is a number"),
        ('changed(ws3.tick.a, "60s") > 1', 1, "orders numbers or texts, not true or false"),
        ('count(ws3.tick, "60s", where(quantity)) > "a"', 41, "a number cannot be compared with text"),
        ('cuont(ws3.tick, "60s") > 1', 1, "did you mean 'count'?"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_column(text: str, column: int, right: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse(text)

    assert right in str(caught.value)
    assert right.startswith("takes") or caught.value.column == column
