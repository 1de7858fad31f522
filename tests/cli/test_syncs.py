"""``sync``: the table, one whole, the orders."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from alluse_hub.cli import syncs
from alluse_hub.cli.main import main
from alluse_hub.cli.render import Style
from tests.cli.conftest import Daemon

Picture = Callable[..., dict[str, Any]]


def test_the_list_has_a_line_for_each_target(picture: Picture) -> None:
    lines = syncs.table_of(Style(width=160), picture("syncs"))

    assert [" ".join(line.split()) for line in lines[1:]] == [
        "prices periodic active ws2 late ws1:11 aaaaaaaa 30 75.00 % 4.0 s 1 40.0",
        "ws3 new 0 no data",
    ]


def test_one_is_shown_with_its_legs_and_its_times(picture: Picture) -> None:
    text = "\n".join(syncs.one(Style(width=160), picture("syncs", name="prices")))

    for words in (
        *(
            "Prices  active",
            "from        ws1, data set prices, newest ws1:12 9f86d081",
            "mode        periodic every 1 h",
        ),
        *("success     no data of what was due within the last hour", "last        3.0 s ago", "next        in 1 h"),
        *("all   3    12.5    40.0  41.0", "for 31 s a due version is not verified", "93.00 %"),
    ):
        assert words in text, text


def test_what_was_verified_by_a_sample_and_what_its_condition_said_stand_there(picture: Picture) -> None:
    doc = picture("syncs", name="prices")
    [sync] = doc["syncs"]
    sync["config"] |= {"mode": "on_event", "event": "closed", "when": "volume > 7", "verify": "sample(20)"}
    sync["asked"] = {"true": 2, "false": 1_300, "unknown": 4, "n": 1306, "value": None, "why": "volume is missing"}
    sync["targets"][0]["sampled"] = 20

    lines = [" ".join(line.split()) for line in syncs.one(Style(width=160), doc)]

    assert (
        "condition volume > 7; true 2, false 1,300, unknown 4; event 1,306: unknown, which is not true, because "
        "volume is missing"
    ) in lines
    assert "verified by sample(20); the whole is not proved yet at ws2" in lines
    assert any(line.startswith("ws2 late sample of ws1:11 aaaaaaaa") for line in lines)


def test_no_sync_is_said_so() -> None:
    assert syncs.table_of(Style(), {"syncs": []}) == ["no sync is configured"]


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit(picture: Picture, width: int) -> None:
    lines = [*syncs.table_of(Style(width=width), picture("syncs"))]

    assert max(len(line) for line in lines) <= width


def test_orders_are_sent_with_what_they_are_to_do(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[dict[str, Any]] = []

    def reply(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request["args"])
        return {"text": "prices: paused"}

    daemon.replies["sync"] = reply

    assert main(["sync", "pause", "prices", "--reason", "a try"]) == 0
    assert main(["sync", "force", "prices", "--keep", "target", "--timeout", "5"]) == 0

    assert capsys.readouterr().out == "prices: paused\n" * 2
    assert asked == [
        {"name": "prices", "do": "pause", "reason": "a try", "timeout_s": 60.0},
        {"name": "prices", "do": "force", "reason": "", "timeout_s": 5.0, "keep": "target"},
    ]


def test_a_sync_that_is_not_there_is_called_so(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.replies["syncs"] = {"ok": False, "code": 6, "message": "'price' is not known here", "hint": "`tree`"}

    assert main(["sync", "show", "price"]) == 6

    assert capsys.readouterr().err == "error: 'price' is no sync\nhint: `sync list` lists them\n"


def test_list_and_show_ask_for_the_view(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sync", "list"]) == 0
    assert main(["sync", "show", "prices"]) == 0
    assert main(["sync", "list", "--json"]) == 0

    table, one, document = capsys.readouterr().out.partition("Prices")
    one, _, document = document.partition("{")
    assert [" ".join(line.split()) for line in table.splitlines()][1] == (
        "prices periodic active ws2 late ws1:11 aaaaaaaa 30 75.00 % 4.0 s 1 40.0"
    )
    assert "ws1, data set prices, newest ws1:12 9f86d081" in one
    assert [sync["sync"] for sync in json.loads("{" + document)["syncs"]] == ["prices"]
