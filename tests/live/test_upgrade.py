"""Upgrades and downgrades of a running hub: another version of the code takes over the programs of the one before."""

import shutil
import signal
from pathlib import Path

import pytest

from alluse_hub import __version__
from alluse_hub.cli import failure
from alluse_hub.supervision import processes
from tests.live.daemons import HOUSE, PATIENCE_S, start
from tests.live.hubs import Hub, configured, digest_of, replay, serving, whole

SPAN = replay("2007-10-15", "2007-10-26", speed=12.0)
"""10 sessions, paced so that every change of version falls into the replay."""

NEWER = "0.99.0"


@pytest.fixture(scope="module")
def calm_digest() -> str:
    """Of the same span in a hub that nobody touches."""
    return digest_of(SPAN)


def another_version(folder: Path, *changes: tuple[str, str, str]) -> Path:
    """The whole package in a folder of its own, with another version number and these changes: file, old text, new."""
    house = folder / "newer"
    for name in ("actors", "supervision", "protocols", "alluse_hub"):
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(HOUSE / name, house / name, symlinks=True, ignore=unwanted)
    shutil.copy(HOUSE / "run.py", house)
    version = ("alluse_hub/__init__.py", f'__version__ = "{__version__}"', f'__version__ = "{NEWER}"')
    for file, old, new in (version, *changes):
        path = house / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} has changed: {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")
    return house


def keep_and_end(hub: Hub) -> dict[str, int]:
    """As one does before an upgrade; the pids of the programs, which go on."""
    programs = hub.programs()
    assert hub.daemon.end(signal.SIGUSR1) == 0
    return programs


def versions(hub: Hub, actor: str) -> list[str]:
    entries = hub.ask("trail", messages=["Booted"], kind="fact", limit=1_000)["entries"]
    return [entry["body"]["version"] for entry in entries if entry["actor"] == actor]


def test_a_newer_version_takes_over_the_running_programs_and_the_older_is_then_refused(
    tmp_path: Path, calm_digest: str
) -> None:
    heard = ("protocols/flow.py", "    event: Event\n\n\nclass", '    event: Event\n    way: str = "direct"\n\n\nclass')
    house = another_version(tmp_path, heard)
    home = configured(tmp_path, SPAN)
    with serving(home) as older:
        older.reach(3)
        programs = keep_and_end(older)
        with serving(home, house=house) as newer:
            assert newer.programs() == programs
            newer.reach(5)
            digest = newer.finish()

            assert newer.programs() == programs
            assert digest == calm_digest
            assert versions(newer, "ws3") == [__version__, NEWER]
            whole(newer)
            keep_and_end(newer)

            refused = start(home, "run.py", "serve", "--home", str(home))
            assert refused.process.wait(PATIENCE_S) == failure.CONFLICT
            said = refused.output()
            assert "EventHeard.way" in said
            assert f"start version {NEWER} or later" in said
            assert [name for name, pid in programs.items() if not processes.start_ticks(pid)] == []


@pytest.mark.deep
def test_an_older_version_that_can_read_the_trail_takes_over_as_well(tmp_path: Path, calm_digest: str) -> None:
    house = another_version(tmp_path)
    home = configured(tmp_path, SPAN)
    with serving(home, house=house) as newer:
        newer.reach(3)
        programs = keep_and_end(newer)
        with serving(home) as older:
            assert older.programs() == programs
            assert older.finish() == calm_digest
            assert versions(older, "ws3") == [NEWER, __version__]
            whole(older)


@pytest.mark.deep
def test_a_program_behind_a_shim_that_is_not_understood_is_ended_in_order_and_started_anew(
    tmp_path: Path, calm_digest: str
) -> None:
    number = int((HOUSE / "actors/monitor/shim/main.py").read_text().partition("\nPROTOCOL = ")[2].split("\n")[0])
    spoken = (HOUSE / "actors/monitor/link.py").read_text().partition("\nSPOKEN = ")[2].split("\n")[0]
    house = another_version(
        tmp_path,
        ("actors/monitor/shim/main.py", f"\nPROTOCOL = {number}\n", f"\nPROTOCOL = {number + 1}\n"),
        ("actors/monitor/link.py", f"\nSPOKEN = {spoken}\n", f"\nSPOKEN = frozenset({{{number + 1}}})\n"),
    )
    home = configured(tmp_path, SPAN)
    with serving(home) as older:
        older.reach(3)
        programs = keep_and_end(older)
        with serving(home, house=house) as newer:
            assert set(newer.programs().values()).isdisjoint(programs.values())
            assert newer.finish() == calm_digest
            told = newer.ask("trail", messages=["ShimReplaced"], kind="fact", limit=100)["entries"]
            assert {entry["body"]["workstream"]: entry["body"]["pid"] for entry in told} == programs
            ends = newer.ask("trail", messages=["Overran"], kind="fact", limit=100)["entries"]
            assert ends == []  # each ended by itself when its input did
            whole(newer)
