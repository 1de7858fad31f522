"""A trail on disk is run again, and its actors' states are had for any moment: from the store, the spools, or both."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from alluse_hub.actors.auditor.history import Bounds, History
from alluse_hub.actors.auditor.ingest import Ingest
from alluse_hub.actors.auditor.past import Past, state_at
from alluse_hub.actors.auditor.rerun import rerun
from alluse_hub.actors.auditor.store import Store
from alluse_hub.actors.catalog import core_of
from alluse_hub.cli import failure
from alluse_hub.cli.main import main
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.flow import FlowPaused
from alluse_hub.protocols.trail import AuditorSpec, Entry, EntryKind
from alluse_hub.supervision.recovery import recovered, snapshot_of
from alluse_hub.supervision.spool import Frame, Spool
from alluse_hub.testing import TestHub
from tests.actors.auditor.conftest import SmallHub
from tests.simulation.again import shown
from tests.simulation.spans import RESTARTS, ROUGH, played, replay

SHORT = replay("2004-08-02", "2004-08-13", RESTARTS)

SECRET = """
[replay]
from = 2004-08-02
to = 2004-08-10
[[workstream]]
id = "ws5"
name = "Learning Systems"
program = ["{python}", "-m", "alluse_hub.actors.workstreams.ws5", "--state", "{state}"]
depends_on = ["ws1", "ws2", "ws3", "ws4"]
lockstep = true
env = { KEY = "hunter2" }
"""


def written(trail: list[Entry], home: Path, stored: float) -> None:
    """As a real hub would have it on disk, the first part of it stored and the rest in spools."""
    spools: dict[tuple[str, int], Spool] = {}
    (home / "trail" / "spool").mkdir(parents=True)
    directory = home / "trail" / "spool"
    for at, entry in enumerate(trail):
        if at == int(len(trail) * stored):
            store_all(home)
        item, key = shown(entry), (entry.actor, entry.incarnation)
        if key not in spools:
            spools[key] = Spool.open(directory, entry.actor)
        frame = Frame(
            entry.kind, item.message, item.body.encode(), item.to, item.letter, item.cause, item.correlation, item.power
        )
        spools[key].write([frame], item.at, 1e9 + item.at)
    for spool in spools.values():
        spool.close()
    if stored == 1.0:
        store_all(home)


def store_all(home: Path) -> None:
    store = Store.open(home / "trail" / "trail.db")
    try:
        ingest = Ingest(home / "trail" / "spool", store, "nobody", AuditorSpec(), lambda _word: None)
        try:
            ingest.stop()
            ingest.run()
        finally:
            ingest.close()
    finally:
        store.close()


@pytest.fixture(scope="module")
def run() -> list[Entry]:
    with played(SHORT, 7, ROUGH) as hub:
        return hub.trail


@pytest.fixture(scope="module", params=[1.0, 0.6, 0.0], ids=["stored", "partly stored", "all in spools"])
def home(request: pytest.FixtureRequest, run: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("home")
    written(run, folder, request.param)
    return folder


@contextmanager
def history(home: Path) -> Iterator[History]:
    with closing(History.of(home)) as found:
        yield found


def test_all_of_it_is_decided_again_as_it_was(home: Path, run: list[Entry]) -> None:
    with history(home) as found:
        judged = list(rerun(found, core_of))

    assert [(one.difference, one.unknown) for one in judged if one.difference or one.unknown] == []
    assert sum(one.letters for one in judged) == sum(entry.kind == "heard" for entry in run)
    assert {(one.actor, one.incarnation) for one in judged} == {(entry.actor, entry.incarnation) for entry in run}


def test_the_state_of_an_actor_at_an_entry_is_what_its_facts_until_then_make(home: Path, run: list[Entry]) -> None:
    with history(home) as found:
        now = state_at(found, "router", core_of)
        core = core_of("alluse_hub.actors.router.actor.RouterActor")
        assert core is not None
        own = [entry for entry in run if entry.actor == "router"]
        settled = [entry for entry in own if entry.message == "RoundSettled"]

        assert now.through == own[-1].id
        assert now.state["round"] == settled[-1].body["round"]
        if not found.newest:
            return
        middle = own[len(own) // 3]
        past = state_at(found, "router", core_of, found.place_of(middle.id))

    facts = [entry for entry in own[: len(own) // 3 + 1] if entry.message in {kind.__name__ for kind in core.facts}]
    booted = [entry for entry in own[: len(own) // 3 + 1] if entry.message == "Booted"][-1]
    fresh = core.start("router", core.spec.model_validate(booted.body["spec"]))
    state = recovered(core, fresh, None, [(entry.message, shown(entry).body.encode()) for entry in facts])
    assert (past.through, past.facts, past.incarnation) == (middle.id, len(facts), booted.incarnation)
    assert past.state == snapshot_of(core, fresh, state).state


def test_only_what_is_within_the_bounds_is_run(run: list[Entry], tmp_path: Path) -> None:
    written(run, tmp_path, 1.0)
    with history(tmp_path) as found:
        actor, begun = next((entry.actor, entry.id) for entry in run if entry.incarnation == 3)
        third = found.place_of(begun)
        later = list(rerun(found, core_of, actor, Bounds(first=third)))
        earlier = list(rerun(found, core_of, actor, Bounds(last=third - 1)))
        told: list[tuple[str, int, int]] = []
        list(rerun(found, core_of, progress=lambda *word: told.append(word)))
        assert (found.place_before(1e9), found.place_before(2e9)) == (0, len(run))

    assert [one.incarnation for one in later][:2] in ([2, 3], [3, 4])
    assert [one.incarnation for one in earlier] == [1, 2]
    assert [read for _, _, read in told] == sorted(read for _, _, read in told)
    assert told[-1][2] == len(run)


# --- the commands ----------------------------------------------------------------------------------------------------


def say(home: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    status = main([*words, "--home", str(home), "--json"])
    out = capsys.readouterr()
    return status, json.loads(out.out or out.err)


def test_the_command_tells_that_nothing_differs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trail", "rerun", "--home", str(home), "--actor", "router"]) == failure.DONE
    assert "no decision differs" in capsys.readouterr().out

    status, doc = say(home, capsys, "trail", "rerun")
    assert (status, doc["schema"], doc["first"], doc["differences"], doc["unknown"]) == (
        failure.DONE, "alluse-hub/rerun", None, [], []
    )  # fmt: skip
    assert doc["judged"] == doc["letters"] > 1_000


def test_an_entry_that_was_altered_in_the_store_is_named_with_both_sides(
    run: list[Entry], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(run, tmp_path, 1.0)
    settled = [entry for entry in run if entry.message == "RoundSettled"][3]
    with closing(sqlite3.connect(tmp_path / "trail" / "trail.db")) as store, store:
        where = "WHERE actor = ? AND incarnation = ? AND n = ?"
        values = (settled.actor, settled.incarnation, settled.n)
        store.execute(f"UPDATE entries SET body = json_set(body, '$.sessions', 99) {where}", values)

    status, doc = say(tmp_path, capsys, "trail", "rerun")

    first = doc["first"]
    assert (status, first["entry"], first["why"]) == (
        failure.TRAIL_BROKEN, settled.id, "other than recorded: body"
    )  # fmt: skip
    assert (first["recorded"]["body"]["sessions"], first["decided"]["body"]) == (99, settled.body)
    assert main(["trail", "rerun", "--home", str(tmp_path)]) == failure.TRAIL_BROKEN
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.startswith(settled.id)).endswith("other than recorded: body")


def test_a_state_is_told_with_the_entry_it_is_complete_through(
    home: Path, run: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    status, doc = say(home, capsys, "trail", "state", "coordinator")

    assert (status, doc["schema"], doc["version"]) == (failure.DONE, "alluse-hub/state", 1)
    assert doc["through"] == [entry for entry in run if entry.actor == "coordinator"][-1].id
    assert main(["trail", "state", "ws3", "--home", str(home)]) == failure.DONE
    assert "facts since the beginning" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["state", "board"], failure.NOT_FOUND, "board keeps nothing over its death"),
        (["state", "nobody"], failure.NOT_FOUND, "nothing of 'nobody' was there then"),
        (["state", "ws3", "--at", "soon"], failure.USAGE, "--at 'soon' is no time"),
        (["state", "ws3", "--at", "ws3/9999/1"], failure.USAGE, "ws3/9999/1 is not in the store"),
        (["state", "ws3", "--at", "a/b/c"], failure.USAGE, "'a/b/c' is no entry"),
        (["rerun", "--actor", "nobody"], failure.NOT_FOUND, "nothing of 'nobody' is on record"),
    ],
)
def test_what_cannot_be_told_is_refused_in_words(
    words: list[str], status: int, said: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, doc = say(home, capsys, "trail", *words)

    assert found == status
    assert said in doc["message"]


def test_without_a_trail_there_is_nothing_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(tmp_path, capsys, "trail", "rerun")[0] == failure.NOT_FOUND


def test_a_trail_of_before_specifications_were_recorded_is_not_judged(hub: SmallHub) -> None:
    old = b'{"pid":1,"start_ticks":1,"parent":"hub","version":"0.0.9"}'
    began = b'{"incarnation":1,"recovered":0}'
    hub.say("ws1", Frame(EntryKind.FACT, "Booted", old), Frame(EntryKind.HEARD, "Started", began, "ws1"))

    with history(hub.home) as found:
        [judgement] = rerun(found, core_of)
        with pytest.raises(CallerError, match="did not record its specification"):
            state_at(found, "ws1", core_of)

    assert judgement.unknown == "it was recorded before specifications were"


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_what_a_program_gets_in_its_environment_is_in_no_entry_and_changes_no_decision(tmp_path: Path) -> None:
    with TestHub(SECRET) as hub:
        hub.run_sessions(3)
        hub.crash("ws5")
        hub.run_sessions(3)
        trail = hub.trail
    written(trail, tmp_path, 1.0)

    with history(tmp_path) as found:
        judged = list(rerun(found, core_of))
        past = state_at(found, "ws5", core_of)

    assert [one for one in judged if one.difference or one.unknown] == []
    assert isinstance(past, Past)
    assert not any("hunter2" in entry.model_dump_json() for entry in trail)
    assert past.state["spec"]["env"] == {"KEY": "***"}  # type: ignore[index, call-overload]  # JSON


def test_a_fact_that_nobody_decided_is_in_the_state_and_the_replay_says_so(run: list[Entry], tmp_path: Path) -> None:
    written(run, tmp_path, 1.0)
    booted = [shown(entry) for entry in run if entry.actor == "router" and entry.message == "Booted"][-1]
    spool = Spool.open(tmp_path / "trail" / "spool", "router")
    paused = FlowPaused(flow="ws3-ws4").model_dump_json().encode()
    frames = [("Booted", booted.body.encode()), ("FlowPaused", paused)]
    spool.write([Frame(EntryKind.FACT, message, body) for message, body in frames], 1.0, 2.0)
    spool.close()

    with history(tmp_path) as found:
        before = found.place_of([entry.id for entry in run if entry.actor == "router"][-1])
        assert state_at(found, "router", core_of, before).state["paused"] == []
        assert state_at(found, "router", core_of).state["paused"] == ["ws3-ws4"]
        differs = [one.difference for one in rerun(found, core_of, "router") if one.difference]

    assert [(one.entry, one.why) for one in differs] == [
        (f"router/{spool.incarnation}/2", "nothing that was decided leads to it")
    ]
