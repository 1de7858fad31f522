"""The shipped rules on the trading ladder, and a small world around a coordinator.

``Desk`` hands single letters to the core and keeps what comes out.  ``World`` runs it against a router and monitors
with behaviour of their own, in virtual time, with letters lost, doubled and overtaken and the coordinator killed, by
seed.
"""

import heapq
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from alluse_hub.actors.coordinator.core import COORDINATOR
from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.actors.coordinator.ledger import Ledger
from alluse_hub.actors.coordinator.state import Coordinator
from alluse_hub.protocols.arbitration import StandDown, StoodDown
from alluse_hub.protocols.claims import Clock, Directive, DirectiveAck, Mode, Rung
from alluse_hub.protocols.effects import CancelWake, Commit, Effect, Record, Send, Wake
from alluse_hub.protocols.flow import Consider, Considered, Event
from alluse_hub.protocols.lifecycle import PeerUp, Started, Woken
from alluse_hub.protocols.message import Envelope, Fact, Message
from alluse_hub.protocols.rules import CoordinatorSpec, Hold, Priority, Release, Rule, Tell
from alluse_hub.protocols.workstream import Command, CommandReply

WORKSTREAMS = ("ws1", "ws2", "ws3", "ws4", "ws5")
TRADING = Mode(
    resource="ws4/trading",
    fail_safe="paused",
    rungs=(
        Rung(name="normal", uses=("open", "close", "cancel"), command="resume_trading"),
        Rung(name="reduce_only", uses=("close", "cancel"), command="reduce_trading"),
        Rung(name="paused", uses=("cancel",), command="pause_trading"),
    ),
)
MARKET_DATA_SYNC = Rule(
    id="market-data-sync",
    name="Market Data Sync",
    priority=Priority.HIGH,
    workstream="ws3",
    event="market_data_update",
    when="volume > 2 * volume_mean_20",
    tell=(
        Tell(
            workstream="ws4",
            command="update_positions",
            parameters={"priority": "high", "symbol": "{symbol}"},
            uses=("ws4/trading:open",),
        ),
        Tell(workstream="ws5", command="analyze_patterns", parameters={"symbols": ["{symbol}"]}),
    ),
)
RISK_THRESHOLD_ALERT = Rule(
    id="risk-threshold-alert",
    name="Risk Threshold Alert",
    priority=Priority.CRITICAL,
    workstream="ws2",
    event="risk_threshold_exceeded",
    when="risk_level > 0.8",
    hold=(
        Hold(
            resource="ws4/trading",
            rung="paused",
            clock=Clock.MARKET,
            for_s=300,
            until_cleared=True,
            safety=True,
            subject="{kind}/{scope}",
        ),
    ),
    tell=(
        Tell(
            workstream="ws1", command="send_alert", parameters={"urgency": "critical", "subject": "{kind} of {scope}"}
        ),
        Tell(workstream="ws5", command="emergency_analysis", parameters={"mode": "risk"}),
    ),
)
LEARNING_MODEL_UPDATE = Rule(
    id="learning-model-update",
    name="Learning Model Update",
    priority=Priority.MEDIUM,
    workstream="ws5",
    event="model_updated",
    when="accuracy_improvement > 0.05",
    tell=tuple(
        Tell(workstream=workstream, command=command, parameters={"model_version": "{version}"})
        for workstream, command in (
            ("ws1", "update_agent_knowledge"),
            ("ws2", "recalibrate_protocols"),
            ("ws3", "update_intelligence"),
            ("ws4", "update_strategies"),
        )
    ),
)
VOLATILITY_PAUSE = Rule(
    id="volatility-pause",
    name="Volatility Pause",
    priority=Priority.HIGH,
    workstream="ws3",
    event="volatility_regime_changed",
    when='regime == "very high"',
    hold=(Hold(resource="ws4/trading", rung="paused", for_sessions=5, safety=True, subject="{symbol}"),),
)
RISK_CLEARED_RESUME = Rule(
    id="risk-cleared-resume",
    name="Risk Cleared",
    priority=Priority.HIGH,
    workstream="ws2",
    event="risk_cleared",
    release=(Release(resource="ws4/trading", of="risk-threshold-alert", subject="{kind}/{scope}"),),
)
SHIPPED = (MARKET_DATA_SYNC, RISK_THRESHOLD_ALERT, LEARNING_MODEL_UPDATE, VOLATILITY_PAUSE, RISK_CLEARED_RESUME)
SPEC = CoordinatorSpec(rules=SHIPPED, modes=(TRADING,), workstreams=WORKSTREAMS)


def breach(n: int, level: float = 0.93, scope: str = "gen") -> Event:
    return event("ws2", n, "risk_threshold_exceeded", kind="drawdown", scope=scope, risk_level=level)


def cleared(n: int, scope: str = "gen") -> Event:
    return event("ws2", n, "risk_cleared", kind="drawdown", scope=scope, risk_level=0.3)


def volatile(n: int, symbol: str = "AAPL", regime: str = "very high") -> Event:
    return event("ws3", n, "volatility_regime_changed", symbol=symbol, regime=regime)


def busy(n: int, symbol: str = "AAPL", volume: float = 3e6) -> Event:
    return event("ws3", n, "market_data_update", symbol=symbol, volume=volume, volume_mean_20=1e6)


def model(n: int, improvement: float = 0.06) -> Event:
    return event("ws5", n, "model_updated", version=f"m{n}", accuracy_improvement=improvement)


def event(ws: str, n: int, name: str, **payload: Any) -> Event:
    return Event(ws=ws, n=n, event=name, payload=payload)


class Desk:
    """A coordinator whose letters are handed over one by one."""

    def __init__(self, spec: CoordinatorSpec = SPEC, facts: Iterable[Fact] = (), at: float = 0.0) -> None:
        self.spec = spec
        self.at = at
        self.facts: list[Fact] = []
        self.state = COORDINATOR.start("coordinator", spec)
        assert COORDINATOR.evolve is not None
        for fact in facts:
            self.facts.append(fact)
            self.state = COORDINATOR.evolve(self.state, fact)
        self.effects: tuple[Effect, ...] = ()
        self.tell(Started(incarnation=1))

    def tell(self, body: Message, sender: str = "somebody") -> tuple[Effect, ...]:
        """The effects of one letter."""
        letter = Envelope(id=f"{sender}/1/1", sender=sender, to="coordinator", body=body, at=self.at)
        decision = COORDINATOR.decide(self.state, letter)
        self.state, self.effects = decision.state, decision.effects
        self.facts += [effect.fact for effect in self.effects if isinstance(effect, Record | Commit)]
        return self.effects

    def consider(self, number: int, *events: Event, session: str = "2008-09-29") -> tuple[Effect, ...]:
        return self.tell(Consider(round=number, session=session, events=events), "router")

    def answer_all(self) -> list[Message]:
        """Obey and answer everything that is open, letter by letter; what was sent meanwhile."""
        sent: list[Message] = []
        while True:
            told = [d.issued for d in self.ledger.directives.values() if not d.is_obeyed]
            asked = list(self.ledger.commands.values())
            if told:
                self.tell(DirectiveAck(resource=told[0].resource, fence=told[0].fence, outcome="applied"), "ws4")
            elif asked:
                reply = CommandReply(key=asked[0].key, workstream=asked[0].workstream, ok=True, events_through=7)
                self.tell(reply, asked[0].workstream)
            else:
                return sent
            sent += self.sent()

    @property
    def ledger(self) -> Ledger:
        return self.state.ledger

    def sent(self, to: str = "") -> list[Message]:
        """What the last letter led to be sent."""
        return [e.message for e in self.effects if isinstance(e, Send) and to in {"", e.to}]

    def said(self, *kinds: type[Message]) -> list[Any]:
        """Of the last letter: the facts, and the messages sent, of these kinds."""
        facts = [e.fact for e in self.effects if isinstance(e, Record | Commit) and isinstance(e.fact, kinds)]
        return [*facts, *(m for m in self.sent() if isinstance(m, kinds) and m not in facts)]

    def all_facts(self, *kinds: type[Fact]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kinds)]

    @property
    def rung(self) -> str:
        """What the workstream was last told."""
        directed = self.ledger.directives.get("ws4/trading")
        return directed.issued.rung if directed else "normal"

    def refolded(self) -> Ledger:
        """The ledger as the facts alone give it."""
        state = COORDINATOR.start("coordinator", self.spec)
        assert COORDINATOR.evolve is not None
        for fact in self.facts:
            state = COORDINATOR.evolve(state, fact)
        return state.ledger


SNAPSHOTS: TypeAdapter[Coordinator] = TypeAdapter(Coordinator)


# --- a world -------------------------------------------------------------------------------------------------------


@dataclass
class Program:
    """What a monitor and its program remember: a fence and a rung per resource, answers by key."""

    name: str
    fences: dict[str, int] = field(default_factory=dict)
    rung: str = "normal"
    applied: list[int] = field(default_factory=list)  # fences, in the order applied
    done: dict[str, CommandReply] = field(default_factory=dict)
    events: int = 0
    epoch: int = 0

    def hear(self, message: Message) -> Message | None:
        match message:
            case StandDown(epoch=epoch):
                self.epoch = max(self.epoch, epoch)
                return StoodDown(workstream=self.name, epoch=self.epoch)
            case Directive(epoch=epoch) if epoch < self.epoch:
                return None
            case Directive(resource=resource, fence=fence, rung=rung):
                known = self.fences.get(resource, 0)
                if fence < known:
                    return DirectiveAck(resource=resource, fence=fence, outcome="stale", seen=known)
                if fence > known:
                    self.fences[resource], self.rung = fence, rung
                    self.applied.append(fence)
                    self.events += 1
                outcome = "applied" if fence > known else "already"
                return DirectiveAck(resource=resource, fence=fence, outcome=outcome, events_through=self.events)
            case Command(key=key):
                if key not in self.done:
                    self.events += 1
                    self.done[key] = CommandReply(key=key, workstream=self.name, ok=True, events_through=self.events)
                return self.done[key]
            case _:
                return None


class World:
    """A router that shows rounds of random events, five monitors, and a post that cannot be relied on."""

    def __init__(
        self, seed: int, rounds: int, *, loss: float = 0.15, crash: float = 0.03, spec: CoordinatorSpec = SPEC
    ) -> None:
        self.random = random.Random(seed)
        self.loss, self.crash = loss, crash
        self.now = 0.0
        self.queue: list[tuple[float, int, str, str, Message, int]] = []
        self.serial = 0
        self.timers: dict[str, int] = {}
        self.incarnation = 1
        self.programs = {name: Program(name) for name in WORKSTREAMS}
        self.rounds = rounds
        self.round = 0
        self.session = 0
        self.shown: Consider | None = None
        self.considered: list[int] = []
        self.desk = Desk(spec)
        self.perform(self.desk.effects)
        self.next_round()

    @property
    def desk_now(self) -> Now:
        return Now(self.now, self.desk.ledger.ordinal, self.desk.ledger.session)

    @property
    def is_obeyed(self) -> bool:
        return all(directed.is_obeyed for directed in self.desk.ledger.directives.values())

    # the post

    def post(self, sender: str, to: str, message: Message) -> None:
        for _ in range(self.random.choice((1, 1, 1, 2))):
            if self.random.random() >= self.loss:
                self.later(self.random.uniform(0.001, 3.0), sender, to, message)

    def later(self, delay: float, sender: str, to: str, message: Message) -> None:
        self.serial += 1
        heapq.heappush(self.queue, (self.now + delay, self.serial, sender, to, message, self.incarnation))

    # the router

    def next_round(self) -> None:
        if self.round >= self.rounds:
            self.shown = None
            return
        self.round += 1
        self.session += self.random.random() < 0.4
        n = self.round * 10
        events = tuple(self.event(n + k) for k in range(self.random.randrange(4)))
        self.shown = Consider(round=self.round, session=f"s{self.session}", events=events)
        self.show()

    def event(self, n: int) -> Event:
        choice = self.random.choice
        return choice(
            (
                breach(n, choice((0.5, 0.9)), choice(("gen", "rev"))),
                cleared(n, choice(("gen", "rev"))),
                volatile(n, choice(("AAPL", "MSFT"))),
                busy(n, choice(("AAPL", "IBM"))),
                model(n),
                event("ws2", n, "risk_threshold_exceeded", kind="drawdown"),
                event("ws3", n, "market_data_update", volume=1),
            )
        )

    def show(self) -> None:
        if self.shown is not None:
            self.post("router", "coordinator", self.shown)
            self.later(20.0, "router", "router", self.shown)  # its own timer

    def hear_as_router(self, message: Message) -> None:
        match message:
            case Considered(round=number) if self.shown is not None and number == self.shown.round:
                self.considered.append(number)
                self.next_round()
            case Consider(round=number) if self.shown is not None and number == self.shown.round:
                self.show()

    # the coordinator

    def hear(self, sender: str, message: Message) -> None:
        if self.random.random() < self.crash:
            self.kill(sender, message)
            return
        self.desk.at = self.now
        self.perform(self.desk.tell(message, sender))

    def kill(self, sender: str, message: Message) -> None:
        """Die anywhere in the handling of the letter: a part of the facts is kept, a part of the letters is out."""
        self.desk.at = self.now
        kept = list(self.desk.facts)
        effects = self.desk.tell(message, sender)
        cut = self.random.randrange(len(effects) + 1)
        self.perform(effects[:cut])
        facts = [*kept, *(e.fact for e in effects[:cut] if isinstance(e, Record | Commit))]
        self.timers.clear()
        self.incarnation += 1
        self.desk = Desk(self.desk.spec, facts=facts, at=self.now)
        self.perform(self.desk.effects)
        if self.shown is not None:
            self.show()

    def perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(to=to, message=message):
                    self.post("coordinator", to, message)
                case Wake(timer=timer, after_s=after_s):
                    self.later(after_s, "coordinator", "coordinator", Woken(timer=timer))
                    self.timers[timer] = self.serial
                case CancelWake(timer=timer):
                    self.timers.pop(timer, None)

    def step(self) -> bool:
        if not self.queue:
            return False
        at, serial, sender, to, message, incarnation = heapq.heappop(self.queue)
        self.now = max(self.now, at)
        if isinstance(message, Woken):
            if incarnation == self.incarnation and self.timers.get(message.timer) == serial:
                del self.timers[message.timer]
                self.hear(sender, message)
        elif to == "coordinator":
            self.hear(sender, message)
        elif to == "router":
            self.hear_as_router(message)
        elif to in self.programs:
            if self.random.random() < 0.01:
                self.hear(to, PeerUp(name=to, incarnation=2))
            answer = self.programs[to].hear(message)
            if answer is not None:
                self.post(to, "coordinator", answer)
        return True
