"""What people ask of a trail wrongly: told, with what they may have meant, and never answered with nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from alluse_hub.actors.auditor import keys
from alluse_hub.actors.gateway import trail
from alluse_hub.cli import failure
from alluse_hub.cli.main import main
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import Frame
from tests.actors.auditor.conftest import SmallHub

Capture = pytest.CaptureFixture[str]


def fact(message: str, body: str = "{}", cause: str = "") -> Frame:
    return Frame(EntryKind.FACT, message, body.encode(), cause=cause, correlation=cause)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[SmallHub]:
    """It stored two rare facts, and then many others; a letter, and what came of it."""
    made = SmallHub(tmp_path)
    made.say("ws3", fact("FlowPaused", '{"flow":"ws1-ws2"}'), fact("FlowResumed", '{"flow":"ws1-ws2"}'))
    heard = '{"event":{"ws":"ws3","n":1,"event":"filled","session":"","cause":"","payload":{}}}'
    made.say("ws3", fact("EventHeard", heard))
    root = "ws3/1/4"
    made.say("ws3", Frame(EntryKind.SENT, "Deliver", b"{}", "router", correlation=""))
    made.say("router", Frame(EntryKind.HEARD, "Deliver", b"", "ws3", letter=root, correlation=root))
    made.say("router", fact("FlowPaused", '{"flow":"ws2-ws3"}', cause=root))
    made.say("ws3", *[fact("HealthChanged")] * 50)
    made.drain()
    yield made
    made.close()


def run(capsys: Capture, hub: SmallHub, *words: str) -> tuple[int, list[str], str]:
    """Status, kinds of the entries shown, standard error."""
    status = main([*words, "--home", str(hub.home), "--json"])
    said = capsys.readouterr()
    return status, [one["message"] for one in map(json.loads, said.out.splitlines()) if "message" in one], said.err


def test_several_kinds_of_message_are_found_however_much_was_said_since(
    hub: SmallHub, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "LOOKED_AT_MAX", 10)

    words = "trail", "tail", "--message", "FlowPaused", "--message", "FlowResumed"

    assert run(capsys, hub, *words)[1] == ["FlowPaused", "FlowPaused", "FlowResumed"]
    assert run(capsys, hub, *words, "-n", "2")[1] == ["FlowPaused", "FlowResumed"]


def test_pages_of_several_kinds_go_on_where_the_last_one_ended(hub: SmallHub) -> None:
    from alluse_hub.actors.auditor import query  # noqa: PLC0415  # what the gateway is given by name

    found: list[str] = []
    after = 0
    for _ in range(20):
        asked: Json = {"messages": ["FlowPaused", "FlowResumed", "HealthChanged"], "after": after, "limit": 7}
        page = trail.read(query, hub.home, "trail", asked)
        assert isinstance(page["entries"], list)
        assert isinstance(page["leaf"], int)
        found += [str(one["id"]) for one in page["entries"] if isinstance(one, dict)]
        after = page["leaf"]

    assert len(found) == len(set(found)) == 53


@pytest.mark.parametrize("words", [("tail",), ("search",), ("export", "out")], ids=" ".join)
def test_a_kind_of_message_that_is_none_is_wrong_usage_with_what_may_be_meant(
    hub: SmallHub, capsys: Capture, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(hub.home)

    status, _, said = run(capsys, hub, "trail", *words, "--message", "FlowPauzed")

    assert status == failure.USAGE
    assert "'FlowPauzed' is no kind of message; did you mean 'FlowPaused'?" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("trail", "tail", "--actor", "rooter"), "nothing of 'rooter' is on record; did you mean 'router'?"),
        (("trail", "search", "--actor", "rooter", "--since", "1d"), "nothing of 'rooter' is on record"),
        (("trail", "tail", "--workstream", "ws33"), "nothing of 'ws33' is on record; did you mean 'ws3'?"),
        (("events", "--source", "ws33"), "nothing of 'ws33' is on record; did you mean 'ws3'?"),
        (("events", "--type", "filed"), "no event 'filed' is among the newest 1; did you mean 'filled'?"),
    ],
    ids=lambda each: each if isinstance(each, str) else " ".join(each),
)
def test_a_name_that_nobody_bears_is_not_found_with_what_may_be_meant(
    hub: SmallHub, capsys: Capture, words: tuple[str, ...], said: str
) -> None:
    status, _, told = run(capsys, hub, *words)

    assert status == failure.NOT_FOUND
    assert said in told


def test_a_name_of_which_there_is_nothing_now_is_no_error(hub: SmallHub, capsys: Capture) -> None:
    assert run(capsys, hub, "trail", "tail", "--actor", "router", "--message", "HealthChanged")[0] == failure.DONE
    assert run(capsys, hub, "events", "--type", "filled", "--text", "no such")[0] == failure.DONE


def test_events_say_so_where_only_the_newest_were_looked_at(
    hub: SmallHub, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "LOOKED_AT_MAX", 1)

    _, _, said = run(capsys, hub, "events", "--type", "filled")

    assert "only the newest 1 events were looked at" in said


def test_a_timeline_of_what_came_of_something_is_that_of_its_root(hub: SmallHub, capsys: Capture) -> None:
    status = main(["trail", "timeline", "router/1/2", "--home", str(hub.home), "--json"])

    said = capsys.readouterr()
    assert status == failure.DONE
    assert [one["id"] for one in json.loads(said.out)["entries"]] == ["router/1/1", "router/1/2"]
    assert "router/1/2 came of ws3/1/4" in said.err


def test_a_timeline_of_what_nobody_wrote_is_not_found(hub: SmallHub, capsys: Capture) -> None:
    assert main(["trail", "timeline", "router/1/99", "--home", str(hub.home)]) == failure.NOT_FOUND
    assert "nothing of 'router/1/99' is on record" in capsys.readouterr().err


def test_a_file_that_never_was_a_checkpoint_is_wrong_usage_and_nothing_against_the_trail(
    hub: SmallHub, capsys: Capture
) -> None:
    hub.sign()
    other = hub.home / "README.md"
    other.write_text("# The hub\n", encoding="utf-8")
    assert keys.load(keys.key_of(hub.home)) is not None

    for path in (other, hub.home / "nowhere"):
        assert main(["trail", "verify", "--home", str(hub.home), "--checkpoint", str(path)]) == failure.USAGE
        assert f"{path} is no checkpoint (" in capsys.readouterr().err
    head = hub.home / "trail" / "head"
    assert main(["trail", "verify", "--home", str(hub.home), "--checkpoint", str(head)]) == failure.DONE
