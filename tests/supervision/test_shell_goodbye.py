"""A child's process may be seen gone before its goodbye is read: an end in order must not pass for a kill."""

from pathlib import Path
from typing import Any, cast

from alluse_hub.protocols.lifecycle import Exited
from alluse_hub.protocols.message import Message
from alluse_hub.supervision.offspring import Offspring
from alluse_hub.supervision.origins import UNKNOWN, Origin
from alluse_hub.supervision.processes import Process
from alluse_hub.supervision.shell import CONFIRM_EXIT_S, GOODBYE_S, Shell
from alluse_hub.supervision.words import Ending

LATER_S = 2 * CONFIRM_EXIT_S


class Deserted:
    """A lodging of which all have gone."""

    def is_lost(self, _process: Process) -> bool:
        return True

    is_gone = is_lost

    def strike(self, _process: Process) -> None:
        pass


class Parent(Shell):
    """Of two children, with a clock moved by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0
        self._home = Path("nowhere")
        self.told: list[Message] = []
        self._lodging = cast("Any", Deserted())
        self._children = {
            name: Offspring(name, 1, cast("Any", name), Process(number, 1, name)) for number, name in enumerate("ab", 1)
        }

    def now(self) -> float:
        return self.time

    def _tell_core(self, message: Message, _origin: Origin = UNKNOWN) -> None:
        self.told.append(message)

    def pass_time(self, by_s: float) -> None:
        self.time += by_s
        while (chore := self._chores.due(self.time)) is not None:
            self._do_chore(chore)

    def hear(self, word: object) -> None:
        self._take(word, cast("Any", None))


def test_a_goodbye_that_is_still_in_the_mail_when_the_process_is_gone_is_heard() -> None:
    parent = Parent()
    parent.hear(Ending("a", 1, "normal"))
    parent._child_left(cast("Any", "a"))
    parent.pass_time(LATER_S)
    parent.hear(Ending("b", 1, "shutdown"))
    parent._child_left(cast("Any", "b"))
    parent.pass_time(LATER_S)

    assert parent.told == [Exited(name="a", life=1, cause="normal"), Exited(name="b", life=1, cause="shutdown")]


def test_one_of_whom_nobody_says_anything_counts_as_killed_in_the_end() -> None:
    parent = Parent()
    parent._child_left(cast("Any", "a"))
    parent.pass_time(LATER_S)
    assert parent.told == [Exited(name="a", life=1, cause="killed")]

    parent.pass_time(GOODBYE_S)
    assert parent.told[1:] == [Exited(name="b", life=1, cause="killed")]
