"""The benchmarks' command: ``python -m tests.benchmarks --help``, from the folder that holds ``tests``."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from alluse_hub.supervision import processes
from tests.benchmarks import report
from tests.benchmarks.bases import BASES
from tests.benchmarks.catalog import BENCHMARKS, BY_NAME, Benchmark
from tests.benchmarks.figures import Figure
from tests.benchmarks.isolation import BenchmarkError, end_descendants

INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Figures of the hub, each beside a floor measured in the same run.",
        epilog=f"benchmarks: {', '.join(BY_NAME)}",
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="which to run; default: all")
    made.add_argument("--quick", action="store_true", help="smallest sizes: does it work?  No figures to quote")
    made.add_argument(
        "--base", action="append", choices=BASES, help="only on this one, where a base takes part; default: on all"
    )
    made.add_argument(
        "--size",
        action="append",
        default=[],
        type=_size,
        metavar="NAME=N",
        help="another size, such as seconds=5, of those benchmarks that have one of this name",
    )
    made.add_argument("--pin", action="store_true", help="everything on one core")
    shape = made.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one JSON document, with every reading")
    shape.add_argument("--markdown", action="store_true", help="rows for the table of README.md")
    made.add_argument(
        "--read",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="add figures that --json wrote; run only NAMEs",
    )
    return made


def _size(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value) if "." in value else int(value)


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    if unknown := [name for name in options.names if name not in BY_NAME]:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are: {', '.join(BY_NAME)}\n")
        return 2
    of = report.machine()
    figures: list[Figure] = []
    for path in options.read:
        kept, of = report.read(path)
        figures += kept
    chosen = [BY_NAME[name] for name in options.names] if options.names or options.read else list(BENCHMARKS)
    status = 0
    try:
        for benchmark in chosen:
            for base in _bases_of(benchmark, options.base):
                try:
                    figures += _measure(benchmark, base, options)
                except BenchmarkError as error:
                    sys.stderr.write(f"{benchmark.name} failed:\n{error}\n")
                    status = 1
    except KeyboardInterrupt:
        if not figures:
            raise
        sys.stderr.write("interrupted; everything that was started is ended, and what was measured before follows\n")
        status = INTERRUPTED
    if options.json:
        print(report.as_json(figures, of))
    elif options.markdown:
        print(report.markdown(figures, of))
    else:
        print(", ".join(f"{key} {value}" for key, value in of.items()))
        print("\n".join(report.text(figure, figures) for figure in figures))
    sys.stdout.flush()
    return status


def _bases_of(benchmark: Benchmark, asked: list[str] | None) -> list[str]:
    """Those that it can be run on, of those asked for; what it leaves out is told with the reason."""
    for base, why in benchmark.without.items():
        if base in (asked or BASES):
            sys.stderr.write(f"{benchmark.name} leaves {base} out: {why}\n")
    return [base for base in benchmark.bases if not base or base in (asked or BASES)]


def _measure(benchmark: Benchmark, base: str, options: argparse.Namespace) -> list[Figure]:
    sys.stderr.write(f"{benchmark.name}{f' on {base}' if base else ''} … ")
    sys.stderr.flush()
    ran = benchmark.measure(base, is_small=options.quick, pinned=options.pin, resized=dict(options.size))
    left = f", had to end {', '.join(ran.left)}" if ran.left else ""
    sys.stderr.write(f"{ran.took_s:.1f} s{left}\n")
    return ran.figures


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    processes.adopt_orphans()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        raise SystemExit(main())
    except BrokenPipeError:
        # Whoever read the report has seen enough; what is left in the buffer must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; everything that was started is ended\n")
        raise SystemExit(INTERRUPTED) from None
    finally:
        end_descendants(0.0)
