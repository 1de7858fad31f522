"""The actors of the base's benchmarks.

They say to each other what actors of the hub say: parcels, with the message as bytes.  The kind tells what to do, and
the body of an order is JSON.  Nobody is told an address: whoever needs another makes it.
"""

import gc
import json
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from thespian.actors import Actor, ActorAddress, ChildActorExited, WakeupMessage

from alluse_hub.supervision.parcel import Parcel
from tests.benchmarks.kernel import resident_kib

LIMIT_S = 0.1
"""Of a handler that hangs."""

HANG_S = 3_600.0

BIRTH_S = 0.000_2
"""More than enough to make one light actor, and to start it, in one process."""

Order = dict[str, Any]  # Any: JSON


def parcel(kind: str, body: bytes = b"", number: int = 0) -> Parcel:
    """As between two actors of the hub."""
    return Parcel(f"bench/1/{number}", "bench", 1, "peer", 1, number, kind, body, "ws3/1/1", "ws3/1/1")


def order(kind: str, /, **more: object) -> Parcel:
    return parcel(kind, json.dumps(more).encode())


def told(answer: Parcel) -> Order:
    read: Order = json.loads(answer.body)
    return read


class Player(Actor):  # type: ignore[misc]  # Thespian ships no types
    """Takes parcels by their kind: ``ping`` is ``on_ping(parcel, sender)``."""

    asker: ActorAddress = None
    wanted: Order

    def receiveMessage(self, message: object, sender: ActorAddress) -> None:  # noqa: N802  # Thespian's name
        if isinstance(message, ChildActorExited):
            self.child_left(message)
        elif isinstance(message, WakeupMessage):
            self.woken()
        elif isinstance(message, Parcel):
            take: Callable[[Parcel, ActorAddress], None] = getattr(self, f"on_{message.kind}")
            take(message, sender)

    def child_left(self, notice: ChildActorExited) -> None:
        """Children that end at the end of everything are nothing to tell of."""

    def woken(self) -> None:
        raise TypeError(f"{type(self).__name__} has not asked to be woken")

    def wake_at(self, due: float) -> None:
        """``due``: seconds of the monotonic clock."""
        self.wakeupAfter(timedelta(seconds=max(0.0, due - time.monotonic())))

    def take_order(self, message: Parcel, asker: ActorAddress) -> None:
        self.asker = asker
        self.wanted = told(message)

    def done(self, **result: object) -> None:
        self.send(self.asker, order("done", **result))


class Echo(Player):
    """Sends back what comes, or only a word of it; knows its pid."""

    def on_ping(self, message: Parcel, sender: ActorAddress) -> None:
        self.send(sender, message._replace(kind="pong"))

    def on_weigh(self, message: Parcel, sender: ActorAddress) -> None:
        self.send(sender, parcel("pong", str(len(message.body)).encode()))

    def on_pid(self, _message: Parcel, sender: ActorAddress) -> None:
        self.send(sender, order("up", pid=os.getpid()))


class Caller(Player):
    """``call {kind, size, warm_up, trips}``: round trips with a child, one at a time; tells the seconds of each, but
    not of the first ``warm_up``, which have its start in them.
    """

    def on_call(self, message: Parcel, asker: ActorAddress) -> None:
        self.take_order(message, asker)
        self.child = self.createActor(Echo)
        self.ball = parcel(self.wanted["kind"], bytes(self.wanted["size"]))
        self.took: list[float] = []
        self.left = self.wanted["warm_up"] + self.wanted["trips"]
        self.throw()

    def throw(self) -> None:
        self.began = time.monotonic()
        self.send(self.child, self.ball)

    def on_pong(self, _message: Parcel, _sender: ActorAddress) -> None:
        self.took.append(time.monotonic() - self.began)
        self.left -= 1
        if self.left:
            self.throw()
        else:
            self.done(took_s=self.took[self.wanted["warm_up"] :])


class Sink(Player):
    """Counts what it hears, and whether it came in order."""

    heard = 0
    disorder = 0

    def on_ping(self, message: Parcel, sender: ActorAddress) -> None:
        self.send(sender, message._replace(kind="pong"))

    def on_drop(self, message: Parcel, _sender: ActorAddress) -> None:
        self.heard += 1
        self.disorder += message.number != self.heard

    def on_last(self, _message: Parcel, sender: ActorAddress) -> None:
        self.send(sender, order("counted", heard=self.heard, disorder=self.disorder))


class Thrower(Player):
    """``burst {letters, size}``: all from one handler to a child; tells the seconds until the child has them all."""

    def on_burst(self, message: Parcel, asker: ActorAddress) -> None:
        self.take_order(message, asker)
        self.child = self.createActor(Sink)
        self.send(self.child, parcel("ping"))

    def on_pong(self, _message: Parcel, _sender: ActorAddress) -> None:
        body = bytes(self.wanted["size"])
        self.began = time.monotonic()
        for number in range(1, self.wanted["letters"] + 1):
            self.send(self.child, parcel("drop", body, number))
        self.send(self.child, parcel("last"))

    def on_counted(self, message: Parcel, _sender: ActorAddress) -> None:
        self.done(took_s=time.monotonic() - self.began, **told(message))


class Speaker(Player):
    """A child of the gatherer: says so many letters to whoever asks."""

    def on_pid(self, _message: Parcel, sender: ActorAddress) -> None:
        self.send(sender, order("up", pid=os.getpid()))

    def on_speak(self, message: Parcel, sender: ActorAddress) -> None:
        wanted = told(message)
        body = bytes(wanted["size"])
        for number in range(1, wanted["letters"] + 1):
            self.send(sender, parcel("drop", body, number))


class Gatherer(Player):
    """``gather {senders, letters, size}``: as many children, each saying ``letters`` at once; tells the seconds."""

    def on_gather(self, message: Parcel, asker: ActorAddress) -> None:
        self.take_order(message, asker)
        self.children = [self.createActor(Speaker) for _ in range(self.wanted["senders"])]
        self.up = self.heard = 0
        for child in self.children:
            self.send(child, parcel("pid"))

    def on_up(self, _message: Parcel, _sender: ActorAddress) -> None:
        self.up += 1
        if self.up == len(self.children):
            self.began = time.monotonic()
            for child in self.children:
                self.send(child, order("speak", letters=self.wanted["letters"], size=self.wanted["size"]))

    def on_drop(self, _message: Parcel, _sender: ActorAddress) -> None:
        self.heard += 1
        if self.heard == len(self.children) * self.wanted["letters"]:
            self.done(took_s=time.monotonic() - self.began, heard=self.heard)


class Parent(Player):
    """``raise_one_by_one {children}`` and ``raise_all {children}``: makes children and waits until they answer.

    ``replace {kills}``: kills a child with signal 9, hears of it, makes another and waits until that answers.
    """

    killed_at: float

    def on_raise_one_by_one(self, message: Parcel, asker: ActorAddress) -> None:
        self.take_order(message, asker)
        self.pids: list[int] = []
        self.took: list[float] = []
        self.then = self.raised_one
        self.make()

    def on_raise_all(self, message: Parcel, asker: ActorAddress) -> None:
        self.take_order(message, asker)
        self.pids = []
        self.then = self.raised_another
        self.began = time.monotonic()
        for child in [self.createActor(Echo) for _ in range(self.wanted["children"])]:
            self.send(child, parcel("pid"))

    def on_replace(self, message: Parcel, asker: ActorAddress) -> None:
        self.take_order(message, asker)
        self.pids = []
        self.took = []
        self.then = self.raised_to_kill
        self.make()

    def make(self) -> None:
        self.began = time.monotonic()
        self.child = self.createActor(Echo)
        self.send(self.child, parcel("pid"))

    def on_up(self, message: Parcel, _sender: ActorAddress) -> None:
        self.pids.append(told(message)["pid"])
        self.then()

    def raised_one(self) -> None:
        self.took.append(time.monotonic() - self.began)
        if len(self.took) < self.wanted["children"]:
            self.make()
        else:
            self.done(took_s=self.took, pids=self.pids)

    def raised_another(self) -> None:
        if len(self.pids) == self.wanted["children"]:
            self.done(took_s=time.monotonic() - self.began, pids=self.pids)

    def raised_to_kill(self) -> None:
        if len(self.pids) > 1:
            self.took.append(time.monotonic() - self.killed_at)
        if len(self.took) == self.wanted["kills"]:
            self.wanted["kills"] = -1
            self.done(took_s=self.took)
        else:
            self.killed_at = time.monotonic()
            os.kill(self.pids[-1], signal.SIGKILL)

    def child_left(self, notice: ChildActorExited) -> None:
        """Two notices for one exit are normal, so only that of the living child counts."""
        if self.then == self.raised_to_kill and self.wanted["kills"] >= 0 and notice.childAddress == self.child:
            self.make()


# --- ends ------------------------------------------------------------------------------------------------------------


class Branch(Player):
    """``grow {widths}``: makes as many children as the first of the widths says, which grow by the rest; tells all pids
    below it, its own first.  ``hang``: the last of those below it that has no children tells so, and hangs.
    """

    def on_grow(self, message: Parcel, asker: ActorAddress) -> None:
        self.take_order(message, asker)
        width, *rest = self.wanted["widths"] or [0]
        self.pids = [os.getpid()]
        self.children = [self.createActor(Branch) for _ in range(width)]
        self.growing = width
        for child in self.children:
            self.send(child, order("grow", widths=rest))
        self.tell_if_grown()

    def on_grown(self, message: Parcel, _sender: ActorAddress) -> None:
        self.pids += told(message)["pids"]
        self.growing -= 1
        self.tell_if_grown()

    def tell_if_grown(self) -> None:
        if not self.growing:
            self.send(self.asker, order("grown", pids=self.pids))

    def on_hang(self, message: Parcel, asker: ActorAddress) -> None:
        self.asker = asker
        if self.children:
            self.send(self.children[-1], message)
        else:
            self.send(asker, parcel("hanging"))
            time.sleep(HANG_S)

    def on_hanging(self, message: Parcel, _sender: ActorAddress) -> None:
        self.send(self.asker, message)


class Limited(Player):
    """Says when it began to hang, and hangs."""

    handler_limit_s = LIMIT_S

    def on_hang(self, _message: Parcel, sender: ActorAddress) -> None:
        self.send(sender, order("hanging", at=time.monotonic()))
        time.sleep(HANG_S)


class Warden(Player):
    """``overrun {hangs}``: one child after the other that hangs; tells how much later than its limit each was known to
    have ended, and how many ended by an alarm.
    """

    def on_overrun(self, message: Parcel, asker: ActorAddress) -> None:
        self.take_order(message, asker)
        self.beyond_s: list[float] = []
        self.alarms = 0
        self.make()

    def make(self) -> None:
        self.child = self.createActor(Limited)
        self.send(self.child, parcel("hang"))

    def on_hanging(self, message: Parcel, _sender: ActorAddress) -> None:
        self.hanging_at = told(message)["at"]

    def child_left(self, notice: ChildActorExited) -> None:
        heard_at = time.monotonic()
        if notice.childAddress != self.child:
            return
        self.beyond_s.append(heard_at - self.hanging_at - LIMIT_S)
        self.alarms += notice.cause.signal == signal.SIGALRM
        if len(self.beyond_s) < self.wanted["hangs"]:
            self.make()
        else:
            self.done(beyond_s=self.beyond_s, alarms=self.alarms)


# --- wakeups ---------------------------------------------------------------------------------------------------------


class Sleeper(Player):
    """``start {due, period_s, ticks}``: wakes so many times, once in a period; ``tell``: how late it was each time."""

    def on_start(self, message: Parcel, _sender: ActorAddress) -> None:
        wanted = told(message)
        self.due, self.period_s, self.left = wanted["due"], wanted["period_s"], wanted["ticks"]
        self.late_s: list[float] = []
        self.wake_at(self.due)

    def woken(self) -> None:
        self.late_s.append(max(0.0, time.monotonic() - self.due))  # a period is told in whole microseconds
        self.left -= 1
        if self.left:
            self.due += self.period_s
            self.wake_at(self.due)

    def on_tell(self, _message: Parcel, sender: ActorAddress) -> None:
        self.send(sender, order("told", late_s=self.late_s))


class Dormitory(Player):
    """``sleep {sleepers, period_s, ticks}``: for children in its own process; tells the CPU seconds of all periods, how
    late each was woken, and the KiB that each takes.
    """

    def on_sleep(self, message: Parcel, asker: ActorAddress) -> None:
        self.take_order(message, asker)
        sleepers, period_s, ticks = (self.wanted[key] for key in ("sleepers", "period_s", "ticks"))
        self.late_s: list[float] = []
        self.telling = sleepers
        gc.collect()
        self.before_kib = resident_kib()
        self.first_at = time.monotonic() + sleepers * BIRTH_S
        self.last_at = self.first_at + period_s * ticks
        self.children = [self.createActor(Sleeper) for _ in range(sleepers)]
        for at, child in enumerate(self.children):
            due = self.first_at + period_s * at / sleepers
            self.send(child, order("start", due=due, period_s=period_s, ticks=ticks))
        self.then = self.begin
        self.wake_at(self.first_at - sleepers * BIRTH_S / 4)  # what is to be weighed comes before what is to be timed

    def woken(self) -> None:
        self.then()

    def begin(self) -> None:
        gc.collect()
        self.size_kib = (resident_kib() - self.before_kib) / len(self.children)
        self.cpu_s = time.process_time()
        self.then = self.finish
        self.wake_at(self.last_at)

    def finish(self) -> None:
        self.cpu_s = time.process_time() - self.cpu_s
        for child in self.children:
            self.send(child, parcel("tell"))

    def on_told(self, message: Parcel, _sender: ActorAddress) -> None:
        self.late_s += told(message)["late_s"]
        self.telling -= 1
        if not self.telling:
            self.done(cpu_s=self.cpu_s, late_s=self.late_s, size_kib=self.size_kib)
