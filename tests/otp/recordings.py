"""The recorded scenarios and traces, one of each in a line; see data/README.md."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from tests.otp.scenario import Scenario, parsed

DATA = Path(__file__).parent / "data"


@cache
def scenarios() -> dict[str, Scenario]:
    lines = (DATA / "scenarios.jsonl").read_text(encoding="utf-8").splitlines()
    return {scenario.name: scenario for scenario in map(parsed, lines)}


@cache
def traces() -> dict[str, Any]:
    lines = (DATA / "traces.jsonl").read_text(encoding="utf-8").splitlines()
    return {trace["scenario"]: trace for trace in map(json.loads, lines)}
