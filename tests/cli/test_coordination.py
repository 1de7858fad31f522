"""``coordination``: now and the last hour, a span, the events; from a daemon and from files."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from alluse_hub.actors.gateway.deeds import Conflict, Deeds, Directed, Done, Firing, gathered
from alluse_hub.actors.gateway.figures import Span, figures
from alluse_hub.cli import coordination, failure
from alluse_hub.cli.main import main
from alluse_hub.cli.render import Style
from tests.cli.conftest import Daemon

Picture = Callable[..., dict[str, Any]]

HEAD = {"since": 10.0, "until": 3_610.0, "wall_since": 1_700_000_000.0, "wall_until": 1_700_003_600.0, "entries": 9}
WHOLE = {"is_cut": False, "is_complete": True}
EVENT = {
    "id": "coordinator/1/9",
    "at": 1.0,
    "wall": 1_700_000_000.0,
    "message": "ConflictOpened",
    "type": "conflict",
    "severity": "warning",
    "rule": "",
    "workstreams": ["ws4"],
    "text": "conflict-1, C1 on ws4/trading: a wants more than b",
    "resolved": True,
    "resolution": "longer wins: a stays",
    "conflict": "conflict-1",
}


def counted(**more: Any) -> dict[str, Any]:
    """As the daemon gives it, of a little work."""
    deeds = Deeds(
        firings=[Firing("pause", "ws3#1", 20.0)], done=[Done("ws1", 21.0, ok=True), Done("ws1", 22.0, ok=False)]
    )
    deeds.directives["ws2/trading", 1] = Directed("ws2", 20.0, False, 10.0, sent=20.0, applied=20.5, answers=1)
    deeds.conflicts["coordinator", "c"] = Conflict("ws2", 20.0, closed=20.25)
    return {**HEAD, **WHOLE, **figures(deeds, {}, Span(10.0, 3_610.0)), **more}


def mixed(picture: Picture) -> dict[str, Any]:
    shown, last = picture("coordination"), counted()
    shown["headline"] |= {"score": last["score"], "average_latency_ms": 12.34, "success": 1.0}
    return shown | {"figures": last}


def text_of(lines: list[str]) -> str:
    return "\n".join(" ".join(line.split()) for line in lines)


def test_now_has_the_seven_figures_and_a_line_for_each_workstream(picture: Picture) -> None:
    text = text_of(coordination.lines(Style(width=200, utc=True), mixed(picture)))

    assert text.startswith(
        "coordination score 75.0 coordinated 1/2 rules 1/1 syncs 1/1 executions 9 latency 12.3 ms"
        " conflicts 1 open, 1 closed"
    )
    for words in (
        "id status score directives rules syncs every overdue why",
        "ws1 coordinated 50.0 no data",
        "ws2 conflict 100.0 100.00 %",
        "overdue: prices at ws2: for 31 s a due version is not verified",
        "of what came due, from 2023-11-14 22:13:20.000+00:00 to 2023-11-14 23:13:20.000+00:00",
        "work done well commands 1 of 2, directives 1 of 1, deliveries none, conflicts 1 of 1",
        "success 100.00 % of directives applied in time (1 of 1; 0 overtaken)",
        "conflicts 1 opened, 1 closed, 0 escalated, 0 open",
        "conflict opened to closed 1 250.0 250.0 - - 250.0",
        "event to last act sent no data",
    ):
        assert words in text, text


def test_without_a_span_the_board_and_the_last_hour_are_asked_with_one_only_the_trail(
    daemon: Daemon, picture: Picture, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.replies |= {"coordination": mixed(picture), "figures": counted()}

    assert main(["coordination"]) == 0
    assert main(["coordination", "--from", "2023-11-14T22:00+00:00", "--to", "ws3/1/42"]) == 0

    assert [one["ask"] for one in daemon.requests] == ["coordination", "figures"]
    assert daemon.requests[1]["args"] == {"since": 1_699_999_200.0, "until": "ws3/1/42"}
    now, span = capsys.readouterr().out.split("event to last act sent")[:2]
    assert "coordinated 1/2" in now
    assert "coordinated 1/2" not in span


def test_what_was_cut_or_has_expired_is_said_so() -> None:
    text = text_of(coordination.lines(Style(), {"figures": counted(is_cut=True, is_complete=False)}))

    assert "begun later than asked" in text
    assert "some of it has expired" in text


def test_of_a_trail_without_anything_there_is_no_data() -> None:
    nothing = {"since": None, "until": None, "entries": 0} | figures(gathered(()), {}, Span(0.0, 0.0))

    text = text_of(coordination.lines(Style(), {"figures": nothing}))

    assert text.startswith("coordination score no data\n\nnothing came due\n\nnothing is on record yet")


def test_events_are_asked_for_with_their_filters_and_shown_with_their_resolution(
    daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.replies["happenings"] = {**HEAD, **WHOLE, "events": [EVENT, EVENT | {"resolved": False}], "found": 2}
    filters = [
        "--type",
        "conflict",
        "--severity",
        "warning",
        "--workstream",
        "ws4",
        "--rule",
        "pause",
        "--open",
        "-n",
        "5",
    ]

    assert main(["coordination", "events", *filters, "--utc"]) == 0

    out = capsys.readouterr().out
    assert "22:13:20.000+00:00 warning conflict conflict-1, C1 on ws4/trading: a wants more than b" in " ".join(
        out.split()
    )
    assert "    resolved, longer wins: a stays\n" in out
    assert "    not resolved yet\n2 found, from 2023-11-14" in out
    args = daemon.requests[0]["args"]
    assert args == {
        "limit": 5, "open": True, "type": "conflict", "severity": "warning", "workstream": "ws4", "rule": "pause",
    }  # fmt: skip


def test_wrong_wishes(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["coordination", "events", "-n", "0"]) == failure.USAGE
    assert main(["coordination", "--from", "yesterday"]) == failure.USAGE
    assert "--from 'yesterday' is no time" in capsys.readouterr().err
    assert main(["coordination", "--workstream", "ws4"]) == failure.USAGE
    assert "--workstream is of events alone" in capsys.readouterr().err
    assert daemon.requests == []


def test_a_span_does_not_end_in_the_future_where_what_is_due_would_be_late(daemon: Daemon) -> None:
    daemon.replies["figures"] = counted()
    before = time.time()

    assert main(["coordination", "--from", "2h", "--to", "2100-01-01"]) == 0

    assert before <= daemon.requests[0]["args"]["until"] <= time.time()


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits(picture: Picture, width: int) -> None:
    assert max(map(len, coordination.lines(Style(width=width), mixed(picture)))) <= width


def test_a_summary_has_score_success_and_latency() -> None:
    lines = coordination.brief(counted())

    assert [" ".join(line.split()) for line in lines] == [
        "score 75.0; 3 of 4 pieces of work done well",
        "success rate 100.00 %; 1 of 1 directives applied in time",
        "event to last act sent no data",
        "event to all acknowledged no data",
    ]
