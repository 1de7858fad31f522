"""The contract with the hub, kept by all five: whatever comes in, one reply, no gaps, no second effect, no crash."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.workstreams import runner as runner_module
from alluse_hub.actors.workstreams.bars import COLUMNS
from alluse_hub.actors.workstreams.catalog import FLOWS, PROGRAMS, classes, targets_of
from alluse_hub.actors.workstreams.lines import digest
from alluse_hub.actors.workstreams.readers import DamagedError
from alluse_hub.actors.workstreams.rehearse import Rehearsal
from alluse_hub.actors.workstreams.runner import Runner

ALL = sorted(PROGRAMS)
MakeFed = Callable[..., Any]  # of conftest.Fed, which cannot be imported from here
Inputs = dict[str, list[bytes]]


def told(lines: list[bytes]) -> list[str]:
    """The events among ``lines``, as they must be equal: n, event, session, payload, cause."""
    bodies = [json.loads(line) for line in lines]
    kept = ("n", "event", "session", "payload", "cause")
    return [json.dumps({name: body[name] for name in kept}) for body in bodies if body["kind"] == "event"]


def run(ws: str, state: Path | None, inputs: list[bytes]) -> tuple[Runner, list[str]]:
    runner = Runner(classes()[ws].begin(None), state)
    events = told(runner.start())
    for line in inputs:
        events += told(runner.feed(line))
    return runner, events


@pytest.mark.parametrize("ws", ALL)
def test_every_line_has_its_frame_and_seq_has_no_gap(fed: MakeFed, inputs: Inputs, ws: str) -> None:
    one = fed(ws)
    for line in inputs[ws][:40]:
        one.raw(line)
    one.command("snapshot")

    assert [line["seq"] for line in one.lines] == list(range(1, len(one.lines) + 1))
    assert all(line["ws"] == ws and line["t"] >= 0 and line["kind"] for line in one.lines)
    assert [event["n"] for event in one.events()] == list(range(1, len(one.events()) + 1))
    assert {event["event"] for event in one.events()} <= set(classes()[ws].emits)


@pytest.mark.parametrize("ws", ALL)
def test_the_hello_says_who_it_is(fed: MakeFed, ws: str) -> None:
    hello = fed(ws).lines[0]

    assert (hello["kind"], hello["ws"], hello["resumed"], hello["events"]) == ("hello", ws, False, 0)
    assert hello["name"]
    assert hello["version"]


@pytest.mark.parametrize("ws", ALL)
@pytest.mark.parametrize(
    ("line", "error"),
    [
        ({"id": "x", "command": "make_coffee"}, "'make_coffee' is not a command; known: "),
        ({"id": "x"}, "'command' is missing"),
        ({"id": "x", "command": 5}, "'command' must be a text"),
        ({"id": "x", "command": "ping", "parameters": []}, "'parameters' must be an object"),
        ({"id": "x", "command": "ping", "deadline_s": "soon"}, "'deadline_s' must be a number"),
        ({"id": "x", "command": "deliver"}, "'session' is missing"),
        ({"id": "x", "command": "deliver", "parameters": {"session": "2004-08-19"}}, "'events' is missing"),
        ({"id": "x", "command": "deliver", "parameters": {"session": "today", "events": []}}, "must be a date"),
        ({"id": "x", "command": "restore", "parameters": {"state": {"a": 1}}}, "'state' is none of"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_would_be_right(
    fed: MakeFed, ws: str, line: dict[str, Any], error: str
) -> None:
    if ws == "ws1" and "restore" in str(line):
        line = {**line, "parameters": {"state": {"numbered": 1}}}
    one = fed(ws)
    before = digest(one.runner.workstream.snapshot())

    said = one.raw(json.dumps(line).encode())

    assert [body["kind"] for body in said] == ["reply"]
    assert said[0]["ok"] is False
    assert error in said[0]["error"]
    assert digest(one.runner.workstream.snapshot()) == before


@pytest.mark.parametrize("ws", ALL)
@pytest.mark.parametrize("line", [b"", b"null", b"{", b'{"id":5,"command":"ping"}', b'{"command":"ping"}', b"\xff\xfe"])
def test_a_line_nobody_can_answer_is_logged_and_counted(fed: MakeFed, ws: str, line: bytes) -> None:
    one = fed(ws)

    said = one.raw(line)

    assert [(body["kind"], body["level"]) for body in said] == [("log", "error")]
    assert json.loads(one.runner.beat())["errors"] == 1
    assert one.command("ping")["ok"]


@given(
    ws=st.sampled_from(ALL),
    command=st.sampled_from(sorted({name for kind in classes().values() for name in kind.commands()} | {"deliver"})),
    parameters=st.dictionaries(
        st.sampled_from(
            ["account", "symbol", "scope", "fence", "lease", "session", "events", "changes", "duration", "text"]
        ),
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.text()),
    ),
)
@settings(deadline=None, max_examples=150)
def test_any_parameters_get_exactly_one_reply(ws: str, command: str, parameters: dict[str, Any]) -> None:
    runner = Runner(BARE[ws]())
    runner.start()
    line = {"id": "x", "command": command, "parameters": parameters}

    said = [json.loads(line) for line in runner.feed(json.dumps(line, allow_nan=True).encode())]

    replies = [body for body in said if body["kind"] == "reply"]
    logged = [body for body in said if body["kind"] == "log"]
    assert len(replies) == 1 or (logged and not replies and "strict JSON" in logged[0]["text"])
    assert all("failed inside" not in (reply["error"] or "") for reply in replies)


TAPE = classes()["ws3"].begin(None)
BARE: dict[str, Callable[[], Any]] = {
    **{ws: classes()[ws] for ws in ALL if ws != "ws3"},
    "ws3": lambda: type(TAPE)(TAPE.tape),  # type: ignore[attr-defined, call-arg]  # ws3 is begun from a tape
}


@pytest.mark.parametrize("ws", ALL)
def test_the_same_id_gets_the_same_reply_and_no_second_effect(fed: MakeFed, inputs: Inputs, ws: str) -> None:
    one = fed(ws)
    for line in inputs[ws][:30]:
        first = one.raw(line)[-1]
        before = digest(one.runner.workstream.snapshot())

        again = one.raw(line)

        assert [body["kind"] for body in again] == ["reply"]
        assert {**again[0], "seq": 0, "t": 0} == {**first, "seq": 0, "t": 0}
        assert digest(one.runner.workstream.snapshot()) == before


@pytest.mark.parametrize("ws", [ws for ws in ALL if ws != "ws3"])
def test_an_event_delivered_twice_under_two_ids_counts_once(fed: MakeFed, inputs: Inputs, ws: str) -> None:
    one = fed(ws)
    lines = [json.loads(line) for line in inputs[ws][:30]]
    for line in lines:
        one.raw(json.dumps(line).encode())
    before = digest(one.runner.workstream.snapshot())
    emitted = len(one.events())

    for line in lines[-5:]:
        if line["command"] == "deliver":
            result = one.raw(json.dumps({**line, "id": line["id"] + " again"}).encode())[-1]["result"]
            assert result["heard"] == 0

    assert len(one.events()) == emitted
    assert digest(one.runner.workstream.snapshot()) == before


@pytest.mark.parametrize("every", [7, 200])
@pytest.mark.parametrize("ws", ALL)
def test_a_run_cut_anywhere_goes_on_as_if_never_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Inputs, ws: str, every: int
) -> None:
    monkeypatch.setattr(runner_module, "SNAPSHOT_EVERY", every)
    lines = inputs[ws]
    whole, expected = run(ws, None, lines)
    dice = random.Random(f"{ws} {every}")

    for trial in range(2):
        state = tmp_path / str(trial)
        at = 0
        events: dict[int, str] = {}
        while at < len(lines):
            end = min(len(lines), at + dice.randint(1, len(lines) // 2 + 1))
            runner, said = run(ws, state, lines[at:end])
            for event in said:
                n = json.loads(event)["n"]
                assert events.setdefault(n, event) == event, "told again, but otherwise"
            at = end
            runner.close()

        assert [events[n] for n in sorted(events)] == expected
        assert runner.workstream.snapshot() == whole.workstream.snapshot()
        assert sorted(events) == list(range(1, len(expected) + 1))


@pytest.mark.parametrize("ws", ALL)
def test_replies_are_remembered_through_a_restart_and_not_written_again(
    tmp_path: Path, inputs: Inputs, ws: str
) -> None:
    runner, _ = run(ws, tmp_path, inputs[ws][:20])
    first = json.loads(runner.feed(inputs[ws][10])[-1])
    runner.close()

    second = Runner(classes()[ws].begin(None), tmp_path)
    said = [json.loads(line) for line in second.start()]
    again = [json.loads(line) for line in second.feed(inputs[ws][10])]

    assert {body["kind"] for body in said} <= {"hello", "event"}
    assert (said[0]["kind"], said[0]["resumed"], said[0]["events"]) == ("hello", True, second.n)
    assert [body["kind"] for body in again] == ["reply"]
    assert {name: again[0][name] for name in ("id", "ok", "result", "error")} == {
        name: first[name] for name in ("id", "ok", "result", "error")
    }
    second.close()


@pytest.mark.parametrize("ws", ALL)
def test_replies_and_heard_events_are_remembered_through_a_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Inputs, ws: str
) -> None:
    monkeypatch.setattr(runner_module, "SNAPSHOT_EVERY", 1)
    lines = [line for line in inputs[ws][:20] if b'"deliver"' in line or ws == "ws3"]
    run(ws, tmp_path, [*lines, b"one more, for the snapshot"])[0].close()

    second = Runner(classes()[ws].begin(None), tmp_path)
    assert [json.loads(line)["kind"] for line in second.start()] == ["hello"]
    again = second.feed(lines[3])
    renamed = second.feed(lines[3].replace(b'"id":"', b'"id":"other '))

    assert [json.loads(line)["kind"] for line in again] == ["reply"]
    assert ws == "ws3" or json.loads(renamed[-1])["result"]["heard"] == 0
    second.close()


@pytest.mark.parametrize("ws", ALL)
def test_a_snapshot_is_json_and_restores_to_itself(fed: MakeFed, inputs: Inputs, ws: str) -> None:
    one, other = fed(ws), fed(ws)
    for line in inputs[ws]:
        one.raw(line)
    reply = one.command("snapshot")
    state = one.lines[-2]

    restored = other.ok("restore", state=state["snapshot"], digest=state["digest"])

    assert (state["kind"], state["digest"]) == ("state", reply["result"]["digest"])
    assert restored["digest"] == state["digest"] == digest(json.loads(json.dumps(one.runner.workstream.snapshot())))
    assert other.command("restore", state=state["snapshot"], digest="0")["ok"] is False


def bare(value: Any) -> Any:  # Any: whatever a workstream holds
    """``value`` without its classes, so that two objects can be compared attribute by attribute."""
    if isinstance(value, dict):
        return {name: bare(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [bare(inner) for inner in value]
    return bare(vars(value)) if hasattr(value, "__dict__") else value


@pytest.mark.parametrize("ws", ALL)
def test_a_snapshot_forgets_no_attribute(span: Rehearsal, ws: str) -> None:
    workstream = span.runners[ws].workstream
    fresh = BARE[ws]()

    fresh.restore(json.loads(json.dumps(workstream.snapshot())))

    kept = set(vars(workstream)) - {"told", "tape", "session", "shelf"}  # the runner keeps session and shelf
    assert {name: bare(getattr(fresh, name)) for name in kept} == {
        name: bare(getattr(workstream, name)) for name in kept
    }


@pytest.mark.parametrize("ws", ALL)
def test_it_describes_itself(fed: MakeFed, ws: str) -> None:
    one = fed(ws)
    described = one.ok("describe")

    assert {"deliver", "describe", "get_state", "ping", "restore", "snapshot", "stop"} <= set(described["commands"])
    assert set(described["emits"]) == set(classes()[ws].emits)
    assert one.ok("get_state")["digest"] == one.ok("snapshot")["digest"]
    assert one.ok("ping")["pong"] is True


def test_stop_ends_after_its_reply(fed: MakeFed) -> None:
    one = fed("ws1")

    assert one.ok("stop") == {"stopping": True}
    assert one.runner.stopping


def test_a_state_folder_of_another_workstream_is_refused(tmp_path: Path) -> None:
    run("ws1", tmp_path, [])[0].close()

    with pytest.raises(DamagedError, match="belongs to ws1; give ws2 its own folder"):
        Runner(classes()["ws2"].begin(None), tmp_path).start()


def test_a_state_that_played_another_file_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(f"{','.join(COLUMNS)}\nX,2004-08-19,10,11,9,10.5,1000,10.5\n", encoding="utf-8")
    run("ws3", tmp_path / "state", [])[0].close()

    with pytest.raises(DamagedError, match="it played the file with SHA-256"):
        Runner(classes()["ws3"].begin(own), tmp_path / "state").start()


def test_a_line_with_line_feeds_inside_is_one_journal_entry(tmp_path: Path) -> None:
    pretty = json.dumps({"id": "a", "command": "send_alert", "parameters": {"subject": "s"}}, indent=1).encode()
    run("ws1", tmp_path, [pretty])[0].close()

    assert run("ws1", tmp_path, [])[1]


def test_a_poison_event_does_not_hold_up_the_others(fed: MakeFed, inputs: Inputs) -> None:
    one = fed("ws4")
    line = next(json.loads(line) for line in inputs["ws4"] if b"session_closed" in line)
    poison = {"ws": "ws3", "n": 10**9, "event": "market_data_update", "session": "2004-08-19", "payload": {"symbol": 5}}
    line["parameters"]["events"].insert(0, poison)

    reply = one.raw(json.dumps(line).encode())[-1]

    assert reply["ok"] is False
    assert "market_data_update ws3#1000000000" in reply["error"]
    assert len(one.events("daily_settlement")) == 1


def test_flows_join_what_is_told_to_who_exists() -> None:
    for source, events, targets in FLOWS:
        assert set(events) <= set(classes()[source].emits)
        assert set(targets) <= set(PROGRAMS) - {source}
    assert targets_of("ws3", "session_closed") == ("ws1", "ws2", "ws4", "ws5")


def test_every_event_that_is_heard_is_delivered() -> None:
    carried = {(event, target) for _, events, targets in FLOWS for event in events for target in targets}
    for ws, kind in classes().items():
        assert [event for event in kind.hears() if (event, ws) not in carried] == []
