"""What a person sees, at any width."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest

from alluse_hub.cli import show, syncs
from alluse_hub.cli.render import Style, bar, clean, cut, duration, moment, number, table, wrap

Picture = Callable[..., dict[str, Any]]
DRAWN = {
    "status": show.status,
    "tree": show.tree,
    "flows": show.flows,
    "conflicts": show.conflicts,
    "rules": show.rules,
    "syncs": syncs.table_of,
}


@pytest.mark.parametrize("view", DRAWN)
@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_tables_and_sentences_fit_the_width(picture: Picture, view: str, width: int) -> None:
    lines = DRAWN[view](Style(width=width), picture(view))

    assert lines
    if view != "tree":  # a branch is not cut: its pid stands at the end
        assert max(len(line) for line in lines) <= width, max(lines, key=len)


@pytest.mark.parametrize("view", DRAWN)
def test_ascii_is_ascii(picture: Picture, view: str) -> None:
    text = "\n".join(DRAWN[view](Style(width=60, ascii=True), picture(view)))

    assert text.isascii()


@pytest.mark.parametrize("view", DRAWN)
def test_without_colour_there_is_no_escape(picture: Picture, view: str) -> None:
    assert "\x1b" not in "\n".join(DRAWN[view](Style(), picture(view)))


@pytest.mark.parametrize("view", DRAWN)
def test_colour_adds_nothing_but_colour(picture: Picture, view: str) -> None:
    plain = DRAWN[view](Style(), picture(view))
    coloured = DRAWN[view](Style(colour=True), picture(view))

    assert [re.sub(r"\x1b\[\d+m", "", line).rstrip() for line in coloured] == [line.rstrip() for line in plain]
    assert coloured != plain


def test_the_tree_is_drawn_as_one(picture: Picture) -> None:
    lines = show.tree(Style(), picture("tree"))

    assert [re.split(r"  (?=\w)", line)[0] for line in lines] == [
        "hub",
        "├── auditor",
        "├── coordination",
        "│   ├── coordinator",
        "│   └── router",
        "├── workstreams",
        "│   ├── ws1",
        "│   └── ws2",
        "└── gateway",
    ]
    assert "restarts 2  last exit: killed" in lines[4]
    assert "program pid 4711 active 97" in lines[6]


def test_a_cell_is_drawn_with_those_who_live_in_it() -> None:
    resident = {"name": "ws1", "state": "ready", "incarnation": 3, "pid": 7}
    cell = {"name": "cell-1", "state": "ready", "incarnation": 2, "pid": 7, "strategy": "one_for_all", "cell": True}
    root = {"name": "hub", "children": [cell | {"children": [resident, resident | {"name": "ws2"}]}]}

    lines = show.tree(Style(), {"tree": root})

    assert lines[1:] == [
        "└── cell-1  ready  pid 7  incarnation 2  (one process for 2)",
        "    ├── ws1  ready  pid 7  incarnation 3",
        "    └── ws2  ready  pid 7  incarnation 3",
    ]


@pytest.mark.parametrize("said", [show.status, lambda style, doc: show.why(style, doc | {"kind": "actor"})])
def test_a_cell_names_those_who_live_in_it(said: Callable[[Style, dict[str, Any]], list[str]]) -> None:
    lines = said(Style(), {"actor": {"name": "cell-1", "state": "ready", "residents": ["ws1", "ws2"]}})

    assert "  residents  ws1, ws2" in lines


def test_a_workstream_tells_in_which_cell_its_monitor_lives(picture: Picture) -> None:
    doc = picture("status", name="ws1")
    doc["workstream"]["monitor"]["cell"] = "cell-1"

    assert any(line.endswith("ready, incarnation 1, in cell-1") for line in show.status(Style(), doc))


def test_errors_are_counted_for_themselves_since_not_each_belongs_to_a_request(picture: Picture) -> None:
    doc = picture("status", name="ws1")
    doc["workstream"]["window"] |= {"requests": 0, "errors": 4, "error_rate": 1.0}

    assert any("  0 requests, 4 errors, latency" in line for line in show.status(Style(), doc))


@pytest.mark.parametrize(
    ("severity", "mark"), [("info", ""), ("notice", ""), ("warning", " [warning]"), ("critical", " [critical]")]
)
def test_a_grave_entry_says_so_in_a_word(severity: str, mark: str) -> None:
    doc = {"id": "ws3/1/42", "wall": 0.0, "kind": "fact", "message": "Failed", "body": {"error": "no"}}

    line = show.entry(Style(utc=True), doc | {"severity": severity})

    assert line.endswith(f"ws3/1/42               fact   Failed{mark}  error=no")


def test_the_mark_of_a_grave_entry_is_coloured_and_nothing_else() -> None:
    doc = {"id": "ws3/1/42", "wall": 0.0, "kind": "fact", "message": "Failed", "body": {}, "severity": "error"}

    assert "[\033[31merror\033[0m]" in show.entry(Style(utc=True, colour=True), doc)


def test_a_flow_tells_how_many_events_it_had_in_the_last_hour() -> None:
    flow = {"flow": "ws3-ws4", "kind": "event", "status": "active", "events": 40, "per_hour": 12.0, "held": 0}
    flow |= {"dropped": 0, "latency_p50_ms": 1.0, "latency_p95_ms": 1.0, "latency_p99_ms": 1.0}

    head = show.flows(Style(), {"flows": [flow]})[-2]

    assert "last hour" in head
    assert "per hour" not in head


def test_a_hub_that_has_told_nothing_yet_is_shown_too() -> None:
    empty = {"now": 1.0, "hub": {}, "workstreams": [], "resources": []}

    assert show.status(Style(), empty)
    assert show.tree(Style(), {"tree": {"name": "hub", "children": []}}) == ["hub"]
    assert show.flows(Style(), {"flows": []}) == ["no flow has been measured yet"]
    assert show.conflicts(Style(), {}) == ["no conflicts yet"]
    assert show.rules(Style(), {"rules": []}) == ["no rules are known yet"]


def test_what_ails_the_hub_is_told_whole_however_long_it_is() -> None:
    why = " ".join(f"cause{n}" for n in range(40))

    said = show.status(Style(width=100), {"hub": {"status": "degraded", "why": why}})

    assert " ".join(" ".join(said[1:]).split()) == why
    assert len(show.status(Style(width=100), {"hub": {"status": "degraded", "why": "brief"}})) == 1


@pytest.mark.parametrize("name", ["ws1", "ws2", "ws2/trading", "volatility-pause", "k1", "router", "ws1-ws2", "hub"])
def test_why_of_everything_can_be_shown(picture: Picture, name: str) -> None:
    lines = show.why(Style(width=80), picture("why", name=name) | {"latest": []})

    assert lines
    assert max(len(line) for line in lines) <= 80


def test_a_sentence_of_a_resource_tells_why(picture: Picture) -> None:
    lines = show.why(Style(), picture("why", name="ws2/trading"))

    assert "  paused, because volatility-pause holds it for AAPL through session 12" in lines
    assert "  held by rule:volatility-pause@ws2/trading:AAPL" in lines


def test_the_last_column_gives_way_first() -> None:
    lines = table(Style(width=40), ("id", "why"), [("a" * 20, "b" * 60)])

    assert lines[1] == "a" * 20 + "  " + "b" * 17 + "…"


def test_numbers_stand_to_the_right() -> None:
    lines = table(Style(), ("name", "n"), [("a", 1), ("b", 1_000)], right=("n",))

    assert [line[-1] for line in lines] == ["n", "1", "0"]
    assert len({len(line) for line in lines}) == 1


def test_wrapped_text_loses_no_word() -> None:
    text = "one two three four five six seven eight nine ten"

    lines = wrap(f"  {text}", 20, "    ")

    assert " ".join(lines).split() == text.split()
    assert all(len(line) <= 20 for line in lines)
    assert lines[0].startswith("  one")
    assert lines[1].startswith("    ")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3_600, "1 h"),
        (3_900, "1 h 5 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_small_things() -> None:
    assert moment(0.5, utc=True) == "1970-01-01 00:00:00.500+00:00"
    assert (number(1_234_567), number(1.25), number(""), number(True)) == ("1,234,567", "1.2", "", "True")
    assert cut("abcdef", 4) == "abc…"
    assert (bar(0.5, 4), bar(-1, 2), bar(2, 2)) == ("██░░", "░░", "██")
    assert clean("a\x1b[2Jb\n\tc") == "a [2Jb  c"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a terminal has one
        return "utf-8"


@pytest.mark.parametrize(
    ("environment", "plain", "colour"),
    [({}, False, True), ({"NO_COLOR": "1"}, False, False), ({"TERM": "dumb"}, False, False), ({}, True, False)],
)
def test_when_there_is_colour(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], *, plain: bool, colour: bool
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert Style.of(Terminal(), plain=plain).colour is colour
    assert Style.of(io.StringIO()).colour is False


def test_the_width_is_that_of_the_terminal_or_what_columns_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "77")
    assert Style.of(Terminal()).width == 77
    monkeypatch.setenv("COLUMNS", "3")
    assert Style.of(Terminal()).width == 40
    monkeypatch.delenv("COLUMNS")
    assert Style.of(io.StringIO()).width == 120


DAEMON = {
    "used": 2,
    "frees_s": 30.0,
    "allowed": 3,
    "period_s": 600.0,
    "entries": [{"event": "begun", "why": ""}, {"event": "killed", "why": "no word"}, {"event": "begun", "why": ""}],
}


def test_the_tree_tells_what_is_used_of_budgets_and_when_the_next_try_is() -> None:
    waiting = {"name": "ws1", "state": "restarting", "incarnation": 3, "next_try_s": 4.0,
               "own_budget": {"used": 2, "frees_s": 30.0}}  # fmt: skip
    limit = {"strategy": "one_for_one", "intensity": {"restarts": 5, "period_s": 60.0}}
    workstreams = {"name": "workstreams", "state": "degraded", "incarnation": 1, "why": "ws1 is restarting", **limit,
                   "on_limit": "park", "budget": None, "children": [waiting]}  # fmt: skip
    root = {"name": "hub", **limit, "on_limit": "escalate", "budget": {"used": 1, "frees_s": 9.0}}

    each = "one_for_one, 5 restarts in 1 min for each, then park"

    lines = show.tree(Style(), {"tree": root | {"children": [workstreams]}})

    assert lines == [
        "hub  one_for_one, 1 of 5 restarts in 1 min (one less in 9.0 s), then escalate",
        f"└── workstreams  degraded  incarnation 1  ws1 is restarting  ({each})",
        "    └── ws1  restarting  incarnation 3  budget 2 used (one less in 30 s)  next try in 4.0 s",
    ]


def test_the_tree_tells_how_the_daemon_itself_has_fared() -> None:
    lines = show.tree(Style(), {"tree": {"name": "hub", "children": []}, "daemon": DAEMON})

    assert lines[-1] == (
        "daemon: start 2 in its book, 2 of 3 failures in 10 min (one less in 30 s); the last: the daemon was killed:"
        " no word"
    )


def test_a_crash_loop_of_the_daemon_is_said_first_in_status_and_nothing_if_all_is_well(picture: Picture) -> None:
    doc = picture("status")

    assert not any("daemon" in line for line in show.status(Style(), doc | {"daemon": DAEMON | {"used": 0}}))
    assert show.status(Style(), doc | {"daemon": DAEMON | {"used": 4}})[0].startswith("daemon: a crash loop: 4 of 3")
