"""`trail search`, `trail timeline`, `trail export`, and the filters of `trail tail`: with a daemon and without."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.checkpoints import Notary
from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.indexer import advance, index_of, open_index
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.cli import failure
from alluse_hub.cli import find as finding
from alluse_hub.cli.main import main
from alluse_hub.supervision.spool import SpoolName

if TYPE_CHECKING:
    from tests.cli.conftest import Daemon

FIRST = "ws1/1/1"


def row(n: int) -> Row:
    cause = FIRST if n > 1 else ""
    message = "RuleFired" if n % 2 else "Booted"
    body = json.dumps({"rule": "hold-orders", "why": f"volume {n} is high"})
    return Row("ws1", 1, n, "fact", message, "", "", cause, cause and FIRST, 100.0 - n, 1e9 + n, False, "ws1", body)


@pytest.fixture
def ended(tmp_path: Path) -> Path:
    """The home of a hub that ended, with ten entries under a checkpoint, and an index of their words."""
    home = tmp_path / "h"
    (home / "trail" / "spool").mkdir(parents=True)
    store = Store.open(home / "trail" / "trail.db")
    store.commit([row(n) for n in range(1, 11)], {SpoolName("ws1", 1): Place(500, 10)})
    notary = Notary(store, Head(home / "trail" / "head"), keys.make(keys.key_of(home), "alluse/1"))
    notary.begin()
    notary.seal()
    store.close()
    connection = open_index(home / "trail" / "trail.db", index_of(home))
    while advance(connection):
        pass
    connection.close()
    return home


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(ended: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run_(*words: str) -> tuple[int, str, str]:
        status = main(["trail", *words, "--home", str(ended)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run_


def ids(out: str) -> list[str]:
    return [line.split()[2] for line in out.splitlines()]


def test_words_are_found_newest_first_with_what_the_answer_is_worth(run: Run) -> None:
    status, out, err = run("search", "volume high", "-n", "3", "--utc")

    assert (status, ids(out)) == (failure.DONE, ["ws1/1/10", "ws1/1/9", "ws1/1/8"])
    assert "3 found; complete for the places 8 to 10, under the checkpoint of 10 entries" in err
    assert "ask on with the cursor 8" in err


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--message", "RuleFired", "--before", "6"], [5, 3, 1]),
        (["--workstream", "ws1", "--after", "8", "--oldest-first"], [9, 10]),
        (["--since", "2001-09-09T01:46:48+00:00", "--until", "2001-09-09T01:46:50Z"], [9, 8]),
        (["--cause", FIRST, "--kind", "fact", "-n", "2"], [10, 9]),
        (["9", "--actor", "ws1", "--power", "no"], [9]),
        (["--correlation", FIRST, "--peer", "nobody"], []),
        (["--severity", "notice", "-n", "3"], [9, 7, 5]),
        (["--severity", "info", "-n", "2"], [10, 9]),
        (["--severity", "error"], []),
    ],
)
def test_filters_narrow(run: Run, words: list[str], found: list[int]) -> None:
    status, out, _ = run("search", *words, "--utc")

    assert (status, ids(out)) == (failure.DONE, [f"ws1/1/{n}" for n in found])


def test_a_question_that_would_read_everything_is_wrong_usage_and_told_what_to_add(run: Run) -> None:
    status, _, err = run("search", "--actor", "ws1")

    assert status == failure.USAGE
    assert "bound it with --since, --until, --after or --before" in err


def test_the_answer_as_json_has_its_checkpoint(run: Run) -> None:
    _, out, _ = run("search", "volume", "--json")

    doc = json.loads(out)
    assert (doc["schema"], len(doc["entries"]), doc["next"]) == ("alluse-hub/find", 10, None)
    assert doc["complete"]["checkpoint"].startswith("alluse/1\n10\n")
    assert [one["severity"] for one in doc["entries"][:2]] == ["info", "notice"]


def test_a_timeline_is_in_order_of_time_with_what_passed(run: Run) -> None:
    status, out, _ = run("timeline", FIRST, "--utc")

    lines = out.splitlines()
    assert (status, lines[0]) == (failure.DONE, "2001-09-09 01:46:50.000+00:00")
    assert [line.split()[0] for line in lines[1:4]] == ["+0.000", "+1.000", "+2.000"]
    assert [line.split()[2] for line in lines[1:4]] == ["ws1/1/10", "ws1/1/9", "ws1/1/8"]


def test_a_timeline_can_leave_out_what_is_not_grave(run: Run) -> None:
    _, out, _ = run("timeline", FIRST, "--severity", "notice", "--utc")

    assert [line.split()[2] for line in out.splitlines()[1:]] == [f"ws1/1/{n}" for n in (9, 7, 5, 3)]


def test_an_export_by_severity_says_so_and_is_whole(run: Run, tmp_path: Path) -> None:
    status, _, _ = run("export", str(tmp_path / "out"), "--severity", "notice")

    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert (status, manifest["filters"], manifest["rows"]) == (failure.DONE, {"severity": "notice"}, 5)
    assert main(["trail", "verify", str(tmp_path / "out")]) == failure.DONE


def test_a_timeline_of_nothing_is_not_found(run: Run) -> None:
    assert run("timeline", "ws9")[0] == failure.NOT_FOUND


@pytest.mark.parametrize("form", finding.FORMS)
def test_an_export_is_verified_by_its_folder(run: Run, tmp_path: Path, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")
    out = tmp_path / "out"

    assert run("export", str(out), "--format", form, "--message", "Booted", "--text", "volume")[0] == failure.DONE

    status, said, _ = run("verify", str(out))
    assert (status, said.splitlines()[0]) == (failure.DONE, "the export is whole: 5 rows of the places 1 to 10")
    (out / "leaves").write_bytes(b"")
    assert run("verify", str(out))[0] == failure.TRAIL_BROKEN
    assert run("export", str(out))[0] == failure.CONFLICT


def test_progress_of_a_long_export_goes_to_stderr(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "PROGRESS_EVERY_S", 0.0)

    status, out, err = run("export", str(tmp_path / "out"), "--json")

    assert (status, json.loads(out)["rows"]) == (failure.DONE, 10)
    assert "10 rows, at place 10 of 10" in err


def test_every_filter_of_tail_reaches_the_daemon(daemon: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    daemon.replies["trail"] = {"entries": [], "leaf": 1}
    words: dict[str, Any] = {"actor": "a", "peer": "p", "cause": "c", "kind": "fact", "correlation": "x"}
    words |= {"severity": "warning"}
    flags = [word for name, value in words.items() for word in (f"--{name}", value)]

    assert main(["trail", "tail", "--workstream", "ws1", "--power", "yes", "--until", "2026-01-01", *flags]) == 0

    assert daemon.requests[0]["args"] == words | {
        "messages": [],
        "limit": 20,
        "source": "ws1",
        "power": True,
        "until": daemon.requests[0]["args"]["until"],
    }
    capsys.readouterr()


def test_windows_with_nothing_in_them_are_passed_over(daemon: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    pages: Iterator[dict[str, Any]] = iter(
        [
            {"entries": [], "next": 50, "complete": {"first": 50, "last": 99, "checkpoint": "o\n120\nr"}},
            {"entries": [daemon.entry], "next": None, "complete": {"first": 1, "last": 49, "checkpoint": "o\n60\nr"}},
        ]
    )
    daemon.replies["find"] = lambda _request: next(pages) | {"stored": 99, "indexed": 10}

    assert main(["trail", "search", "--actor", "ws3", "--before", "100"]) == 0

    assert [request["args"]["before"] for request in daemon.requests] == [100, 50]
    assert "complete for the places 1 to 99, under the checkpoint of 120 entries" in capsys.readouterr().err
