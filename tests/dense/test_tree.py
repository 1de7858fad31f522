"""A tree of shells in one process: the rules are the same, and what the kernel would have taken back is given back."""

import json
import os
import threading
from pathlib import Path

import pytest

from alluse_hub.protocols.errors import TrailError
from alluse_hub.supervision import processes
from alluse_hub.supervision.spool import Spool
from tests.dense.troupe import Clumsy, Deaf, Fragile, Handy, above, child, growing


def test_all_live_in_this_process_and_none_of_it_is_changed(tmp_path: Path) -> None:
    name, own = processes.name_of(os.getpid()), os.getpid()
    with growing(tmp_path, child("a"), above("pair", child("b"))) as tree:
        tree.await_up(a=1, pair=1, b=1)

        assert [json.loads(booted)["pid"] for booted in tree.facts("Booted")] == [own] * 4
        assert processes.entered(tmp_path) == []
        assert processes.name_of(own) == name


def test_one_that_fails_is_started_anew_and_its_siblings_are_left_alone(tmp_path: Path) -> None:
    with growing(tmp_path, child("a"), child("fragile", Fragile)) as tree:
        tree.await_up(a=1, fragile=1)
        sibling = tree.shell("a")

        tree.await_up(fragile=2)

        assert tree.shell("a") is sibling
        [failed] = tree.facts("Failed")
        [ended] = tree.facts("ChildEnded")
        assert "RuntimeError: planted" in failed
        assert json.loads(ended)["cause"] == "error: RuntimeError: planted"


def test_a_killed_one_is_started_anew(tmp_path: Path) -> None:
    with growing(tmp_path, child("a"), child("b")) as tree:
        tree.await_up(a=1, b=1)

        tree.kill("a")

        tree.await_up(a=2, b=1)
        assert [json.loads(ended)["cause"] for ended in tree.facts("ChildEnded")] == ["killed"]


def test_the_children_of_a_killed_supervisor_go_with_it_and_come_back_with_it(tmp_path: Path) -> None:
    with growing(tmp_path, above("pair", child("a"), child("b", Handy)), child("c")) as tree:
        tree.await_up(pair=1, a=1, b=1, c=1)

        tree.kill("pair")

        tree.await_up(pair=2, a=2, b=2, c=1)


def test_one_that_overruns_its_grace_is_removed_at_once(tmp_path: Path) -> None:
    with growing(tmp_path, child("deaf", Deaf, grace_s=0.05), child("a")) as tree:
        tree.await_up(deaf=1, a=1)

        tree.tree.ask_to_end("a test", keep_workstreams=False)
        tree.await_that(lambda: tree.tree.has_ended)

        ends = {json.loads(ended)["name"]: json.loads(ended)["cause"] for ended in tree.facts("ChildEnded")}
        assert ends == {"a": "shutdown", "deaf": "killed: it did not end within its grace"}
        assert (tmp_path / "run" / "ended").exists()


def test_a_worker_does_its_jobs_inline_and_may_speak_from_threads_of_its_own(tmp_path: Path) -> None:
    with growing(tmp_path, child("handy", Handy)) as tree:
        tree.await_up(handy=1)

        tree.await_that(lambda: len(tree.shell("handy")._life.state.heard) == 2)

        assert sorted(tree.shell("handy")._life.state.heard) == ["inline: True", "own thread: True"]


def test_a_job_that_fails_fails_its_actor(tmp_path: Path) -> None:
    with growing(tmp_path, child("clumsy", Clumsy), child("a")) as tree:
        tree.await_up(clumsy=2, a=1)

        [failed] = tree.facts("Failed")
        assert "OSError: the disk is full" in failed


def test_whatever_ends_an_actor_its_threads_and_descriptors_go_with_it(tmp_path: Path) -> None:
    with growing(tmp_path, child("handy", Handy), child("a")) as tree:
        tree.await_up(handy=1, a=1)
        tree.await_that(lambda: len(tree.shell("handy")._life.state.heard) == 2)
        descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208

        for incarnation in range(2, 5):
            tree.kill("handy")
            tree.await_up(handy=incarnation)
        tree.await_that(lambda: len(tree.shell("handy")._life.state.heard) == 2)

        assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == (descriptors, threads)  # noqa: PTH208


def test_closing_ends_a_tree_that_nobody_asked_to_end_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208

    with growing(tmp_path, above("pair", child("a"), child("handy", Handy))) as tree:
        tree.await_up(pair=1, a=1, handy=1)

    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == (descriptors, threads)  # noqa: PTH208
    assert tree.facts("ChildRestarted") == []
    assert capsys.readouterr().err == ""


def test_one_that_cannot_even_begin_ends_alone_and_its_supervisor_gives_up_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Spool.open

    def open_but_not_for_a(folder: Path, actor: str) -> Spool:
        if actor == "a":
            raise TrailError("the disk is full")
        return opened(folder, actor)

    with growing(tmp_path, child("a")) as tree:
        tree.await_up(a=1)
        monkeypatch.setattr(Spool, "open", open_but_not_for_a)

        tree.kill("a")
        tree.await_that(lambda: tree.tree.has_ended)

        assert len(tree.facts("GaveUp")) == 1
        assert not (tmp_path / "run" / "ended").exists()
