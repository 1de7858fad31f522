"""``python -m tests.otp SCENARIOS_DIR OUT_DIR``: run each scenario and write its trace under the same file name.

What is wrong with a scenario is said, the others go on, and the exit status is 1.
"""

import json
import sys
from pathlib import Path

from tests.otp.runner import trace_of
from tests.otp.scenario import ScenarioError, load

USAGE = "usage: python -m tests.otp SCENARIOS_DIR OUT_DIR"


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(USAGE, file=sys.stderr)
        return 2
    scenarios, out = map(Path, arguments)
    if not scenarios.is_dir():
        print(f"{scenarios} is no folder", file=sys.stderr)
        return 2
    out.mkdir(parents=True, exist_ok=True)
    paths = sorted(scenarios.glob("*.json"))
    failed = 0
    for path in paths:
        try:
            trace = trace_of(load(path))
        except (ScenarioError, OSError) as error:
            failed += 1
            print(f"{path.name}: {error}", file=sys.stderr)
        else:
            (out / path.name).write_text(json.dumps(trace, indent=1) + "\n", encoding="utf-8")
    print(f"{len(paths) - failed} traces written to {out}, {failed} scenarios at fault")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
