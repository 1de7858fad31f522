"""T1 and T2: somebody sets the wall clock.  It is told, in which direction and by how much; nothing else happens."""

import random
from typing import TYPE_CHECKING

import pytest

from alluse_hub.actors.auditor.core import CORE, STEP_SHOWN_S
from alluse_hub.actors.auditor.steps import AGREED, Steps
from alluse_hub.protocols.effects import Record, Wake
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.trail import AuditorSpec, ClockStepped, WallClockStepped
from tests.actors.auditor.words import SAID

if TYPE_CHECKING:
    from tests.actors.auditor.conftest import SmallHub

DAY_S = 86_400.0
SET_BACK = (
    "the wall clock was set back by 86400 s: times in the trail before and after are not of one clock; its order, and"
    " all that the hub does, is by another"
)


@pytest.mark.parametrize("step", [5.0, 3_600.0, DAY_S, -2.0, -DAY_S, -1.7e9])
def test_a_clock_that_is_set_is_seen_with_direction_and_amount(step: float) -> None:
    seen = Steps([(n, 1.7e9 + n) for n in range(5)])

    before = seen.look((n, 1.7e9 + n) for n in range(5, 100))
    after = seen.look((n, 1.7e9 + n + step) for n in range(100, 200))

    assert (before, after) == (0.0, step)


def test_drift_and_slow_turns_are_no_steps() -> None:
    dice = random.Random(1)
    seen = Steps()

    said = set[float]()
    for n in range(20_000):
        slow_s = dice.uniform(1.0, 60.0) if dice.random() < 0.1 else 0.0
        entry = (float(n), 1.7e9 + 1.0001 * n + slow_s)
        said.add(seen.look([entry] * dice.randrange(1, 9)))

    assert said == {0.0}


def test_a_clock_that_was_set_while_no_auditor_looked_is_seen_by_the_next(hub: "SmallHub") -> None:
    for n in range(10):
        hub.say("ws3", SAID, at=float(n), wall=1_000.0 + n)
    hub.drain()
    for n in range(10, 10 + AGREED):
        hub.say("ws3", SAID, at=float(n), wall=1_000.0 + n - 500.0)

    said = hub.drain().said

    assert [word.by_s for word in said if isinstance(word, ClockStepped)] == [-500.0]


def test_it_is_recorded_and_shown_for_a_while() -> None:
    state = CORE.start("auditor", AuditorSpec())

    def hear(body: Message) -> tuple[object, str]:
        nonlocal state
        decision = CORE.decide(state, Envelope("auditor/1/2", "auditor", "auditor", body, 1.0))
        state = decision.state
        assert CORE.degraded is not None
        return decision.effects, CORE.degraded(state)

    stepped = hear(ClockStepped(by_s=-DAY_S))
    over = hear(Woken(timer="stepped"))

    assert stepped == (
        (Record(WallClockStepped(by_s=-DAY_S)), Wake("stepped", STEP_SHOWN_S)),
        SET_BACK,
    )
    assert over == ((), "")
