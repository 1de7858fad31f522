"""Bad input: a clear error that names the place and the remedy, and nobody else is hurt."""

import gzip
import sys
from pathlib import Path

import pytest

from tests.live.daemons import eventually
from tests.live.hubs import Hub, configured, control, replay, running_programs, serving

SLOWLY = replay("2004-08-02", "2013-03-01", speed=10.0)
SOON = "restart = { restarts = 2, period_s = 60.0 }\n"
"""The pauses between restarts grow; what is tried here is what is said at the end."""

PROGRAM = f"""
[[workstream]]
id = "ws6"
name = "Sixth"
program = ["{sys.executable}", "{{home}}/program.py"]
heartbeat_timeout_s = 60.0
start_timeout_s = 60.0
{SOON}"""
HEAD = """
import json, sys, time
out = sys.stdout.buffer
seq = 0
def line(kind, **body):
    global seq
    seq += 1
    out.write(json.dumps({"ws": "ws6", "seq": seq, "t": 0.1 * seq, "kind": kind, **body}).encode() + b"\\n")
    out.flush()
def raw(data):
    out.write(data + b"\\n")
    out.flush()
line("hello", name="Sixth", version="1", pid=__import__("os").getpid())
line("event", n=1, event="before")
"""
TAIL = """
line("event", n=2, event="after")
for text in sys.stdin:
    line("reply", id=json.loads(text)["id"], ok=True)
"""


CYCLE = """
[[workstream]]
id = "wa"
name = "A"
program = ["sh"]
depends_on = ["wb"]

[[workstream]]
id = "wb"
name = "B"
program = ["sh"]
depends_on = ["wa"]
"""


# --- told before anything is started ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "place", "remedy"),
    [
        ("[replay\nspeed = 1.0\n", "hub.toml:1", "mend the line"),
        ("[replay]\nsped = 1.0\n", "hub.toml:2", "speed"),
        ("[repaly]\nspeed = 1.0\n", "hub.toml:1", "replay"),
        ('[replay]\nspeed = "fast"\n', "hub.toml:2", "number"),
        ("[replay]\nfrom = 2010-01-01\nto = 2009-01-01\n", "hub.toml", "to"),
        (
            CYCLE,
            "wa",
            "depends_on",
        ),
        (
            '[[workstream]]\nid = "ws6"\nname = "S"\nprogram = ["/nowhere/program"]\n',
            "ws6",
            "a program that can be run",
        ),
        ('[[workstream]]\nid = "ws6"\nname = "S"\nprogram = ["no-such-word-in-path"]\n', "ws6", "PATH"),
    ],
    ids=["broken", "key", "table", "type", "dates", "cycle", "program", "path"],
)
def test_a_wrong_configuration_is_told_with_its_place_and_remedy(
    tmp_path: Path, config: str, place: str, remedy: str
) -> None:
    home = configured(tmp_path, config)

    served, checked = control(home, "serve"), control(home, "config", "check", "--json")

    assert (served.status, checked.status) == (2, 2)
    assert place in served.err
    assert remedy in served.err
    assert "Traceback" not in served.err
    assert checked.document["ok"] is False
    assert not (home / "run").exists()


def test_a_home_below_a_regular_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")

    said = control(tmp_path / "file" / "hub", "serve", "--json")

    assert said.status == 1
    assert f"{tmp_path / 'file'} is a file" in said.refusal["message"]
    assert "choose another --home" in said.refusal["hint"]


def test_a_home_that_is_a_regular_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")

    said = control(tmp_path / "file", "serve", "--json")

    assert said.status == 1
    assert str(tmp_path / "file") in said.refusal["message"]


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = control(tmp_path / "hub", "serve", "--config", str(tmp_path / "none.toml"))

    assert said.status == 2
    assert "none.toml" in said.err
    assert "cannot be read" in said.err


# --- from a program --------------------------------------------------------------------------------------------------


def with_program(folder: Path, text: str) -> Path:
    home = configured(folder, SLOWLY + PROGRAM)
    (home / "program.py").write_text(text, encoding="utf-8")
    return home


def refusals(hub: Hub) -> list[str]:
    page = hub.ask("trail", messages=["LineRefused"], kind="fact", limit=1_000)
    return [entry["body"]["why"] for entry in page["entries"]]


def told_by_the_sixth(hub: Hub) -> list[str]:
    return [event["event"] for event in hub.ask("events", source="ws6", limit=100)["events"]]


def starts_of(hub: Hub, *names: str) -> set[int]:
    """As the board knows them: it hears of a start a little later."""
    return {hub.workstream(name)["program_starts"] for name in names}


def the_others_go_on(hub: Hub) -> None:
    sessions = hub.sessions
    eventually(lambda: hub.sessions > sessions, "the replay goes on")
    eventually(lambda: starts_of(hub, "ws1", "ws3", "ws4") == {1}, "they were started once, and the board knows")
    assert hub.ask("check")["whole"] is True


def test_what_a_program_should_not_say_is_refused_and_what_it_says_else_is_heard(tmp_path: Path) -> None:
    """Garbage, invalid UTF-8 and a line of ten megabytes, in one breath with what is right."""
    bad = HEAD + "raw(b'this is no JSON')\nraw(b'\\xff\\xfe\\x00 no UTF-8')\nraw(b'x' * 10_000_000)\n" + TAIL
    with serving(with_program(tmp_path, bad)) as hub:
        eventually(lambda: told_by_the_sixth(hub) == ["before", "after"], "both events are heard")

        whys = refusals(hub)
        assert any("not JSON" in why for why in whys)
        assert any("a line of 10000000 bytes; the limit is 1000000" in why for why in whys)
        assert len(whys) == 3
        eventually(lambda: starts_of(hub, "ws6") == {1}, "it was started once, and the board knows")
        the_others_go_on(hub)


def test_a_program_that_says_nothing_but_garbage_is_given_up_and_said_so(tmp_path: Path) -> None:
    bad = "import sys\nfor _ in range(200):\n    print('garbage ' * 100)\nsys.exit(3)\n"
    with serving(with_program(tmp_path, bad)) as hub:
        eventually(lambda: hub.workstream("ws6")["status"] == "parked", "it is parked")

        assert hub.workstream("ws6")["why"] == "more than 2 restarts within 60 s; the last end: exit status 3"
        assert hub.ask("status")["hub"]["status"] != "healthy"
        the_others_go_on(hub)


def test_a_program_that_goes_away_is_told_where_it_was_configured(tmp_path: Path) -> None:
    sixth = '[[workstream]]\nid = "ws6"\nname = "Sixth"\nprogram = ["{home}/gone"]\n'
    home = configured(tmp_path, SLOWLY + sixth + SOON)
    (home / "gone").symlink_to(sys.executable)
    with serving(home) as hub:
        (home / "gone").unlink()
        hub.run("restart", "ws6", "--timeout", "20")
        eventually(lambda: "gone" in str(hub.workstream("ws6")["why"]), "it is told which program cannot be started")
        the_others_go_on(hub)


def test_a_damaged_data_file_is_named_with_its_remedy_and_stops_ws3_only(tmp_path: Path) -> None:
    data = tmp_path / "damaged.csv.gz"
    data.write_bytes(gzip.compress(b"this is no market data\n" * 1_000)[:-200])
    config = f"""{SLOWLY}
[[workstream]]
id = "ws3"
name = "Market Intelligence"
program = ["{{python}}", "-m", "alluse_hub.actors.workstreams.ws3", "--state", "{{state}}", "--data", "{data}"]
lockstep = true
{SOON}"""
    with serving(configured(tmp_path, config)) as hub:
        eventually(lambda: hub.workstream("ws3")["status"] == "parked", "ws3 is parked")

        log = (hub.home / "log" / "ws3.log").read_text(encoding="utf-8")
        assert str(data) in log
        assert "Traceback" not in log
        assert str(data) in hub.workstream("ws3")["why"]
        others = ("ws1", "ws2", "ws4", "ws5")
        eventually(lambda: starts_of(hub, *others) == {1}, "the others were started once, and the board knows")
        assert all(hub.workstream(name)["pid"] > 0 for name in others)
        assert hub.run("status").status == 0
        assert hub.ask("check")["whole"] is True
    assert running_programs(hub.home) == []
