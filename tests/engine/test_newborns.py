"""Newborns: many at once, and one that nobody takes."""

import os
from functools import partial
from pathlib import Path

from thespian.actors import ActorAddress, ActorSystem

from alluse_hub.supervision.engine.address import SocketAddress, name_of
from alluse_hub.supervision.engine.forks import fork
from alluse_hub.supervision.engine.logs import LogPost
from alluse_hub.supervision.engine.manager import Manager
from alluse_hub.supervision.engine.parenting import _be_child
from alluse_hub.supervision.engine.room import admin_path
from alluse_hub.supervision.engine.switchboard import STRANGERS_MAX
from alluse_hub.supervision.engine.transport import Endpoint, Transport
from tests.engine.cast import PUPPET
from tests.engine.conftest import ask, eventually, settings_of

CROWD = STRANGERS_MAX + 20


def test_children_made_by_one_handler_all_come_up_however_many_call_at_once(ours: ActorSystem) -> None:
    puppet = ours.createActor(PUPPET)

    ours.tell(puppet, ("children", CROWD))

    eventually(lambda: len(ask(ours, puppet, "notes")) == CROWD)
    assert ask(ours, puppet, "heard") == []


def test_a_newborn_that_its_parent_does_not_take_ends(room: Path) -> None:
    nobody = ActorAddress(SocketAddress(str(room / name_of("a", os.getpid(), "0" * 16))))
    endpoint = Endpoint(0, None, ActorAddress(SocketAddress(admin_path(room))), settings_of(room))

    def make(transport: Transport, logs: LogPost) -> Manager:
        manager = Manager(PUPPET, None, transport, None, None, nobody, endpoint.admin, None, {}, None, {"version": 1})
        manager.logs = logs
        return manager

    pid = fork(partial(_be_child, make, Transport, endpoint, nobody, nobody, {"version": 1}))

    eventually(lambda: os.waitpid(pid, os.WNOHANG) != (0, 0))
