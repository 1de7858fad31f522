"""A desk with resources of every kind, and people, programs and a clock around it."""

from typing import Any

from alluse_hub.actors.coordinator.meetings import said
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.arbitration import ClaimResource, DecideConflict, OverrideFloor, ReleaseClaim
from alluse_hub.protocols.claims import Claim, ClaimVerdict, ConflictClosed, ConflictOpened, Mode, PlaceClaim, Policy
from alluse_hub.protocols.effects import Send, Wake
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.resources import Dataset, Form, Pool, Value
from alluse_hub.protocols.rules import CoordinatorSpec
from alluse_hub.protocols.ruleset import CoordinationDone
from tests.actors.coordinator.worlds import SHIPPED, TRADING, WORKSTREAMS, Desk

SYMBOL = Mode(resource="ws4/trading/SPY", rungs=TRADING.rungs, fail_safe="paused")
ROUTE = Mode(resource="ws4/route", rungs=TRADING.rungs, policy=Policy.HUMAN)
VENUE = Mode(resource="ws4/venue", rungs=TRADING.rungs, policy=Policy.NEGOTIATE)
BROKER = Pool(resource="ws4/broker", capacity=2, policy=Policy.NEGOTIATE)
FEED = Pool(resource="ws4/feed", capacity=1, preemptible=True)
LOCK = Pool(resource="ws4/lock", capacity=1, policy=Policy.HUMAN)
STRATEGY = Value(resource="ws4/strategy", default="none")
LIMIT = Value(resource="ws4/limit", form=Form.NUMBER, policy=Policy.RECENT)
MODELS = Dataset(resource="ws5/models")
BOOKS = Dataset(resource="ws4/books", policy=Policy.HUMAN)

SPEC = CoordinatorSpec(
    rules=SHIPPED,
    modes=(TRADING, ROUTE, VENUE),
    pools=(BROKER, FEED, LOCK),
    values=(STRATEGY, LIMIT),
    datasets=(MODELS, BOOKS),
    workstreams=WORKSTREAMS,
)


BELOW = SPEC.model_copy(update={"modes": (TRADING, SYMBOL)})
"""With a mode below another one."""


class People(Desk):
    """A desk that people, and programs that claim, come to."""

    def __init__(self, spec: CoordinatorSpec = SPEC, **how: Any) -> None:
        super().__init__(spec, **{"at": 1_000.0, **how})

    def ask(self, body: Message) -> CoordinationDone:
        self.tell(body, "gateway")
        (answer,) = [e.message for e in self.effects if isinstance(e, Send) and e.to == "gateway"]
        assert isinstance(answer, CoordinationDone)
        return answer

    def claim(self, by: str, resource: str = "ws4/trading", want: str = "", **how: Any) -> CoordinationDone:
        said = {"about": "a", "resource": resource, "want": want, "by": by, "reason": "she said so"}
        return self.ask(ClaimResource.model_validate({**said, **how}))

    def release(self, by: str, claim: str) -> CoordinationDone:
        return self.ask(ReleaseClaim(about="a", claim=claim, by=by, reason="it is over"))

    def override(self, by: str, rung: str = "normal", for_s: float = 60.0) -> CoordinationDone:
        return self.ask(
            OverrideFloor(about="a", resource="ws4/trading", rung=rung, for_s=for_s, by=by, reason="it must be")
        )

    def decide(self, by: str, conflict: str, choice: str) -> CoordinationDone:
        return self.ask(DecideConflict(about="a", conflict=conflict, choice=choice, by=by, reason="it is better"))

    def place(self, id_: str, resource: str, want: str = "", **how: Any) -> ClaimVerdict:
        usual = {"id": id_, "resource": resource, "want": want, "tier": "workflow", "holder": id_, "reason": "it runs"}
        self.tell(PlaceClaim(claim=Claim.model_validate({**usual, **how})), "gateway")
        (answer,) = [e.message for e in self.effects if isinstance(e, Send) and e.to == "gateway"]
        assert isinstance(answer, ClaimVerdict)
        return answer

    def wait(self, seconds: float) -> None:
        self.at += seconds

    def wake(self, timer: str) -> None:
        self.tell(Woken(timer=timer), "coordinator")

    def timers(self) -> dict[str, float]:
        """Of the last letter."""
        return {e.timer: e.after_s for e in self.effects if isinstance(e, Wake)}

    def rung_of(self, resource: str) -> str:
        mode = self.state.book.modes[resource]
        found = said(Turn(self.state, self.at), mode)
        return str(getattr(found, "rung", ""))

    def met(self) -> list[tuple[str, str, str]]:
        """Class, outcome and winner of the conflicts of the last letter; the outcome is empty while it is open."""
        closed = {fact.id: fact for fact in self.said(ConflictClosed)}
        return [
            (
                c.klass.value,
                closed[c.id].outcome if c.id in closed else "",
                closed[c.id].winner if c.id in closed else "",
            )
            for c in self.said(ConflictOpened)
        ]

    def open_conflicts(self) -> list[str]:
        return list(self.ledger.conflicts)
