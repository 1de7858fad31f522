"""A supervisor with fake children, in virtual time.

Runs the supervisor's core and plays both its shell and its children: a spawned child comes up, fails or hangs as
planned; a stopped one ends, or hangs until it is killed.  Letters to the supervisor queue up in ``mail`` and are
delivered one by one, so that a test can let several things happen before it hears of the first.

``log`` is the story in short: ``+a2`` the second life of ``a`` started, ``!a2`` it failed to start, ``~a2`` it had
nothing to run, ``-a2`` it is gone.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from alluse_hub.protocols.admin import ShutDown
from alluse_hub.protocols.children import ActorOrderDone, TreeShown
from alluse_hub.protocols.effects import CancelWake, Effect, Kill, Record, Send, Spawn, Stop, Wake
from alluse_hub.protocols.lifecycle import (
    IGNORE,
    ChildSpec,
    ChildStart,
    ChildUp,
    Exited,
    Intensity,
    OnLimit,
    RestartType,
    Started,
    StopAsked,
    Strategy,
    SupervisorSpec,
    Woken,
)
from alluse_hub.protocols.message import Envelope, Fact, Message
from alluse_hub.supervision.supervisor import SUPERVISOR
from alluse_hub.supervision.supervisor_state import Supervisor

GRACE_S = 1.0
START_TIMEOUT_S = 10.0


def child(name: str, restart: RestartType = RestartType.PERMANENT, **more: Any) -> ChildSpec:  # its other fields
    given = {"grace_s": GRACE_S, "start_timeout_s": START_TIMEOUT_S, **more}
    return ChildSpec(name=name, start=ChildStart(actor=f"fake.{name}"), restart=restart, **given)


def family(
    *children: str | ChildSpec,
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    restarts: int = 20,
    period_s: float = 30.0,
    on_limit: OnLimit = OnLimit.ESCALATE,
    **more: Any,  # whatever else a supervisor's specification takes
) -> "Family":
    """Named children are permanent."""
    return Family(
        SupervisorSpec(
            strategy=strategy,
            intensity=Intensity(restarts=restarts, period_s=period_s),
            on_limit=on_limit,
            children=tuple(child(c) if isinstance(c, str) else c for c in children),
            **more,
        )
    )


@dataclass
class Family:
    spec: SupervisorSpec
    now: float = 0.0
    state: Supervisor = field(init=False)
    mail: deque[Message] = field(default_factory=deque)
    alive: dict[str, int] = field(default_factory=dict)  # processes that exist: name -> life
    log: list[str] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)  # of the last letter
    performed: list[tuple[float, Effect]] = field(default_factory=list)
    notices: list[Exited] = field(default_factory=list)  # every exit there was
    start_plans: dict[str, list[str]] = field(default_factory=dict)  # "ok" (the default), "fail", "ignore" or "hang"
    hangs_on_stop: set[str] = field(default_factory=set)
    timers: dict[str, float] = field(default_factory=dict)
    incarnations: Counter[str] = field(default_factory=Counter)
    over: str = ""  # the cause with which the supervisor ended

    def __post_init__(self) -> None:
        state = SUPERVISOR.start("sup", self.spec)
        assert isinstance(state, Supervisor)
        self.state = state

    # --- what a test does ----------------------------------------------------------------------------------------

    def up(self) -> "Family":
        """Start the supervisor and all its children, and begin a new page."""
        self.say(Started(incarnation=1))
        self.log.clear()
        return self

    def say(self, body: Message, sender: str = "gateway") -> None:
        """A letter, and all that follows from it at once."""
        self.hear(body, sender)
        self.deliver()

    def crash(self, *names: str, cause: str = "error: boom") -> None:
        """All have ended before the supervisor hears of the first."""
        for name in names:
            self.end(name, cause)
        self.deliver()

    def end(self, name: str, cause: str) -> None:
        """The process goes; the notice is in the mail.  Nothing if there is no process."""
        if name not in self.alive:
            return
        life = self.alive.pop(name)
        self.log.append(f"-{name}{life}")
        self.notices.append(Exited(name=name, life=life, cause=cause))
        self.mail.append(self.notices[-1])

    def stop(self) -> None:
        self.say(StopAsked(reason="shutdown"))

    def deliver(self, letters: int = 1_000) -> None:
        while self.mail and letters > 0:
            letters -= 1
            self.hear(self.mail.popleft(), "sup")

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [(at, timer) for timer, at in self.timers.items() if at <= until]:
            self.now, timer = min(due)
            del self.timers[timer]
            self.say(Woken(timer=timer), "sup")
        self.now = until

    @property
    def story(self) -> str:
        return " ".join(self.log)

    def facts(self, kind: type[Fact]) -> list[tuple[float, Fact]]:
        return [(at, e.fact) for at, e in self.performed if isinstance(e, Record) and isinstance(e.fact, kind)]

    @property
    def answers(self) -> list[ActorOrderDone]:
        said = (e.message for _, e in self.performed if isinstance(e, Send))
        return [message for message in said if isinstance(message, ActorOrderDone)]

    @property
    def tree(self) -> TreeShown:
        """The last picture sent to the board."""
        said = (e.message for _, e in self.performed if isinstance(e, Send) and e.to == "board")
        return [message for message in said if isinstance(message, TreeShown)][-1]

    @property
    def states(self) -> str:
        """As on the board: ``a:ready b:parked``."""
        return " ".join(f"{c.name}:{c.state.value}" for c in self.tree.children)

    # --- the shell's part ----------------------------------------------------------------------------------------

    def hear(self, body: Message, sender: str) -> None:
        if self.over:
            return
        decision = SUPERVISOR.decide(self.state, Envelope("sup/1/1", sender, "sup", body, self.now))
        self.state = decision.state
        self.effects = list(decision.effects)
        for effect in decision.effects:
            self.perform(effect)
            self.performed.append((self.now, effect))

    def perform(self, effect: Effect) -> None:
        match effect:
            case Spawn(name=name, life=life):
                self.spawn(name, life)
            case Stop(name="sup", reason=reason):
                assert not self.alive, "a supervisor outlives its children"
                self.over = reason
            case Stop(name=name) if name not in self.hangs_on_stop:
                self.end(name, "shutdown")
            case Kill(name=name):
                self.end(name, "killed")
            case Wake(timer=timer, after_s=after_s):
                self.timers[timer] = self.now + after_s
            case CancelWake(timer=timer):
                self.timers.pop(timer, None)
            case Send(to="hub", message=ShutDown()):
                self.mail.append(StopAsked(reason="shutdown"))

    def spawn(self, name: str, life: int) -> None:
        assert name not in self.alive, f"two lives of {name} at once"
        plan = self.start_plans.get(name, [])
        outcome = plan.pop(0) if plan else "ok"
        if outcome in {"fail", "ignore"}:
            self.log.append(f"{'!' if outcome == 'fail' else '~'}{name}{life}")
            cause = "error: no start" if outcome == "fail" else IGNORE
            self.notices.append(Exited(name=name, life=life, cause=cause))
            self.mail.append(self.notices[-1])
            return
        self.alive[name] = life
        self.log.append(f"+{name}{life}")
        if outcome == "ok":
            self.incarnations[name] += 1
            pid = 1_000 + self.incarnations[name]
            self.mail.append(ChildUp(name=name, life=life, incarnation=self.incarnations[name], pid=pid))
