"""Laws that hold whatever the children do, and in whatever order the supervisor hears of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.protocols.children import RestartActor, StartActor, StopActor
from alluse_hub.protocols.effects import Effect, Spawn, Stop
from alluse_hub.protocols.lifecycle import (
    Backoff,
    ChildRestarted,
    ChildState,
    OnLimit,
    RestartType,
    Started,
    StopAsked,
    Strategy,
)
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.supervision.supervisor import SUPERVISOR
from alluse_hub.supervision.supervisor_orders import ORDERS_WAITING_MAX
from alluse_hub.supervision.supervisor_plans import KILL_MARGIN_S
from alluse_hub.supervision.supervisor_state import End, Retry
from alluse_hub.testing.family import GRACE_S, START_TIMEOUT_S, Family, child, family

RUNS = 300
"""A law takes about a second."""

NAMES = ("a", "b", "c", "d")
CAUSES = ("normal", "shutdown", "killed", "error: boom")

Act = Callable[[Family], None]


def says_again(which: int) -> Act:
    """An old notice of an exit comes once more, as late as it likes."""

    def act(sup: Family) -> None:
        if sup.notices:
            sup.mail.append(sup.notices[which % len(sup.notices)])

    return act


names = st.sampled_from(NAMES)
crashes = st.builds(lambda name, cause: lambda sup: sup.end(name, cause), names, st.sampled_from(CAUSES))
letters = st.builds(lambda count: lambda sup: sup.deliver(count), st.integers(1, 4))
plans = st.builds(
    lambda name, outcomes: lambda sup: sup.start_plans.update({name: outcomes}),
    names,
    st.lists(st.sampled_from(["ok", "fail", "hang"]), max_size=3),
)
hangs = st.builds(lambda name: lambda sup: sup.hangs_on_stop.symmetric_difference_update({name}), names)
times = st.builds(lambda seconds: lambda sup: sup.pass_time(seconds), st.sampled_from([0.1, 1.0, 5.0, 40.0]))
echoes = st.builds(says_again, st.integers(0, 50))
ends = st.just(lambda sup: sup.mail.append(StopAsked(reason="shutdown")))
orders = st.builds(
    lambda kind, name: lambda sup: sup.mail.append(kind(name=name)),
    st.sampled_from([StartActor, StopActor, RestartActor]),
    names,
)

nature: st.SearchStrategy[Act] = st.one_of(crashes, crashes, letters, letters, plans, hangs, times, echoes)
nature_and_people: st.SearchStrategy[Act] = st.one_of(nature, nature, orders, ends)

families = st.builds(
    lambda strategy, kinds, restarts, on_limit, siblings_wait, backoff: family(
        *(child(name, kind) for name, kind in zip(NAMES, kinds, strict=False)),
        strategy=strategy,
        restarts=restarts,
        period_s=10.0,
        on_limit=on_limit,
        siblings_wait=siblings_wait,
        backoff=backoff,
    ),
    st.sampled_from([Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE]),
    st.lists(
        st.sampled_from([RestartType.PERMANENT, RestartType.PERMANENT, *RestartType]), min_size=1, max_size=len(NAMES)
    ),
    st.integers(0, 3),
    st.sampled_from(OnLimit),
    st.booleans(),
    st.sampled_from([None, Backoff(at_once=1, first_s=0.5, jitter=0.5, reset_s=3.0), Backoff(at_once=0, first_s=2.0)]),
)


class Watched(Family):
    """Looks at each act of the supervisor at the moment it is done."""

    def perform(self, effect: Effect) -> None:
        match effect:
            case Spawn(name=name):
                if self.spec.strategy is not Strategy.ONE_FOR_ONE:
                    assert not self.later(name), f"{name} is started below {self.later(name)}, which is still there"
                first = [c.name for c in self.spec.children[: self.place(name)]]
                assert all(self.was_spawned(earlier) for earlier in first), f"{name} is started before its turn"
            case Stop(name=name) if name != "sup":
                assert not self.later(name), f"{name} is stopped before {self.later(name)}"
        super().perform(effect)

    def place(self, name: str) -> int:
        return next(at for at, spec in enumerate(self.spec.children) if spec.name == name)

    def later(self, name: str) -> list[str]:
        return [other for other in self.alive if self.place(other) > self.place(name)]

    def was_spawned(self, name: str) -> bool:
        return any(isinstance(effect, Spawn) and effect.name == name for _, effect in self.performed)


@dataclass
class Polled(Family):
    """Keeps the names of all orders that the supervisor heard."""

    ordered: list[str] = field(default_factory=list)

    def hear(self, body: Message, sender: str) -> None:
        if isinstance(body, StartActor | StopActor | RestartActor) and not self.over:
            self.ordered.append(body.name)
        super().hear(body, sender)


def play(sup: Family, acts: list[Act]) -> None:
    sup.hear(Started(incarnation=1), "sup")
    for act in acts:
        act(sup)
        check_bookkeeping(sup)


def come_to_rest(sup: Family) -> None:
    """Nothing fails or hangs from here on; what hangs already runs into its deadline."""
    sup.start_plans.clear()
    sup.hangs_on_stop.clear()
    sup.deliver()
    for _ in range(4 * len(NAMES)):
        sup.pass_time(max(START_TIMEOUT_S, GRACE_S + KILL_MARGIN_S))
    sup.deliver()


def check_bookkeeping(sup: Family) -> None:
    """No child is in two plans, and nothing that waits can pile up."""
    planned = [name for plan in sup.state.plans for name in {*plan.stop[plan.stopped :], *plan.start[plan.started :]}]
    assert len(planned) == len(set(planned))
    ends = [matter for matter in sup.state.waiting if isinstance(matter, End | Retry)]
    assert len(ends) == len({(matter.name, matter.life, type(matter)) for matter in ends})
    assert len(sup.state.waiting) - len(ends) <= ORDERS_WAITING_MAX


def check_rest(sup: Family, *, by_hand: frozenset[str] = frozenset()) -> None:
    if sup.over:
        assert sup.alive == {}
        return
    assert sup.state.plans == ()
    assert sup.state.waiting == ()
    assert sup.timers == {}
    for member in sup.state.children:
        assert (member.state is ChildState.READY) == (sup.alive.get(member.name) == member.life)
        if member.spec.restart is RestartType.PERMANENT and member.name not in by_hand:
            assert member.state in {ChildState.READY, ChildState.PARKED}, f"{member.name} is {member.state}"


def check_intensity(sup: Family) -> None:
    limit = sup.spec.intensity
    restarts = [(at, fact.name) for at, fact in sup.facts(ChildRestarted) if isinstance(fact, ChildRestarted)]
    budgets = NAMES if sup.spec.on_limit is OnLimit.PARK else ("",)
    for budget in budgets:
        mine = [at for at, name in restarts if budget in {"", name}]
        for at in mine:
            assert sum(at - limit.period_s <= other <= at for other in mine) <= limit.restarts


@settings(max_examples=RUNS, deadline=None)
@given(plain=families, acts=st.lists(nature, max_size=40))
def test_whatever_children_do_starts_are_in_order_stops_in_reverse_and_the_limit_holds(
    plain: Family, acts: list[Act]
) -> None:
    sup = Watched(plain.spec)

    play(sup, acts)
    come_to_rest(sup)

    check_rest(sup)
    check_intensity(sup)


@settings(max_examples=RUNS, deadline=None)
@given(plain=families, acts=st.lists(nature_and_people, max_size=40))
def test_whatever_people_order_meanwhile_the_family_comes_to_rest(plain: Family, acts: list[Act]) -> None:
    play(plain, acts)
    come_to_rest(plain)

    ordered = frozenset(done.name for done in plain.answers)
    # A member stopped by order between two tries leaves the rest of its group down, as in OTP.
    is_group = plain.spec.strategy is not Strategy.ONE_FOR_ONE
    check_rest(plain, by_hand=frozenset(NAMES) if ordered and is_group else ordered)


@settings(max_examples=RUNS, deadline=None)
@given(plain=families, acts=st.lists(nature_and_people, max_size=25))
def test_from_any_moment_an_end_asked_for_comes_with_nobody_left_behind(plain: Family, acts: list[Act]) -> None:
    play(plain, acts)

    plain.mail.append(StopAsked(reason="shutdown"))
    come_to_rest(plain)

    assert plain.over != ""
    assert plain.alive == {}


@settings(max_examples=RUNS, deadline=None)
@given(plain=families, acts=st.lists(nature_and_people, max_size=40))
def test_every_order_that_was_heard_is_answered_once(plain: Family, acts: list[Act]) -> None:
    sup = Polled(plain.spec)

    play(sup, acts)
    come_to_rest(sup)

    assert sorted(done.name for done in sup.answers) == sorted(sup.ordered)


@settings(max_examples=RUNS, deadline=None)
@given(plain=families, acts=st.lists(nature_and_people, max_size=25), which=st.integers(0, 50))
def test_a_notice_heard_before_changes_nothing(plain: Family, acts: list[Act], which: int) -> None:
    play(plain, acts)
    plain.deliver()
    if not plain.notices:
        return
    notice = plain.notices[which % len(plain.notices)]

    decision = SUPERVISOR.decide(plain.state, Envelope("sup/1/1", "sup", "sup", notice, plain.now))

    assert decision.state == plain.state
    assert decision.effects == ()
