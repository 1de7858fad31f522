"""Somebody's data in a real hub: sealed from the first byte on, opened by the keys, erased, and nowhere left."""

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from alluse_hub.actors.auditor import query
from alluse_hub.cli import failure
from alluse_hub.cli.main import main
from tests.live.daemons import eventually
from tests.live.hubs import Hub, Said, serving

FREE, BOUND, SECRET = "ACC-free-7161", "ACC-bound-9302", "hunter2-seeded-secret"

CONFIG = """
[hub]
reference = false

[trail]
personal = [
  { event = "order_filled", field = "account", subject = "account", duty = false },
  { event = "order_booked", field = "client.account", subject = "client.account" },
  { event = "order_booked", field = "client.name", subject = "client.account" },
]

[[workstream]]
id = "ws6"
name = "Sixth"
program = ["{python}", "PROGRAM"]
heartbeat_timeout_s = 600.0
env = { BROKER_TOKEN = "SECRET" }

[[workstream]]
id = "ws7"
name = "Seventh"
program = ["{python}", "READER"]
heartbeat_timeout_s = 600.0

[[flow]]
source = "ws6"
target = "ws7"
events = ["order_filled", "order_booked"]
"""

LINES = """
import json, sys
seq = 0
def line(kind, **body):
    global seq
    seq += 1
    sys.stdout.write(json.dumps({"ws": "WS", "seq": seq, "t": 0.1 * seq, "kind": kind, **body}) + "\\n")
    sys.stdout.flush()
line("hello", name="x", version="1", pid=__import__("os").getpid())
"""

PROGRAM = f"""
line("event", n=1, event="order_filled", payload={{"account": "{FREE}", "quantity": 3}})
line("event", n=2, event="order_booked", payload={{"client": {{"account": "{BOUND}", "name": "Ada {BOUND}"}}}})
sys.stdout.write('{{"account": "{FREE}"}}\\n')
line("event", n=3, event="quiet", payload={{"quantity": 4}})
"""

ANSWERS = """
for text in sys.stdin:
    line("reply", id=json.loads(text)["id"], ok=True)
"""


def files_with(home: Path, *texts: str) -> list[str]:
    """Every file below with one of these in it, whatever it is."""
    files = (path for path in home.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted({path.name for path in files for text in texts if text.encode() in path.read_bytes()})


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    folder = tmp_path / "sealed"
    folder.mkdir()
    programs = folder / "program.py", folder / "reader.py"
    for path, name, rest in zip(programs, ("ws6", "ws7"), (PROGRAM, ""), strict=True):
        path.write_text(LINES.replace("WS", name) + rest + ANSWERS, encoding="utf-8")
    config = folder / "hub.toml"  # outside the home, since it has the secret
    text = CONFIG.replace("PROGRAM", str(programs[0])).replace("READER", str(programs[1])).replace("SECRET", SECRET)
    config.write_text(text, encoding="utf-8")
    home = folder / "hub"
    home.mkdir(mode=0o700)
    with serving(home, "--config", str(config)) as hub:
        eventually(lambda: len(events(hub)) >= 3, "three events")
        yield hub


def run(hub: Hub, *words: str) -> Said:
    """In this process: two dozen commands in processes of their own would take most of the test."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([*words, "--home", str(hub.home)])
    return Said(status, out.getvalue(), err.getvalue())


def events(hub: Hub, *words: str) -> list[str]:
    return run(hub, "events", "-n", "100", *words).out.splitlines()


def erase(hub: Hub, subject: str, *words: str) -> Said:
    config = str(hub.home.parent / "hub.toml")
    return run(
        hub, "trail", "erase", subject, "--config", config, "--who", "Eve", "--reason", "asked by letter", *words
    )


def test_somebodys_data_is_sealed_from_the_first_byte_opened_by_the_keys_erased_and_nowhere_left(
    hub: Hub, tmp_path: Path
) -> None:
    is_on_no_disk_and_is_opened_by_the_keys(hub)
    who_must_be_kept_is_not_erased(hub)
    who_need_not_be_is_nowhere_afterwards(hub, tmp_path)


def is_on_no_disk_and_is_opened_by_the_keys(hub: Hub) -> None:
    assert files_with(hub.home, FREE, BOUND, SECRET) == []
    entry = json.loads(events(hub, "--json")[0])["entry"]
    assert "(sealed: subject " in run(hub, "trail", "show", entry).out
    assert FREE in run(hub, "trail", "show", entry, "--open").out
    closed, opened = ("\n".join(events(hub, "--json", *words)) for words in ((), ("--open",)))
    assert (closed.count('{"sealed": '), FREE in closed, BOUND in closed) == (3, False, False)
    assert ('{"sealed": ' in opened, FREE in opened, f"Ada {BOUND}" in opened) == (False, True, True)
    fact = query.facts_of(hub.home, "keeper", frozenset({"SealedOpened"}))[-1][1]
    assert b'"fields":3' in fact

    hub.daemon.await_replaced(hub.daemon.kill("ws6"))
    hub.daemon.await_replaced(hub.daemon.kill("router"))
    eventually(lambda: "ws6" in run(hub, "status").out, "an answer")

    assert files_with(hub.home, FREE, BOUND, SECRET) == []
    for words in (
        ("status",),
        ("status", "ws6"),
        ("tree",),
        ("trail", "tail", "-n", "1000"),
        ("trail", "state", "ws6"),
    ):
        said = run(hub, *words, "--json")
        assert said.status == failure.DONE, said.err
        assert [text for text in (FREE, BOUND, SECRET) if text in said.out] == [], words
    assert SECRET not in hub.daemon.output()
    rerun = run(hub, "trail", "rerun", "--json").document
    assert (rerun["differences"], rerun["unknown"]) == ([], [])


def who_must_be_kept_is_not_erased(hub: Hub) -> None:
    refused = erase(hub, BOUND)
    assert refused.status == failure.CONFLICT
    assert "possible from 20" in refused.err
    assert erase(hub, FREE, "--dry-run").out.endswith("nothing was changed\n")
    held = run(hub, "trail", "hold", "place", "--owner", "Eve", "--reason", "a case", "--workstream", "ws6")
    assert "is under legal hold" in erase(hub, FREE).err
    (hold,) = run(hub, "trail", "hold", "list", "--json").document["holds"]
    assert run(hub, "trail", "hold", "lift", hold["id"], "--reason", "closed").status == failure.DONE, held.out


def who_need_not_be_is_nowhere_afterwards(hub: Hub, tmp_path: Path) -> None:
    done = erase(hub, FREE)

    assert done.status == failure.DONE, done.err
    opened = "\n".join(events(hub, "--json", "--open"))
    assert (FREE in opened, "(erased: subject " in opened, f"Ada {BOUND}" in opened) == (False, True, True)
    (fact,) = query.facts_of(hub.home, "keeper", frozenset({"SubjectErased"}))
    assert (b'"by":"Eve"' in fact[1], FREE.encode() in fact[1]) == (True, False)
    assert run(hub, "trail", "keys", "rotate").status == failure.DONE
    assert f"Ada {BOUND}" in "\n".join(events(hub, "--json", "--open"))

    for actor in ("ws6", "router", "coordinator", "auditor"):
        hub.daemon.await_replaced(hub.daemon.kill(actor))
    copy = tmp_path / "copy"
    eventually(lambda: run(hub, "trail", "backup", str(copy)).status == failure.DONE, "a backup")
    out = tmp_path / "out"
    assert run(hub, "trail", "export", str(out), "--actor", "ws6", "--after", "0").status == failure.DONE
    for folder in (hub.home, copy, out):
        assert files_with(folder, FREE, BOUND, SECRET) == []
        assert run(hub, "trail", "verify", str(folder)).status == failure.DONE
    found = run(hub, "trail", "rerun", "--json").document
    assert found["differences"] == []
    assert {one["actor"] for one in found["unknown"]} >= {"ws6"}
