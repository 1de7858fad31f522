"""Actors that do as they are told, for the contract tests.  They are found again in their own processes by name."""

import logging
import os
import resource
import signal
import sys
import threading
import time
import weakref
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from thespian.actors import (
    Actor,
    ActorAddress,
    ActorExitRequest,
    ActorSystemMessage,
    ChildActorExited,
    DeadEnvelope,
    PoisonMessage,
    ThespianWatch,
    WakeupMessage,
    WatchMessage,
)

from alluse_hub.supervision.processes import children_of, start_ticks

PUPPET = "tests.engine.cast.Puppet"

WORD_CHARS_MAX = 100


LIVING: "weakref.WeakValueDictionary[int, Puppet]" = weakref.WeakValueDictionary()
"""The puppets of this process, by number."""

NUMBERS = count(1)

Life = tuple[int, int]
"""One life of a puppet: the pid of its process, and its number there."""


class Puppet(Actor):  # type: ignore[misc]  # Thespian ships no types
    """Takes (verb, arguments...): the method of that name gets the arguments and the sender.  Remembers what it heard
    from the system."""

    def __init__(self) -> None:
        super().__init__()
        self.children: dict[str, ActorAddress] = {}
        self.heard: list[str] = []
        self.notes: list[Any] = []
        self.watched: list[int] = []
        self.counted = 0
        self.number = next(NUMBERS)
        LIVING[self.number] = self

    def receiveMessage(self, message: Any, sender: ActorAddress) -> Any:  # noqa: N802
        if isinstance(message, tuple):
            getattr(self, f"do_{message[0]}")(sender, *message[1:])
        elif isinstance(message, ActorSystemMessage):
            self.hear(message)
        return ThespianWatch(self.watched) if self.watched else None

    def hear(self, message: ActorSystemMessage) -> None:
        match message:
            case ChildActorExited():
                name = next((n for n, address in self.children.items() if address == message.childAddress), "?")
                self.heard.append(f"exited {name}: {getattr(message, 'cause', '')}")
            case PoisonMessage():
                self.heard.append(f"poison {message.poisonMessage}"[:WORD_CHARS_MAX])
            case WakeupMessage():
                self.heard.append(f"woken {message.payload}")
            case WatchMessage():
                self.heard.append(f"watched {os.read(message.ready[0], 100).decode()}")
            case DeadEnvelope():
                self.heard.append(f"dead {message.deadMessage}")
            case ActorExitRequest():
                pass
            case _:
                self.heard.append(type(message).__name__)

    # --- itself ------------------------------------------------------------------------------------------------------

    def do_pid(self, sender: ActorAddress) -> None:
        self.send(sender, os.getpid())

    def do_address(self, sender: ActorAddress) -> None:
        self.send(sender, self.myAddress)

    def do_life(self, sender: ActorAddress) -> None:
        self.send(sender, (os.getpid(), self.number))

    def do_parent_pid(self, sender: ActorAddress) -> None:
        self.send(sender, os.getppid())

    def do_heard(self, sender: ActorAddress) -> None:
        self.send(sender, list(self.heard))

    def do_notes(self, sender: ActorAddress) -> None:
        self.send(sender, list(self.notes))

    def do_echo(self, sender: ActorAddress, what: Any) -> None:
        self.send(sender, what)

    def do_note(self, _sender: ActorAddress, what: Any) -> None:
        self.notes.append(what)

    def do_note_and_fail(self, _sender: ActorAddress, what: Any) -> None:
        self.notes.append(what)
        raise ValueError(what)

    def do_nap(self, _sender: ActorAddress, seconds: float) -> None:
        time.sleep(seconds)

    def do_hang(self, _sender: ActorAddress) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        while True:
            time.sleep(3600)

    def do_nap_marked(self, _sender: ActorAddress, path: str, seconds: float) -> None:
        """Nap, and show by a file that the nap has begun."""
        Path(path).touch()
        time.sleep(seconds)

    def do_wait_for(self, _sender: ActorAddress, path: str) -> None:
        while not Path(path).exists():
            time.sleep(0.001)

    def do_limit_left(self, sender: ActorAddress) -> None:
        self.send(sender, signal.getitimer(signal.ITIMER_REAL)[0])

    def do_order_and_nap(self, _sender: ActorAddress, to: ActorAddress, order: Any, path: str, seconds: float) -> None:
        self.send(to, order)
        self.do_nap_marked(_sender, path, seconds)

    def do_hang_killable(self, _sender: ActorAddress) -> None:
        """Hang, but let SIGTERM do what it does to programs that know nothing of it."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while True:
            time.sleep(3600)

    def do_interrupt(self, _sender: ActorAddress) -> None:
        raise KeyboardInterrupt

    def do_exit(self, _sender: ActorAddress, status: int) -> None:
        sys.exit(status)

    def do_vanish(self, _sender: ActorAddress, status: int) -> None:
        os._exit(status)

    def do_end(self, _sender: ActorAddress) -> None:
        self.send(self.myAddress, ActorExitRequest())

    def do_wake(self, _sender: ActorAddress, after_s: float, payload: Any) -> None:
        self.wakeupAfter(timedelta(seconds=after_s), payload)

    def do_watch(self, _sender: ActorAddress, text: str) -> None:
        read_end, write_end = os.pipe()
        self.watched = [read_end]
        os.write(write_end, text.encode())

    def do_collect_dead(self, sender: ActorAddress) -> None:
        self.handleDeadLetters()
        self.send(sender, "collecting")

    def do_log(self, sender: ActorAddress, text: str) -> None:
        logging.getLogger("tests.puppet").error(text)
        self.send(sender, "logged")

    def do_log_oddly(self, sender: ActorAddress, text: str) -> None:
        """With something in the record that cannot be pickled."""
        logging.getLogger("tests.puppet").error(text, extra={"lock": threading.Lock()})
        self.send(sender, "logged")

    def do_log_many(self, sender: ActorAddress, count: int) -> None:
        for number in range(count):
            logging.getLogger("tests.puppet").error("line %d", number)
        self.send(sender, "logged")

    def do_thread(self, sender: ActorAddress, count: int) -> None:
        """Have a thread of ours send so many numbers to the sender."""

        def count_up() -> None:
            for number in range(count):
                self.send(sender, number)

        threading.Thread(target=count_up).start()

    def do_zombies(self, sender: ActorAddress) -> None:
        """How many children have ended and are not waited for."""
        self.send(sender, sum(1 for pid in children_of(os.getpid()) if not start_ticks(pid)))

    def do_memory(self, sender: ActorAddress) -> None:
        """Resident size, in bytes."""
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        self.send(sender, pages * resource.getpagesize())

    def do_limit_descriptors(self, sender: ActorAddress, free: int) -> None:
        """Leave only so many to be had."""
        used = len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + free, used + free))
        self.send(sender, used + free)

    def do_descriptors(self, sender: ActorAddress) -> None:
        self.send(sender, len(os.listdir("/proc/self/fd")) - 1)  # noqa: PTH208

    def do_send_unpicklable(self, _sender: ActorAddress) -> None:
        self.send(self.children["c"], (lambda: None,))

    # --- others ------------------------------------------------------------------------------------------------------

    def do_child(self, sender: ActorAddress, name: str, path: str = PUPPET) -> None:
        self.children[name] = self.createActor(path)
        self.send(sender, "made")

    def do_adopt(self, sender: ActorAddress, name: str, child: ActorAddress) -> None:
        self.children[name] = child
        self.send(sender, "adopted")

    def do_tell(self, sender: ActorAddress, name: str, message: Any) -> None:
        self.send(self.children[name], message)

    def do_ask(self, sender: ActorAddress, name: str, message: Any) -> None:
        """The child answers to whoever asked us."""
        self.send(self.children[name], ("answer", sender, message))

    def do_answer(self, _sender: ActorAddress, to: ActorAddress, message: Any) -> None:
        getattr(self, f"do_{message[0]}")(to, *message[1:])

    def do_child_and_tell(self, sender: ActorAddress, name: str, messages: list[Any]) -> None:
        self.do_child(sender, name)
        for message in messages:
            self.send(self.children[name], message)

    def do_child_of(self, sender: ActorAddress, name: str, path: str, messages: list[Any]) -> None:
        self.do_child(sender, name, path)
        self.do_tell_all(sender, name, messages)

    def do_children(self, _sender: ActorAddress, count: int) -> None:
        """So many at once, each to send a note back."""
        for number in range(count):
            self.send(self.createActor(PUPPET), ("echo", ("note", number)))

    def do_tell_all(self, _sender: ActorAddress, name: str, messages: list[Any]) -> None:
        for message in messages:
            self.send(self.children[name], message)

    def do_tell_exit(self, _sender: ActorAddress, name: str) -> None:
        self.send(self.children[name], ActorExitRequest())

    def do_stillbirth(self, sender: ActorAddress, name: str, messages: list[Any]) -> None:
        """Kill the newborn before it can have called."""
        before = set(children_of(os.getpid()))
        self.do_child_of(sender, name, PUPPET, messages)
        for pid in set(children_of(os.getpid())) - before:
            os.kill(pid, signal.SIGKILL)

    def do_meet(self, sender: ActorAddress, name: str, other: str) -> None:
        self.send(self.children[name], ("befriend", self.children[other]))
        self.send(sender, "met")

    def do_befriend(self, _sender: ActorAddress, friend: ActorAddress) -> None:
        self.friend = friend

    def do_flood_friend(self, _sender: ActorAddress, count: int, size: int) -> None:
        for number in range(count):
            self.send(self.friend, ("note", (number, "x" * size)))

    def do_flood_child(self, sender: ActorAddress, name: str, count: int, size: int) -> None:
        for number in range(count):
            self.send(self.children[name], ("count", (number, "x" * size)))
        self.send(sender, "flooded")

    def do_count(self, _sender: ActorAddress, _what: Any) -> None:
        self.counted += 1

    def do_counted(self, sender: ActorAddress) -> None:
        self.send(sender, self.counted)

    def do_send_to(self, sender: ActorAddress, to: ActorAddress, message: Any) -> None:
        self.send(to, message)
        self.send(sender, "sent")


class Limited(Puppet):
    handler_limit_s = 0.5


class Patient(Puppet):
    handler_limit_s = 3600.0


class Hasty(Puppet):
    exit_grace_s = 0.2
    kill_grace_s = 0.2


class BrokenAtBirth(Puppet):
    def __init__(self) -> None:
        raise ValueError("not today")
