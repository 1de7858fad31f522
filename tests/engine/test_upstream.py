"""Thespian's own test suite on our base: a slice of it in every run, all of it in the deep one."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SLICES = [
    [f"test_{subject}.py" for subject in subjects]
    for subjects in (
        ("actors", "badStartupMessage", "badmessage"),
        ("createActor", "actorAddressPassing", "actorSignals", "bigmessages"),
        (
            "commonCapabilities", "generators", "globalName", "load", "poisonMessage", "simpleActor", "stats",
            "systemMessages",
        ),
    )
]  # fmt: skip
"""The files that neither wait for timeouts nor need a second actor system, in parts of equal length."""

SLICE_TESTS = 120
SUITE_TESTS = 527
"""How many tests of Thespian 4.0.1 run on our base."""

PATIENCE_S = 600.0
DEEP_PATIENCE_S = 3600.0


def ran(arguments: list[str], scratch: Path, patience_s: float) -> int:
    """How many tests ran without a surprise."""
    environment = os.environ | {"THESPLOG_FILE": str(scratch / "thespian.log"), "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "tests.engine.upstream", "-q", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=patience_s, check=False
    )
    tally = re.search(r"^ran (\d+), surprises 0$", done.stdout, re.MULTILINE)
    assert tally, f"{done.stdout[-8000:]}\n{done.stderr[-2000:]}"
    return int(tally.group(1))


def test_a_slice_of_thespians_own_suite_passes(tmp_path: Path) -> None:
    """Its parts at once, for they mostly wait."""
    with ThreadPoolExecutor(len(SLICES)) as threads:
        counts = list(threads.map(lambda files: ran(files, tmp_path, PATIENCE_S), SLICES))

    assert sum(counts) == SLICE_TESTS


@pytest.mark.deep
def test_all_of_thespians_own_suite_passes_but_for_what_is_listed(tmp_path: Path) -> None:
    assert ran([], tmp_path, DEEP_PATIENCE_S) == SUITE_TESTS
