"""Every benchmark at its smallest size: it counts what it should, tells every figure and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from alluse_hub.supervision import processes
from tests.benchmarks import isolation, kernel, report
from tests.benchmarks.__main__ import main
from tests.benchmarks.bases import BASES, STOCK
from tests.benchmarks.catalog import BENCHMARKS, BY_NAME, Benchmark, Group
from tests.benchmarks.figures import Figure, Sample
from tests.benchmarks.isolation import BenchmarkError, apart, isolated
from tests.pages import quoted, table

HOUSE = Path(__file__).parent.parent.parent
PATIENCE_S = 60.0

COUNTS = {
    "sender-path": {"turns": 400, "posted": 400, "entries": 2 * (2 * 200 + 2)},  # also Booted and Started, each run
    "end-to-end": {"written": 800, "stored": 800, "inserted": 800},
    "sustained": {"written": 400, "stored": 400, "inserted": 400},
    "acknowledged": {"asked": 3, "answered": 3, "stored": 123},
    "verify": {"entries": 10_000, "verified": 10_000},
    "rerun": {"differences": 0},
    "whatif": {"events": 200},
    "conditions": {"asked": 1_000},
    "syncs": {"due": 24, "verified": 24},
    "search": {"entries": 5_100, "found": 100},
    "arbiter": {"claims": 10, "decisions": 20},
    "directive": {"answered": 2},
    "failover": {"kills": 1},
    "program": {"kills": 1},
    "start": {"starts": 1},
    "status": {"asks": 1},
    "standing": {"shims": 2},
    "listeners": {},
    "demo": {"sessions": 3, "of": 3},
    "round-trips": {"trips": 20},
    "round-trips-pinned": {"trips": 20},
    "ask": {"asks": 20},
    "burst": {"sent": 50, "heard": 50, "disorder": 0},
    "fan-in": {"sent": 15, "heard": 15},
    "large": {"trips": 1},
    "creation": {"actors": 2},
    "replacement": {"kills": 2},
    "hung": {"hangs": 1, "alarms": 1},
    "subtree": {"kills": 1, "processes": 4},
    "crowd": {"actors": 3},
    "ticking": {"actors": 20, "woken": 60},
}
"""Of the first figure of each."""

HUBS = [benchmark for benchmark in BENCHMARKS if benchmark.group is Group.HUB]


def is_deep(benchmark: Benchmark, base: str) -> bool:
    """A hub takes a second or two to start and end: in the plain run each of its benchmarks has one base, in turn."""
    if benchmark not in HUBS:
        return False
    turn = HUBS.index(benchmark) % len(benchmark.bases)
    return base != benchmark.bases[::-1][turn]


CASES = [
    pytest.param(
        benchmark,
        base,
        id=f"{benchmark.name} {base}".strip(),
        marks=[pytest.mark.deep] if is_deep(benchmark, base) else [],
    )
    for benchmark in BENCHMARKS
    for base in benchmark.bases
]


@pytest.mark.parametrize(("benchmark", "base"), CASES)
def test_a_benchmark_counts_what_it_should_and_leaves_nothing_behind(benchmark: Benchmark, base: str) -> None:
    ran = benchmark.measure(base, is_small=True)

    assert ran.left == []
    assert COUNTS[benchmark.name].items() <= ran.figures[0].counts.items()
    assert len({figure.name for figure in ran.figures}) == len(ran.figures)
    if benchmark.name == "listeners":
        assert (ran.figures[0].sample.p50 > 0) == (base == STOCK)
    for figure in ran.figures:
        assert figure.base == base
        assert figure.floor_is
        assert min(figure.sample.readings) >= 0
        assert min(figure.floor.readings) >= 0
        assert Figure.from_json(figure.as_json()) == figure


def test_every_benchmark_of_a_base_is_run_on_each_or_says_why_not() -> None:
    for benchmark in BENCHMARKS:
        if benchmark.group is Group.TRAIL:
            assert (benchmark.bases, benchmark.without) == (("",), {})
        else:
            assert sorted((*benchmark.bases, *benchmark.without)) == sorted(BASES)
            assert all(benchmark.without.values())


def test_what_a_benchmark_leaves_out_is_told_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["subtree", "--base", "stock", "--markdown"]) == 0

    out = capsys.readouterr()
    assert out.err == "subtree leaves stock out: what is below a killed actor lives on\n"
    assert len(table(out.out, *report.HEAD)) == 0


def test_a_benchmark_that_fails_says_why() -> None:
    def fail(_folder: Path) -> list[Figure]:
        raise ValueError("told to")

    with pytest.raises(BenchmarkError, match="ValueError: told to"):
        isolated(fail)


def test_a_part_in_a_fork_of_its_own_tells_what_it_gives() -> None:
    assert apart(lambda: [os.getppid()]) == [os.getpid()]


def test_a_part_in_a_fork_of_its_own_that_fails_fails_the_benchmark(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError("told to")

    with pytest.raises(BenchmarkError):
        apart(fail)

    assert "ValueError: told to" in capfd.readouterr().err


def test_what_outlives_its_benchmark_is_ended_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "LEAVE_S", 0.05)
    read, write = os.pipe()

    def leave(_folder: Path) -> list[Figure]:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                processes.name_process("stray")
                os.write(write, str(os.getpid()).encode())
                signal.pause()
            os._exit(0)
        os.wait()
        return []

    ran = isolated(leave)

    assert ran.left == ["stray"]
    assert processes.start_ticks(int(os.read(read, 16))) == 0
    os.close(read)
    os.close(write)


def test_a_socket_that_listens_is_counted_once_whoever_holds_it_and_one_that_is_connected_is_not() -> None:
    own = os.getpid()
    before = kernel.tcp_listeners([own])

    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_connection(door.getsockname()):
        guest, _ = door.accept()
        with guest, door.dup():
            listening = kernel.tcp_listeners([own, own])

    assert listening == before + 1


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_benchmark_leaves_no_process_and_no_folder() -> None:
    with tempfile.TemporaryDirectory(prefix="hub-smoke-") as folder:
        command = [sys.executable, "-m", "tests.benchmarks", "standing"]
        environment = os.environ | {"TMPDIR": folder}
        with subprocess.Popen(command, cwd=HOUSE, env=environment, stderr=subprocess.DEVNULL) as benchmark:
            try:
                eventually(lambda: len(alive_in(folder)) > 10)  # the daemon and its actors, shims, programs
                benchmark.send_signal(signal.SIGINT)
                status = benchmark.wait(PATIENCE_S)
            finally:
                benchmark.kill()

        assert status == 130
        assert alive_in(folder) == []
        assert list(Path(folder).iterdir()) == []


def alive_in(folder: str) -> list[int]:
    """Processes that were started with ``folder`` on their command line, or forked from such."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if folder.encode() in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return found


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- figures ---------------------------------------------------------------------------------------------------------


def a_figure(name: str = "round trips", base: str = "stock", *readings: float) -> Figure:
    sample = Sample.of([readings or (10.0, 20.0, 30.0), (20.0,)])
    return Figure(name, "µs", sample, Sample.each([4.0]), "nothing much", base, {"trips": 4})


def test_percentiles_are_of_all_readings_and_the_spread_is_of_the_runs() -> None:
    sample = Sample.of([range(1, 51), range(51, 101)])

    assert (sample.p50, sample.p95, sample.p99) == (50.5, 95.0, 99.0)
    assert sample.spread == (25.5, 75.5)


def test_too_few_readings_have_no_percentile_beyond_the_median() -> None:
    assert (Sample.each([1, 2, 3]).p95, Sample.each([1, 2, 3]).p99) == (None, None)


def test_a_figure_is_told_as_a_multiple_of_its_floor_and_none_where_the_floor_is_nothing() -> None:
    assert a_figure().ratio == 5.0
    assert Figure("idle", "%", Sample.each([1.0]), Sample.each([0.0]), "asleep").ratio is None


def test_an_empty_run_is_no_sample() -> None:
    with pytest.raises(ValueError, match="a reading in every run"):
        Sample.of([[]])


def test_the_table_has_the_bases_below_each_other_each_as_a_multiple_of_the_stock_base() -> None:
    figures = [
        a_figure("round trips", "dense", 40.0),
        a_figure("round trips", "engine"),
        a_figure("a turn", ""),
        a_figure("round trips", "stock"),
    ]

    rows = table(report.markdown(figures, {"cpu": "2 x some"}), *report.HEAD)

    assert [(figure, base, stock) for figure, base, *_, stock in rows] == [
        ("round trips", "stock", "-"),
        ("round trips", "engine", "1.00"),
        ("round trips", "dense", "1.50"),
        ("a turn", "", "-"),
    ]


def test_the_rows_have_the_form_of_the_table_on_the_page() -> None:
    page = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    head, ruler = report.markdown([], {}).splitlines()[-2:]

    assert f"\n{head}\n{ruler}\n| " in page


def test_every_benchmark_is_explained_on_the_page() -> None:
    page = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    explained = [name for row in table(page, "name", "figure") for name in quoted(row[0])]

    assert sorted(explained) == sorted(name for name in BY_NAME if name != "round-trips-pinned")


def test_what_was_written_as_json_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text(report.as_json([a_figure()], {"cpu": "2 x some"}), encoding="utf-8")

    assert report.read(path) == ([a_figure()], {"cpu": "2 x some"})


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (0.0, "0"), (0.012_34, "0.0123"), (1.234, "1.23"), (12.34, "12.3"), (12_345.6, "12,346")],
)
def test_numbers_are_told_with_three_digits_that_count(value: float | None, shown: str) -> None:
    assert report.number(value) == shown
