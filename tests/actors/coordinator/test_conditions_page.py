"""The page of the condition language is true: every example on it is run, and every function is on it."""

import json
from typing import Any

import pytest

from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.actors.coordinator.pieces import SLICES
from alluse_hub.actors.coordinator.watching import WINDOWS_MAX, Reader, Watch
from alluse_hub.actors.coordinator.windows import CELLS_MAX, EXACT_MAX, KEYS_MAX, Filling, Table
from alluse_hub.protocols.claims import Clock
from alluse_hub.protocols.conditions import calls, check, evaluate, lex, parse, tree, values, walk
from alluse_hub.protocols.conditions.condition import condition_of
from alluse_hub.protocols.conditions.parse import COMPARISONS, tree_of
from alluse_hub.protocols.conditions.patterns import PATTERN_MAX
from alluse_hub.protocols.flow import Event
from tests.pages import blocks, quoted, section, table
from tests.test_architecture import HOUSE

PAGE = (HOUSE / "protocols" / "conditions" / "README.md").read_text(encoding="utf-8").replace(r"\|", "\N{BROKEN BAR}")
EVENT, STREAM = (json.loads(block) for block in blocks(PAGE, "json"))
VALUES = {"true": True, "false": False, "unknown": None}

EXAMPLES = [
    (quoted(row[-2])[-1].replace("\N{BROKEN BAR}", "|"), row[-1])
    for head in (("what", "example"), ("operator",), ("function",), ("loop",), ("example",), ("here",))
    for row in table(PAGE, *head)
]


def reader(text: str) -> Reader:
    watch = Watch.over([condition_of(tree_of(text))])
    tables = {}
    for id_, feed in watch.feeds.items():
        tables[id_] = Filling(Table(feed.kind, feed.clock, feed.length, 5.0 if feed.clock is Clock.MARKET else 10.0))
    for n, (at, session, name, payload) in enumerate(STREAM, 1):
        ws, _, event = name.partition(".")
        for feed in watch.by_stream.get((ws, event), ()):
            heard = feed.heard(Event(ws=ws, n=n, event=event, payload=payload), n)
            assert heard is not None or feed.where is not None
            if heard is not None:
                tables[feed.id].add(float(session if feed.clock is Clock.MARKET else at), heard)
    return Reader(watch, tables, Now(100.0, 9, "s9"))


@pytest.mark.parametrize(("text", "value"), EXAMPLES)
def test_every_example_has_the_value_that_the_page_says(text: str, value: str) -> None:
    condition = condition_of(tree_of(text))

    assert evaluate(condition, EVENT, reader(text)).value is VALUES[value]


def test_there_are_examples_of_every_operator_and_function() -> None:
    said = " ".join(text for text, _ in EXAMPLES)
    functions = {*calls.CALLS, *calls.METHODS, *calls.LOOPS, *calls.WINDOWS, *calls.MODIFIERS}

    assert {name for name in functions if f"{name}(" not in said} == set()
    assert [sign for sign in (*COMPARISONS, "+", "-", "*", "/", "%", "!", "&&", "||") if sign not in said] == []
    rows = {word for row in (*table(PAGE, "function"), *table(PAGE, "loop")) for word in quoted(row[0])}
    assert functions <= rows


def test_what_can_only_be_unknown_is_refused_at_load_though_the_page_shows_it_as_unknown() -> None:
    with pytest.raises(tree.ConditionError):
        parse("'a' > 5")


def numbers(cell: str) -> list[str]:
    return [word.strip(",;") for word in cell.replace(",", "").split() if word.strip(",;").isdigit()]


def test_the_bounds_are_those_of_the_code() -> None:
    told: dict[str, Any] = {
        row[0]: numbers(row[1].replace(";", " ")) for row in table(section(PAGE, "## Bounds"), "what", "at most")
    }

    assert list(told.values()) == [
        [str(bound) for bound in bounds]
        for bounds in (
            (tree.TEXT_MAX, tree.NODES_MAX, tree.DEPTH_MAX),
            (lex.DIGITS_MAX, tree.LIST_MAX),
            (tree.LOOPS_MAX,),
            (check.COST_MAX,),
            (values.ITEMS_MAX, walk.INNER_MAX),
            (PATTERN_MAX, values.SUBJECT_MAX),
            (int(lex.SPAN_MIN_S), int(lex.SPAN_MAX_S / 86_400), 1, lex.SESSIONS_MAX),
            (WINDOWS_MAX,),
            (KEYS_MAX, CELLS_MAX),
        )
    ]
    assert f"{EXACT_MAX:,} events" in PAGE
    assert f"{SLICES} slices" in " ".join(PAGE.split())
