"""A rule with times, and a desk that knows when its timer is due."""

from typing import Any

from alluse_hub.actors.coordinator.deadlines import DUE
from alluse_hub.protocols.claims import Clock
from alluse_hub.protocols.effects import Wake
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.rules import CoordinatorSpec, Hold, Rule, RuleFired, Tell
from tests.actors.coordinator.worlds import TRADING, WORKSTREAMS, Desk, event

HOLD = Hold(resource="ws4/trading", rung="paused", clock=Clock.HUB, until_cleared=True, safety=True, subject="{scope}")
TELL = Tell(workstream="ws5", command="emergency_analysis", parameters={"scope": "{scope}"})


def rule(**more: Any) -> Rule:
    given: dict[str, Any] = {
        "id": "high",
        "name": "High",
        "workstream": "ws2",
        "event": "risk",
        "when": "level > 0.8",
        "once_per": "{scope}",
        "tell": (TELL,),
    }
    return Rule(**{**given, **more})


class Timed(Desk):
    """A desk that counts rounds and knows when its timer is due."""

    def __init__(self, *rules: Rule, **more: Any) -> None:
        self.round = 0
        self.due: float | None = None
        super().__init__(CoordinatorSpec(rules=rules, modes=(TRADING,), workstreams=WORKSTREAMS), **more)

    def tell(self, *letter: Any, **more: Any) -> Any:
        effects = super().tell(*letter, **more)
        for effect in effects:
            if isinstance(effect, Wake) and effect.timer == DUE:
                self.due = self.at + effect.after_s
        return effects

    def hear(self, at: float, *events: Event, session: str = "s1") -> int:
        """How often a rule fired."""
        self.at = at
        self.round += 1
        before = len(self.all_facts(RuleFired))
        self.consider(self.round, *events, session=session)
        self.answer_all()
        return len(self.all_facts(RuleFired)) - before

    def risk(self, at: float, level: Any, scope: str = "gen", session: str = "s1") -> int:
        n = len(self.facts) + 1
        payload = {"scope": scope} if level is None else {"scope": scope, "level": level}
        return self.hear(at, event("ws2", n, "risk", **payload), session=session)

    def wake(self, at: float) -> int:
        """The timer wakes, if it is due by then."""
        before = len(self.all_facts(RuleFired))
        while self.due is not None and self.due <= at:
            self.at, self.due = self.due, None
            self.tell(Woken(timer=DUE))
            self.answer_all()
        return len(self.all_facts(RuleFired)) - before
