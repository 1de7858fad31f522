"""Cells on real processes: many monitors in one, which come and go together and harm nobody else."""

import json
from pathlib import Path
from typing import Any

from alluse_hub.actors.auditor import query
from alluse_hub.supervision import processes, spool
from alluse_hub.supervision.spool import SpoolEntry, SpoolName
from tests.live.daemons import eventually, running
from tests.live.hubs import (
    PACE,
    SPAN,
    SPARE_INTENSITY,
    Hub,
    configured,
    digest_of,
    kill_each_and_then_all,
    replay,
    running_programs,
    serving,
    whole,
)
from tests.live.toy_cell import CRIER, CROWD, WORDS, fuse

TOY = ("-m", "tests.live.toy_cell")

COUNT = 12
EACH = 5
CELLS = {f"cell-{k + 1}": [f"t{n + 1}" for n in range(COUNT) if n // EACH == k] for k in range(3)}
EVERYBODY = [name for names in CELLS.values() for name in names]

PROGRAM = """
import json, os, select, sys, time
ws, began, seq, n, told, heartbeat = sys.argv[1], time.monotonic(), 0, 0, 0.0, 0.0
def say(kind, **more):
    global seq
    seq += 1
    line = {"ws": ws, "seq": seq, "t": time.monotonic() - began, "kind": kind, **more}
    os.write(1, json.dumps(line).encode() + b"\\n")
say("hello", name=ws, version="1", pid=os.getpid())
while True:
    now = time.monotonic()
    if now - heartbeat > 1.0:
        heartbeat = now
        say("heartbeat")
    if now - told > 0.2:
        told, n = now, n + 1
        say("event", n=n, event="tick", payload={"n": n})
    if select.select([0], [], [], 0.2)[0] and not os.read(0, 65536):
        sys.exit()
"""
"""Says an event five times a second and is never asked anything."""

WORKSTREAM = """
[[workstream]]
id = "{name}"
name = "Toy"
program = ["{{python}}", "-S", "-I", "{{home}}/toy.py", "{name}"]
heartbeat_timeout_s = 60.0
start_timeout_s = 60.0
"""


def crowd(folder: Path) -> Path:
    head = f'[hub]\nreference = false\nbase = "engine"\nmonitors_per_process = {EACH}\n'
    home = configured(folder, head + "".join(WORKSTREAM.format(name=name) for name in EVERYBODY))
    (home / "toy.py").write_text(PROGRAM, encoding="utf-8")
    return home


def tree(hub: Hub) -> dict[str, Any]:  # JSON
    """Cells and monitors by name, as the board shows them."""
    (workstreams,) = (child for child in hub.ask("tree")["tree"]["children"] if child["name"] == "workstreams")
    shown: dict[str, Any] = {cell["name"]: cell for cell in workstreams["children"]}
    return shown | {each["name"]: each for cell in workstreams["children"] for each in cell["children"]}


def heard(hub: Hub, name: str) -> list[int]:
    """Numbers of the events of a workstream, as they stand in the trail."""
    facts = query.facts_of(hub.home, name, frozenset({"EventHeard"}))
    return [json.loads(body)["event"]["payload"]["n"] for _, body in facts]


def more_events(hub: Hub, names: list[str]) -> None:
    """Proof of life: of each of them something new is heard."""
    before = {name: len(heard(hub, name)) for name in names}
    eventually(lambda: all(len(heard(hub, name)) > before[name] for name in names), f"events of {', '.join(names)}")


def test_a_killed_cell_is_back_with_all_who_live_in_it_and_neither_programs_nor_others_notice(tmp_path: Path) -> None:
    with serving(crowd(tmp_path)) as hub:
        programs = {name: hub.program(name).pid for name in EVERYBODY}
        more_events(hub, EVERYBODY)
        before = tree(hub)
        assert {cell: [each["name"] for each in before[cell]["children"]] for cell in CELLS} == CELLS
        assert {before[name]["pid"] for name in EVERYBODY} == {hub.daemon.pid(cell) for cell in CELLS}

        hub.daemon.await_replaced(hub.daemon.kill("cell-2"))
        more_events(hub, EVERYBODY)

        eventually(
            lambda: all(tree(hub)[name]["state"] == "ready" for name in (*CELLS, *EVERYBODY)), "all are up again"
        )
        after = tree(hub)
        for cell, names in CELLS.items():
            lives = 2 if cell == "cell-2" else 1
            assert [after[name]["incarnation"] for name in (cell, *names)] == [lives] * (1 + len(names))
            assert (after[cell]["pid"] == before[cell]["pid"]) == (lives == 1)
        assert {name: hub.program(name).pid for name in EVERYBODY} == programs
        for name in EVERYBODY:
            numbers = heard(hub, name)
            assert numbers == list(range(1, len(numbers) + 1)), name
        assert hub.ask("check")["whole"] is True


def test_orders_reach_programs_and_cells_and_the_end_leaves_nothing(tmp_path: Path) -> None:
    with serving(crowd(tmp_path)) as hub:
        programs = {name: hub.program(name).pid for name in EVERYBODY}

        refused = hub.run("restart", "t3", "--monitor", "--json")
        assert refused.status == 7
        assert "the monitor of t3 lives in cell-1" in refused.refusal["message"]
        assert hub.run("restart", "t3").status == 0
        assert hub.run("restart", "cell-1").out.strip() == "cell-1 is up"

        eventually(lambda: tree(hub)["cell-1"]["incarnation"] == 2, "the board knows of the new life")
        after = {name: hub.program(name).pid for name in EVERYBODY}
        assert [name for name in EVERYBODY if after[name] != programs[name]] == ["t3"]
        more_events(hub, CELLS["cell-1"])

        everybody = processes.entered(hub.home)
        assert hub.daemon.end() == 0
        assert [process.name for process in everybody if processes.is_alive(process)] == []
        assert "ended: " not in hub.daemon.output()  # nobody had to be killed
        assert running_programs(hub.home) == []


def test_the_shipped_workstreams_say_and_decide_the_same_in_cells_whatever_dies(tmp_path: Path) -> None:
    calm = digest_of(replay(*SPAN))
    head = '[hub]\nbase = "engine"\nmonitors_per_process = 2\n'
    with serving(configured(tmp_path, head + replay(*SPAN, speed=PACE) + SPARE_INTENSITY)) as hub:
        hub.reach(2)
        programs = hub.programs()
        kill_each_and_then_all(hub, CELLS)

        assert hub.finish() == calm
        assert hub.programs() == programs
        whole(hub)


# --- a resident that raises -------------------------------------------------------------------------------------------


def entries(home: Path, actor: str, incarnation: int = 1) -> list[SpoolEntry]:
    return spool.read(home / "trail" / "spool" / str(SpoolName(actor, incarnation))).entries


def lives(home: Path, names: str) -> list[int]:
    return [spool.latest_incarnation(home / "trail" / "spool", name) for name in names]


def test_a_resident_that_raises_takes_its_cell_down_which_is_started_again_as_one(tmp_path: Path) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home), "few") as daemon:
        others = {name: daemon.pid(name) for name in ("cell-2", "e")}
        cell = daemon.actor("cell-1")
        assert cell is not None

        fuse(home, "b").write_text("raise", encoding="ascii")
        daemon.await_replaced(cell)

        eventually(lambda: lives(home, "abcde") == [2, 2, 2, 1, 1], "all of the cell have begun a new life")
        eventually(lambda: "Woken" in [entry.message for entry in entries(home, "c", 2)], "time goes on for them")
        assert {name: daemon.pid(name) for name in others} == others
        assert entries(home, "b")[-1].message == "Failed"
        assert "told to" in entries(home, "b")[-1].body
        assert [entry.message for entry in entries(home, "a")].count("Failed") == 0
        (ended,) = (entry for entry in entries(home, "hub") if entry.message == "ChildEnded")
        assert json.loads(ended.body)["cause"] == "error: b ended: error: RuntimeError: told to"
        assert [entry.message for entry in entries(home, "cell-1")][-1] == "TreeShown"
        assert daemon.process.poll() is None


def letters(home: Path, actor: str) -> int:
    return sum(entry.message == "FlowPaused" and entry.kind == "heard" for entry in entries(home, actor))


def test_a_full_cell_and_those_who_write_to_all_of_it_at_once_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """On the stock base, which takes no more connections while its queue is too long."""
    home = tmp_path / "hub"
    with running(home, *TOY, str(home), "crowd"):
        eventually(lambda: letters(home, CRIER) == WORDS * len(CROWD), "the crier has heard all")
        eventually(lambda: all(letters(home, name) == WORDS for name in CROWD), "all have heard the crier")
