"""``demo``: a hub of its own in a fresh home, played through, looked at, summed up and ended.

It is a client like any other: all it shows it has asked for over the control socket.
"""

import argparse
import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alluse_hub.cli import failure, home
from alluse_hub.cli.client import Answer, Client
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import Failure
from alluse_hub.cli.progress import Lines, Live, Shown
from alluse_hub.cli.render import Style, say
from alluse_hub.cli.summary import summary

POLL_S = 0.5
LAST_POLL_S = 0.05
STALE_S = 0.5
"""How old the board's word of the sessions may be."""

TREE_EVERY_S = 2.0
NEWS_EVERY_S = 1.0
READY_S = 60.0
STALL_S = 120.0
"""No session and no event in this time: something is stuck, and waiting longer will not help."""

END_S = 70.0
SUMMARY_S = 120.0
SPEED_OVER_S = 10.0
"""Sessions per second are told as a mean over this time."""

REMOVE_S = 5.0
NEWS_MAX = 1_000
LOG_LINES = 15


def run(arguments: argparse.Namespace) -> int:
    first, last = _day(arguments.first, "--from"), _day(arguments.last, "--to")
    if first > last:
        raise Failure(failure.USAGE, f"--from {first} is after --to {last}", "give an earlier --from")
    if not 0 <= arguments.speed <= 100_000:
        raise Failure(failure.USAGE, f"--speed is {arguments.speed:g}", "give sessions a second, or 0 for no limit")
    with _home(arguments) as folder:
        config = folder / "hub.toml"
        chosen = f'[hub]\nbase = "{arguments.base}"\n' if arguments.base else ""
        if not arguments.keep and arguments.home is None:
            chosen += "[trail]\nindex = false\n"  # nobody can search what is gone afterwards
        config.write_text(
            f"{chosen}[replay]\nfrom = {first}\nto = {last}\nspeed = {float(arguments.speed)}\nautostart = true\n",
            encoding="utf-8",
        )
        out = sys.stderr if arguments.json else sys.stdout
        style = Style.of(out, plain=arguments.no_color, ascii_only=arguments.ascii, utc=arguments.utc)
        screen = Live(out, style) if out.isatty() and os.environ.get("TERM") != "dumb" else Lines(out, style)
        with _hub(folder, config) as child, contextlib.closing(screen):
            client = _reach(folder, child, screen)
            with client:
                _watch(client, child, folder, screen)
                result = client.ask("summary", {}, SUMMARY_S)
                result["home"] = str(folder) if arguments.keep or arguments.home else ""
                screen.close()
                if arguments.json:
                    put_json("demo", result)
                else:
                    say(summary(style, result))
                with contextlib.suppress(Failure):  # it may end before it has answered; its exit tells
                    client.ask("shutdown", {"reason": "the demonstration is over"})
            status = _await_end(child, folder)
    whole = bool(result.get("trail", {}).get("whole"))
    return status or (failure.DONE if whole else failure.TRAIL_BROKEN)


def _day(text: str, option: str) -> str:
    from datetime import date

    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise Failure(failure.USAGE, f"{option} {text!r} is no date", "write it as 2004-08-02") from error


@contextlib.contextmanager
def _home(arguments: argparse.Namespace) -> Iterator[Path]:
    """A fresh home: a new temporary folder, or the one given if it is empty or not there."""
    if arguments.home is not None:
        folder = home.find(arguments.home)
        if folder.is_dir() and any(folder.iterdir()):
            hint = "give a new folder: a demonstration starts afresh"
            raise Failure(failure.CONFLICT, f"{folder} is not empty", hint)
        home.make(folder)
        yield folder
        return
    folder = Path(tempfile.mkdtemp(prefix="alluse-hub-"))
    try:
        home.make(folder)
        yield folder
    finally:
        if arguments.keep:
            sys.stderr.write(f"the home is kept: {folder}\n")
        else:
            _remove(folder)


def _remove(folder: Path) -> None:
    """A program that ends late may still put a file back while we tidy up."""
    deadline = time.monotonic() + REMOVE_S
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        if time.monotonic() > deadline:
            sys.stderr.write(f"could not remove {folder}\n")
            return
        time.sleep(POLL_S / 5)


@contextlib.contextmanager
def _hub(folder: Path, config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon as a child in a session of its own: a Ctrl-C is ours, and we end it in order."""
    environment = dict(os.environ)
    root = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(part for part in (root, environment.get("PYTHONPATH", "")) if part)
    environment.pop("NOTIFY_SOCKET", None)
    command = [sys.executable, "-m", "alluse_hub", "serve", "--home", str(folder), "--config", str(config)]
    with (folder / "log" / "serve.log").open("ab") as log:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        with _ends_on_signals():
            yield child
    except KeyboardInterrupt:
        sys.stderr.write("\nending the hub in order; once more to end it at once\n")
        raise
    finally:
        _end(child)


@contextlib.contextmanager
def _ends_on_signals() -> Iterator[None]:
    """TERM and a closed terminal are taken as a Ctrl-C, so that no daemon is left behind."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(child: subprocess.Popen[bytes]) -> None:
    """In order if it can be, at once if a second Ctrl-C says so or it takes too long."""
    for number, patience_s in ((signal.SIGTERM, END_S), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        if child.poll() is not None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            child.send_signal(number)
            child.wait(patience_s)


def _await_end(child: subprocess.Popen[bytes], folder: Path) -> int:
    try:
        status = child.wait(END_S)
    except subprocess.TimeoutExpired as error:
        raise Failure(failure.TIMED_OUT, f"the hub did not end within {END_S:.0f} s", _last_words(folder)) from error
    if status:
        raise Failure(failure.FAILED, f"the hub ended with status {status}", _last_words(folder))
    return status


def _last_words(folder: Path) -> str:
    try:
        text = (folder / "log" / "serve.log").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(["its last words:", *text.splitlines()[-LOG_LINES:]]) if text.strip() else ""


def _reach(folder: Path, child: subprocess.Popen[bytes], screen: "Live | Lines") -> Client:
    screen.note("starting the hub: supervisors, five workstreams, trail")
    deadline = time.monotonic() + READY_S
    while True:
        if child.poll() is not None:
            raise Failure(failure.FAILED, f"the hub ended at its start, status {child.returncode}", _last_words(folder))
        try:
            return Client(folder)
        except Failure as error:
            if error.code != failure.UNREACHABLE or time.monotonic() > deadline:
                raise Failure(error.code, error.message, _last_words(folder) or error.hint) from error
        time.sleep(POLL_S / 5)


def _watch(client: Client, child: subprocess.Popen[bytes], folder: Path, screen: "Live | Lines") -> None:
    """Until the replay has ended and the last round is settled."""
    leaf = 0
    seen: deque[tuple[float, int]] = deque()
    moved_at, mark = time.monotonic(), (-1, -1)
    looked_at = news_at = 0.0
    branches: Answer = {}
    while True:
        if child.poll() is not None:
            raise Failure(failure.FAILED, f"the hub ended early, status {child.returncode}", _last_words(folder))
        progress = _ask_patiently(client)
        now = time.monotonic()
        news: list[Answer] = []
        if progress.get("ended") or now - news_at >= NEWS_EVERY_S:
            news_at = now
            news, leaf = _news(client, leaf)
        sessions = int(progress.get("sessions") or 0)
        seen.append((now, sessions))
        while now - seen[0][0] > SPEED_OVER_S and len(seen) > len(("oldest", "newest")):
            seen.popleft()
        if now - looked_at >= TREE_EVERY_S:
            looked_at = now
            with contextlib.suppress(Failure):
                branches = client.ask("tree")
        screen.show(Shown(progress, news, _speed(seen), branches))
        if mark != (sessions, int(progress.get("round") or 0)):
            mark, moved_at = (sessions, int(progress.get("round") or 0)), now
        if progress.get("ended"):
            return
        if now - moved_at > STALL_S:
            why = progress.get("hub", {}).get("why", "")
            raise Failure(failure.TIMED_OUT, f"the replay stands still for {STALL_S:.0f} s: {why}", _last_words(folder))
        left = int(progress.get("of") or 0) - sessions
        time.sleep(_pause_s(left, _speed(seen)))


def _pause_s(left: int, speed: float) -> float:
    """Until the next question: half of what is left at least, so that the end is not slept through."""
    left_s = left / speed if speed else math.inf
    return min(POLL_S, max(LAST_POLL_S, (left_s - STALE_S) / 2))


def _ask_patiently(client: Client) -> Answer:
    """A board that restarts is no reason to give up."""
    for _ in range(3):
        with contextlib.suppress(Failure):
            return client.ask("progress")
        time.sleep(POLL_S)
    return client.ask("progress")


def _news(client: Client, leaf: int) -> tuple[list[Answer], int]:
    kinds = ["RuleFired", "ConflictOpened", "ConflictClosed", "ChildRestarted", "ProgramEnded", "ProgramParked"]
    page = client.ask("trail", {"messages": kinds, "kind": "fact", "after": leaf, "limit": NEWS_MAX}, 30.0)
    entries: list[Any] = page["entries"]  # Any: JSON of the daemon
    return entries, int(page["leaf"])


def _speed(seen: deque[tuple[float, int]]) -> float:
    (first_at, first), (last_at, last) = seen[0], seen[-1]
    return (last - first) / (last_at - first_at) if last_at > first_at else 0.0
