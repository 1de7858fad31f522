"""Descriptors: few, ours alone, none of them on the network, and what happens when there are no more."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
from thespian.actors import ActorAddress, ActorSystem

from tests.engine.cast import PUPPET
from tests.engine.conftest import admin_of, ask, child_of, descendants, eventually

SIBLINGS = 40


@pytest.fixture
def puppet(ours: ActorSystem) -> ActorAddress:
    return ours.createActor(PUPPET)


def sockets_of(pid: int) -> set[str]:
    """Inodes."""
    held = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            held |= set(re.findall(r"socket:\[(\d+)\]", str(descriptor.readlink())))
    return held


def on_the_network(pid: int) -> set[str]:
    """Inodes of all sockets of that process's network, listening or not."""
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
        path = Path(f"/proc/{pid}/net/{table}")
        if path.exists():
            found |= {line.split()[9] for line in path.read_text(encoding="ascii").splitlines()[1:]}
    return found


def test_no_process_of_the_system_has_a_socket_on_the_network(ours: ActorSystem, puppet: ActorAddress) -> None:
    child_of(ours, puppet, "c")
    system = descendants(admin_of(ours))

    for _ in range(5):
        assert ask(ours, puppet, "ask", "c", ("echo", 1)) == 1
        for pid in system:
            held = sockets_of(pid)
            assert held
            assert not held & on_the_network(pid)


def test_an_actor_has_few_descriptors_however_many_siblings_it_has(ours: ActorSystem, puppet: ActorAddress) -> None:
    for number in range(SIBLINGS):
        child_of(ours, puppet, str(number))

    counts = [ask(ours, puppet, "ask", str(number), ("descriptors",)) for number in range(SIBLINGS)]

    assert max(counts) < 20
    assert max(counts) - min(counts) <= 1


def test_an_actor_that_runs_out_of_descriptors_closes_idle_links_and_goes_on(
    ours: ActorSystem, puppet: ActorAddress
) -> None:
    limit = ask(ours, puppet, "limit_descriptors", 4)

    pids = [child_of(ours, puppet, str(number)) for number in range(12)]

    assert [ask(ours, puppet, "ask", str(number), ("pid",)) for number in range(12)] == pids
    assert ask(ours, puppet, "heard") == []
    assert len(list(Path(f"/proc/{ask(ours, puppet, 'pid')}/fd").iterdir())) <= limit


def test_an_actor_without_a_single_descriptor_left_can_still_make_a_child(
    ours: ActorSystem, puppet: ActorAddress
) -> None:
    ask(ours, puppet, "limit_descriptors", 0)

    assert child_of(ours, puppet, "c") > 0


def test_calls_that_cannot_be_taken_for_want_of_descriptors_are_taken_later(
    ours: ActorSystem, puppet: ActorAddress
) -> None:
    callers = [ours.createActor(PUPPET) for _ in range(12)]
    for caller in callers:
        ask(ours, caller, "adopt", "busy", puppet)
    ask(ours, puppet, "limit_descriptors", 2)

    for caller in callers:
        ours.tell(caller, ("tell", "busy", ("count", None)))
    for caller in callers:
        ask(ours, caller, "pid")

    eventually(lambda: ask(ours, puppet, "counted") == len(callers))
