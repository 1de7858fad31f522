"""The keeper: how tenants are born, get their mail and end.

What a process would give an actor is made good here.  A handler that fails is not run again: the sender gets the
message back as poison, with the error, once.  Whatever would end a process (SystemExit, KeyboardInterrupt) ends that
actor and no other.  There is no kernel to take back what an actor held, so whoever ends hears ``ActorExitRequest`` as
its last message, whatever ended it.  Its mail becomes dead letters, those below it end first, and then its parent is
told, once, with the cause.

Everything but ``create``, ``send`` and ``wake_after`` is for the thread that runs the loop.
"""

import importlib
import inspect
import logging
import signal
import threading
import time
import traceback
from collections import deque
from datetime import timedelta
from typing import Any

from thespian.actors import (
    ActorAddress,
    ActorExitRequest,
    ActorSystemFailure,
    ActorSystemMessage,
    ChildActorExited,
    DeadEnvelope,
    InvalidActorSpecification,
    NoCompatibleSystemForActor,
    PoisonMessage,
    ThespianWatch,
    WakeupMessage,
    WatchMessage,
)
from thespian.system.messages.status import Thespian_ActorStatus, Thespian_StatusReq

from alluse_hub.supervision.dense.asking import Place
from alluse_hub.supervision.dense.loop import TURN_LETTERS, Loop
from alluse_hub.supervision.dense.tenant import ChildExited, Kill, Tenant
from alluse_hub.supervision.engine.exits import ExitCause

MAIL_MAX = 1_000_000
"""Letters that wait for one actor; more from others are dead letters, because it will never get through them."""

LOG = logging.getLogger("alluse_hub.dense")


class Keeper:
    def __init__(self, capabilities: dict[str, Any]) -> None:  # Thespian's
        self.capabilities = capabilities
        self.loop = Loop(self)
        self.roots: dict[Tenant, None] = {}
        """Those without a parent."""
        self.is_ending = False
        self._is_told = False
        self.address = ActorAddress(Place(None))
        """The base's own, as a sender."""
        self._names: dict[str, Tenant] = {}
        self._naming = threading.Lock()
        self._collectors: list[ActorAddress] = []  # of dead letters
        self._doomed: deque[tuple[Tenant, ExitCause]] = deque()
        self._busy: Tenant | None = None

    # --- birth: from any thread ---------------------------------------------------------------------------------------

    def create(self, actor_class: Any, parent: Tenant | None, requirements: Any, name: str | None) -> Tenant:
        """Raises, for a root, whatever importing the class raises, NoCompatibleSystemForActor and ActorSystemFailure;
        to a parent it is reported like a death."""
        if name and name in self._names:
            return self._names[name]
        born = Tenant(self, actor_class, parent, requirements, name)
        try:
            born.actor_class = self._class_for(actor_class, requirements)
        except Exception as error:
            if parent is None:
                raise
            born.aborted = f"Child Aborted: {error}"
            self.loop.hand_in(self._abort, born, ExitCause(error=traceback.format_exc()))
            return born
        if name:
            with self._naming:
                if (known := self._names.setdefault(name, born)) is not born:
                    return known
        self.loop.hand_in(self._welcome, born)
        return born

    def _class_for(self, actor_class: Any, requirements: Any) -> Any:
        if self.is_ending:
            raise ActorSystemFailure("the actor system ends")
        if isinstance(actor_class, str):
            module, _, name = actor_class.rpartition(".")
            if not module:
                raise InvalidActorSpecification(actor_class, "give it with its module")
            actor_class = getattr(importlib.import_module(module), name)
        check = getattr(actor_class, "actorSystemCapabilityCheck", None)
        if check is not None and not check(self.capabilities, requirements or {}):
            raise NoCompatibleSystemForActor(actor_class, "no system has compatible capabilities")
        return actor_class

    def _welcome(self, born: Tenant) -> None:
        if born.parent is None:
            self.roots[born] = None
        elif born.parent.is_dead or born.parent.is_ending:
            self._bury(born, ExitCause(error="its parent ended"))
            return
        else:
            born.parent.children[born] = None
        self.loop.list_up(born)

    def _abort(self, born: Tenant, cause: ExitCause) -> None:
        assert born.parent is not None, "a root that cannot be made is refused"
        LOG.error("%s cannot be made: %s", born, cause)
        born.parent.children[born] = None
        self._bury(born, cause)

    def _make(self, who: Tenant) -> bool:
        known = {"capabilities": self.capabilities, "requirements": who.requirements}
        try:
            wanted = inspect.signature(who.actor_class).parameters
            actor = who.actor_class(**{name: value for name, value in known.items() if name in wanted})
        except BaseException as error:  # whatever it is, it ends this actor and its parent is told
            LOG.exception("%s cannot be made", who)
            self._bury(who, cause_of(error))
            return False
        actor._myRef = who  # noqa: SLF001  # Thespian's way to bind them
        who.actor = actor
        return True

    # --- mail: from any thread ----------------------------------------------------------------------------------------

    def send(self, sender: ActorAddress, to: ActorAddress, message: Any) -> None:
        if threading.get_ident() == self.loop.runner:
            self.deliver(sender, to, message)
        else:
            self.loop.hand_in(self.deliver, sender, to, message)

    def wake_after(self, who: Tenant, period: timedelta | float, payload: Any) -> None:
        """``period``: a timedelta, or seconds."""
        seconds = period.total_seconds() if isinstance(period, timedelta) else float(period)
        due = time.monotonic() + seconds
        self.loop.hand_in(self.loop.agenda.add, due, (who, period, payload))

    def handle_dead_letters(self, who: ActorAddress, enable: bool) -> None:
        self.loop.hand_in(self._collect, who, enable)

    def update_capability(self, name: str, value: Any) -> None:
        if value is None:
            self.capabilities.pop(name, None)
        else:
            self.capabilities[name] = value

    def _collect(self, who: ActorAddress, enable: bool) -> None:
        self._collectors = [known for known in self._collectors if known != who] + ([who] if enable else [])

    # --- mail: in the loop --------------------------------------------------------------------------------------------

    def deliver(self, sender: ActorAddress, to: ActorAddress, message: Any) -> None:
        target = to.addressDetails
        if type(target) is not Tenant:
            if isinstance(target, Place):
                target.take(message)
            else:
                self._dead_letter(sender, to, message)
        elif target.is_dead or not target.is_of(self) or (len(target.mail) >= MAIL_MAX and sender is not to):
            self._not_delivered(sender, target, message)
        elif type(message) is Kill:
            self._doomed.append((target, ExitCause(signal=signal.SIGKILL)))
            if self._busy is None:
                self._execute()
        else:
            target.mail.append((message, sender))
            if not target.is_listed:
                self.loop.list_up(target)

    def wake(self, wakeup: tuple[Tenant, Any, Any]) -> None:
        who, period, payload = wakeup
        if not who.is_dead:
            self.deliver(who.address, who.address, WakeupMessage(period, payload))

    def call(self, who: Tenant, ready: list[int]) -> None:
        self.deliver(who.address, who.address, WatchMessage(ready))

    def turn(self, who: Tenant, until: float) -> bool:
        """Whether it has more to do.  ``until``: monotonic time after which others have a right to be looked at."""
        mail, clock = who.mail, time.monotonic
        self._busy = who
        try:
            if who.actor is None and not who.is_dead and not self._make(who):
                return False
            for _ in range(TURN_LETTERS):
                if not mail:
                    return False
                message, sender = mail.popleft()
                self._hand_over(who, message, sender)
                if self._doomed:
                    self._execute()
                if clock() >= until:
                    break
        finally:
            self._busy = None
        return bool(mail)

    def _hand_over(self, who: Tenant, message: Any, sender: ActorAddress) -> None:
        is_system = isinstance(message, ActorSystemMessage)
        if is_system:
            if type(message) is WatchMessage:
                who.is_called = False
            elif type(message) is Thespian_StatusReq:
                self.deliver(who.address, sender, self._status(who))
                return
        if who.is_ending and not isinstance(message, (ActorExitRequest, ChildActorExited)):
            self._unread(who, message, sender)
            return
        answer = None
        try:
            answer = who.actor.receiveMessage(message, sender)
        except Exception:  # noqa: BLE001  # whatever it is, it is told to the sender, and not tried again
            self._failed(who, message, sender)
        except BaseException as error:  # noqa: BLE001  # it would have ended the process; here it ends the actor
            self._end_now(who, cause_of(error), is_told=isinstance(message, ActorExitRequest))
            return
        if is_system:
            if isinstance(message, ActorExitRequest):
                self._end(who, is_recursive=message.isRecursive)
                return
            if isinstance(message, ChildActorExited):
                who.children.pop(message.childAddress.addressDetails, None)
                if who.is_ending:
                    self._end_if_alone(who)
                    return
        if isinstance(answer, ThespianWatch):
            if answer is not who.watch or tuple(answer.filenos) != who.watched:
                who.watch = answer
                self.loop.watch(who, tuple(answer.filenos))
        elif who.watched:
            who.watch = None
            self.loop.watch(who, ())

    def _failed(self, who: Tenant, message: Any, sender: ActorAddress) -> None:
        error = traceback.format_exc()
        LOG.error("%s failed on a %s:\n%s", who, type(message).__name__, error)
        if not isinstance(message, (PoisonMessage, ActorExitRequest)):
            self.deliver(who.address, sender, PoisonMessage(message, error))

    def _not_delivered(self, sender: ActorAddress, to: Tenant, message: Any) -> None:
        if to.aborted and not isinstance(message, PoisonMessage):
            self.deliver(to.address, sender, PoisonMessage(message, to.aborted))
        else:
            self._dead_letter(sender, to.address, message)

    def _dead_letter(self, sender: ActorAddress, to: ActorAddress, message: Any) -> None:
        if isinstance(sender.addressDetails, Place):
            sender.addressDetails.give_up()
        if not isinstance(message, (DeadEnvelope, ChildActorExited)):
            for collector in self._collectors:
                self.deliver(self.address, collector, DeadEnvelope(to, message))

    def _unread(self, who: Tenant, message: Any, sender: ActorAddress) -> None:
        """An actor on its way out handles no more mail; that others sent it is no secret."""
        if sender is not who.address:
            self._dead_letter(sender, who.address, message)

    def _status(self, who: Tenant) -> Thespian_ActorStatus:
        parent = None if who.parent is None else who.parent.address
        status = Thespian_ActorStatus(who.address, who.class_name, self.address, parent, None, who.is_ending)
        for child in who.children:
            status.addChild(child.address)
        status.addKeyVal("messages waiting", len(who.mail))
        return status

    # --- the end ------------------------------------------------------------------------------------------------------

    def end_all(self) -> None:
        """Ask all to end, in order; nobody is born any more."""
        self.is_ending = True
        self.loop.hand_in(self._end_all)

    @property
    def is_over(self) -> bool:
        """All were asked to end, and have."""
        return self._is_told and not self.roots

    def _end_all(self) -> None:
        self._is_told = True
        for root in list(self.roots):
            self.deliver(self.address, root.address, ActorExitRequest())

    def _end(self, who: Tenant, *, is_recursive: bool) -> None:
        """Asked to, and told: it goes when those below it have gone."""
        if who.is_ending:
            return
        who.is_ending = True
        self.loop.watch(who, ())
        for child in list(who.children):
            if is_recursive:
                self.deliver(who.address, child.address, ActorExitRequest())
            elif not child.is_dead:
                child.parent = None
                self.roots[child] = None
                del who.children[child]
        self._end_if_alone(who)

    def _end_if_alone(self, who: Tenant) -> None:
        if not who.children:
            self._bury(who, ExitCause(code=0))

    def _execute(self) -> None:
        while self._doomed:
            who, cause = self._doomed.popleft()
            self._end_now(who, cause)

    def _end_now(self, who: Tenant, cause: ExitCause, *, is_told: bool = False) -> None:
        """Whatever mail it has; and all below it."""
        if who.is_dead:
            return
        if who.actor is not None and not who.is_ending and not is_told:
            try:
                who.actor.receiveMessage(ActorExitRequest(), self.address)
            except BaseException:  # it ends anyway
                LOG.exception("%s failed at its end", who)
        who.is_ending = True
        for child in list(who.children):
            self._end_now(child, ExitCause(error="its parent ended"))
        self._bury(who, cause)

    def _bury(self, who: Tenant, cause: ExitCause) -> None:
        who.is_dead = True
        who.actor = None
        self.loop.watch(who, ())
        self.roots.pop(who, None)
        self._collect(who.address, enable=False)
        with self._naming:
            if who.globalName and self._names.get(who.globalName) is who:
                del self._names[who.globalName]
        mail = list(who.mail)
        who.mail.clear()
        for message, sender in mail:
            self._unread(who, message, sender)
        if who.parent is not None and not who.parent.is_dead:
            self.deliver(who.address, who.parent.address, ChildExited(who.address, cause))
        self.loop.notice()


def cause_of(error: BaseException) -> ExitCause:
    """Of the end of an actor that raised it."""
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return ExitCause(code=error.code or 0)
        return ExitCause(code=1, error=str(error.code))
    return ExitCause(error="".join(traceback.format_exception(error)))
