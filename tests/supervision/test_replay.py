"""A replay finds nothing where nothing differs, and names exactly what does where something does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.protocols.admin import AskBoard
from alluse_hub.protocols.claims import Directive
from alluse_hub.protocols.effects import CancelWake, Commit, Core, Decision, Do, Effect, Record, Send, Wake
from alluse_hub.protocols.flow import Event, EventsTaken, FlowPaused, FlowResumed, PauseFlow
from alluse_hub.protocols.lifecycle import ChildStart, Failed, Started, Woken
from alluse_hub.protocols.liveness import Liveness
from alluse_hub.protocols.message import Envelope, Fact, Json, Message
from alluse_hub.protocols.scarcity import SpoolGap
from alluse_hub.protocols.trail import EntryKind, Snapshot
from alluse_hub.supervision.boot import Boot
from alluse_hub.supervision.frames import fact_frame
from alluse_hub.supervision.judgement import Judgement
from alluse_hub.supervision.life import Life
from alluse_hub.supervision.memory import MemoryTrail
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.replay import replayed
from alluse_hub.supervision.spool import SpoolEntry
from tests.simulation.again import shown
from tests.supervision.toys import Nothing


@dataclass(frozen=True, slots=True)
class Sum:
    total: int = 0


def start(_name: str, _spec: Message) -> Sum:
    return Sum()


def evolve(state: Sum, fact: Fact) -> Sum:
    assert isinstance(fact, EventsTaken)
    return replace(state, total=state.total + fact.through)


def decide(state: Sum, letter: Envelope) -> Decision[Sum]:
    match letter.body:
        case Started():
            return Decision(state, (Wake("tick", 1.0),))
        case Woken(timer="tick"):
            return Decision(state, (Send("b", FlowPaused(flow=f"at {letter.at:.3f}")), Wake("tick", 1.0)))
        case Woken():
            return Decision(state, (Send("b", FlowPaused(flow="once")),))
        case AskBoard(request=text, view="add"):
            fact = EventsTaken(workstream=text, through=len(text))
            state = evolve(state, fact)
            said: tuple[Effect, ...] = (Record(fact), Do(PauseFlow(flow=text)), Send("b", FlowPaused(flow=text)))
            return Decision(state, (*said, Send("b", FlowPaused(flow=str(state.total)))))
        case AskBoard(request=text, view="commit"):
            fact = EventsTaken(workstream=text, through=1)
            return Decision(evolve(state, fact), (Commit(fact), Send("b", FlowResumed(flow=text)), Wake("late", 0.5)))
        case AskBoard(request=text, view="steer"):
            return Decision(state, (Commit(EventsTaken(workstream="b", through=0)), Send("b", directive(len(text)))))
        case AskBoard(request=text, view="steer at once"):
            return Decision(state, (Send("b", directive(len(text))),))
        case AskBoard(view="quiet"):
            return Decision(state, (CancelWake("tick"),))
        case AskBoard(view="raise"):
            raise RuntimeError("told to")
        case other:
            raise TypeError(f"a sum does not take {type(other).__name__}")


def directive(fence: int) -> Directive:
    return Directive(resource="b/x", rung="paused", command="pause", fence=1 + fence, reason="test")


SUM: Core[Sum] = Core(
    start=start,
    decide=decide,
    spec=Nothing,
    accepts=frozenset({Started, Woken, AskBoard}),
    evolve=evolve,
    facts=frozenset({EventsTaken}),
)


@dataclass
class World:
    """Carries one life, and whatever it says to nobody."""

    trail: MemoryTrail = field(default_factory=MemoryTrail)
    time: float = 10.0
    life: Life[Sum] = field(init=False)
    spooled: int = 0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return 1e9 + self.time

    def post(self, to: str, parcel: Parcel) -> None: ...
    def spawn(self, name: str, life: int, start: ChildStart) -> None: ...
    def stop(self, name: str, reason: str, grace_s: float | None, left_s: float | None) -> None: ...
    def kill(self, name: str) -> None: ...
    def terminate(self, name: str) -> None: ...
    def watch_over(self, name: str, liveness: Liveness) -> None: ...
    def do(self, job: Message) -> None: ...
    def end(self, reason: str) -> None: ...

    def recover(self, kinds: frozenset[str]) -> tuple[Json | None, list[tuple[str, bytes]]]:
        return self.trail.recover("a", kinds)

    def born(self) -> "World":
        self.life = Life(Boot("a", 1, {}, "hub", actor="the.sum"), SUM, self.trail.spool("a"), self)
        self.life.open()
        return self

    def hear(self, *asked: tuple[str, str]) -> "World":
        for view, text in asked:
            self.time += 0.01
            self.life.said(AskBoard(request=text, view=view))
        return self

    def pass_time(self, seconds: float) -> "World":
        until = self.time + seconds
        while (due := self.life.next_wake()) is not None and due <= until:
            self.time = due
            self.life.tick()
        self.time = until
        return self

    def stored(self) -> "World":
        self.life.committed(self.life.spool.n)
        return self

    def entries(self, incarnation: int = 1) -> list[SpoolEntry]:
        return [shown(entry) for entry in self.trail.entries if entry.incarnation == incarnation]


class Lacking:
    """A trail that holds nothing else."""

    def letter(self, entry_id: str) -> tuple[str, str] | None:
        return {"b/1/7": ("AskBoard", '{"request": "x", "view": "add"}')}.get(entry_id)

    def event(self, event_id: str) -> Event:
        raise LookupError(event_id)


def judge(
    entries: Sequence[SpoolEntry],
    core: Core[Sum] | None = SUM,
    left: tuple[Json | None, list[tuple[str, bytes]]] = (None, []),
    incarnation: int = 1,
) -> Judgement:
    return replayed("a", incarnation, entries, lambda _path: core, lambda _kinds: left, Lacking())


def deciding(other: Callable[[Sum, Envelope], Decision[Sum]]) -> Core[Sum]:
    return replace(SUM, decide=other)


def heard_of(entries: list[SpoolEntry], text: str) -> int:
    """Where the letter with this text was heard."""
    return next(at for at, each in enumerate(entries) if each.kind == "heard" and f'"{text}"' in each.body)


# --- nothing differs -------------------------------------------------------------------------------------------------

KINDS = ["add", "commit", "steer", "steer at once", "quiet", "wait", "stored", "die"]
ASKS = st.lists(st.tuples(st.sampled_from(KINDS), st.text(max_size=5)))


@given(ASKS)
def test_a_run_replayed_is_the_run(asks: list[tuple[str, str]]) -> None:
    world = World().born()
    for view, text in asks:
        match view:
            case "wait":
                world.pass_time(0.7)
            case "stored":
                world.stored()
            case "die":
                world.born()
            case _:
                world.hear((view, text))

    for incarnation in range(1, world.life.spool.incarnation + 1):
        earlier = MemoryTrail()
        for entry in world.trail.entries:
            if entry.incarnation < incarnation and entry.kind is EntryKind.FACT:
                earlier.facts.setdefault("a", []).append((entry.message, shown(entry).body.encode()))
        entries = world.entries(incarnation)
        left = earlier.recover("a", frozenset({"EventsTaken"}))
        judgement = judge(entries, left=left, incarnation=incarnation)

        assert (judgement.difference, judgement.unknown) == (None, "")
        assert judgement.judged == judgement.letters == sum(each.kind == "heard" for each in entries)


def test_one_that_failed_fails_again() -> None:
    world = World().born().hear(("add", "x"))
    try:
        world.hear(("raise", ""))
    except RuntimeError as error:
        world.life.failed(repr(error))

    assert world.entries()[-1].message == Failed.__name__
    assert judge(world.entries()).difference is None
    assert judge(world.entries()).judged == 3


def test_a_write_that_was_cut_short_is_no_difference() -> None:
    entries = World().born().hear(("add", "x")).entries()

    for length in range(1, len(entries)):
        assert judge(entries[:length]).difference is None


def test_a_directive_that_was_overtaken_while_it_waited_is_not_expected() -> None:
    world = World().born().hear(("steer", ""), ("steer at once", "xx")).stored()

    assert world.entries()[-1].message == "DeadLetter"
    assert judge(world.entries()).difference is None


def test_a_letter_that_its_shell_set_aside_is_not_decided() -> None:
    told = World().born().hear(("add", "x")).entries()
    at = heard_of(told, "x")
    why = '{"to": "a", "kind": "AskBoard", "why": "in quarantine: 3 incarnations of a died over it"}'
    dead = told[at]._replace(n=at + 2, kind="fact", message="DeadLetter", to="", body=why, cause=f"a/1/{at + 1}")

    judgement = judge([*told[: at + 1], dead])

    assert (judgement.difference, judgement.set_aside, judgement.judged) == (None, 1, 1)


# --- something differs -----------------------------------------------------------------------------------------------


def off_by_one(state: Sum, letter: Envelope) -> Decision[Sum]:
    """Right until the total has passed 3."""
    decision = decide(state, letter)
    if decision.state.total <= 3 or not isinstance(letter.body, AskBoard):
        return decision
    last = Send("b", FlowPaused(flow=str(decision.state.total + 1)))
    return Decision(decision.state, (*decision.effects[:-1], last))


def test_the_first_decision_that_differs_is_named_with_its_letter_and_both_sides() -> None:
    entries = World().born().hear(("add", "xx"), ("add", "yy"), ("add", "zz")).entries()
    at = heard_of(entries, "yy")

    judgement = judge(entries, deciding(off_by_one))

    found = judgement.difference
    assert found is not None
    assert found.recorded is not None
    assert found.decided is not None
    assert (found.entry, found.letter, found.kind) == (f"a/1/{at + 5}", f"a/1/{at + 1}", "AskBoard")
    assert (found.recorded.body, found.decided.body) == ('{"flow":"4"}', '{"flow":"5"}')
    assert found.why == "other than recorded: body"
    assert (judgement.judged, judgement.letters) == (2, 4)


def test_what_is_decided_now_and_was_not_is_a_difference_and_the_other_way_round() -> None:
    def silent(state: Sum, letter: Envelope) -> Decision[Sum]:
        decision = decide(state, letter)
        return Decision(decision.state, decision.effects[:1])

    entries = World().born().hear(("add", "x"), ("quiet", "")).entries()
    fewer = [each for each in entries if each.message != "PauseFlow"]
    fewer = [each._replace(n=n) for n, each in enumerate(fewer, start=1)]

    no_more = judge(entries, deciding(silent)).difference
    too_much = judge(fewer).difference

    assert no_more is not None
    assert (no_more.recorded is not None, no_more.decided) == (True, None)
    assert too_much is not None
    assert (too_much.decided is not None and too_much.decided.message) == "PauseFlow"


def test_every_altered_entry_is_found() -> None:
    world = World().born().hear(("add", "x"), ("commit", "y")).stored().hear(("add", "z"))
    entries = world.entries()
    changes: list[Callable[[SpoolEntry], SpoolEntry]] = [
        lambda each: each._replace(body=each.body.replace('"x"', '"X"').replace('"y"', '"Y"').replace('"z"', '"Z"')),
        lambda each: each._replace(to="c") if each.kind == "sent" else each,
        lambda each: each._replace(cause="a/1/99") if each.kind != "heard" and each.cause else each,
        lambda each: each._replace(power=not each.power) if each.message == "EventsTaken" else each,
    ]

    for change in changes:
        for at, entry in enumerate(entries):
            altered = change(entry)
            if altered != entry:
                found = judge([*entries[:at], altered, *entries[at + 1 :]]).difference
                assert found is not None, f"{entry} became {altered}"
                assert found.entry.startswith("a/1/")


def test_what_waits_for_its_commit_does_not_come_before_it() -> None:
    entries = World().born().hear(("commit", "y"), ("add", "x")).stored().entries()
    at = next(at for at, each in enumerate(entries) if each.message == "FlowResumed")
    doubled = [*entries, entries[at]._replace(n=len(entries) + 1)]

    assert judge(entries).difference is None
    found = judge(doubled).difference
    assert found is not None
    assert found.why == "nothing that was decided leads to it"


def test_a_timer_that_was_not_set_or_not_for_then_is_a_difference() -> None:
    entries = World().born().pass_time(1.5).entries()
    at = next(at for at, each in enumerate(entries) if each.message == "Woken")
    early = [*entries[:at], entries[at]._replace(at=entries[at].at - 0.5), *entries[at + 1 :]]
    other = [*entries[:at], entries[at]._replace(body='{"timer":"tock"}'), *entries[at + 1 :]]

    whys = [found.why for found in (judge(early).difference, judge(other).difference) if found is not None]
    assert whys == ["the timer 'tick' is set for 11.000000 at the earliest", "the timer 'tock' is not set"]


def test_a_failure_that_is_none_now_is_a_difference_and_one_that_is_new() -> None:
    world = World().born()
    try:
        world.hear(("raise", ""))
    except RuntimeError as error:
        world.life.failed(repr(error))
    mended = deciding(lambda state, _letter: Decision(state))
    broken = deciding(lambda state, letter: _raise() if isinstance(letter.body, AskBoard) else decide(state, letter))

    healed = judge(world.entries(), mended).difference
    fallen = judge(World().born().hear(("add", "x")).entries(), broken).difference

    assert healed is not None
    assert healed.why == "it failed then, and decides now"
    assert fallen is not None
    assert fallen.why == "it raises RuntimeError: new"


def _raise() -> Decision[Sum]:
    raise RuntimeError("new")


def test_a_snapshot_that_is_not_the_state_is_a_difference() -> None:
    world = World().born().hear(("add", "xx"))
    world.life.spool.write([fact_frame(Snapshot(state={"total": 2}))], world.time, world.time)
    assert judge(world.entries()).difference is None

    world.life.spool.write([fact_frame(Snapshot(state={"total": 3}))], world.time, world.time)

    found = judge(world.entries()).difference
    assert found is not None
    assert found.why == "the state then was not what the letters before it make"


def test_facts_that_were_recovered_and_are_not_there_are_a_difference() -> None:
    world = World().born().hear(("add", "xx")).born()

    found = judge(world.entries(2), incarnation=2).difference

    assert found is not None
    assert found.why == "it recovered 1 facts, and 0 are in the trail"


# --- what cannot be judged -------------------------------------------------------------------------------------------


def test_from_a_letter_that_is_not_in_the_trail_on_nothing_is_judged() -> None:
    entries = World().born().hear(("add", "x"), ("add", "y"), ("add", "z")).entries()
    at = heard_of(entries, "y")
    entries[at] = entries[at]._replace(letter="b/1/9", body="")

    judgement = judge(entries)

    assert (judgement.difference, judgement.judged, judgement.letters) == (None, 2, 4)
    assert judgement.unknown == "the letter b/1/9 is not in the trail"
    assert judgement.unknown_from == f"a/1/{at + 1}"


def test_a_gap_in_the_numbers_ends_the_judging() -> None:
    entries = World().born().hear(("add", "x"), ("add", "y")).entries()

    judgement = judge([*entries[:2], *entries[3:]])

    assert (judgement.difference, judgement.unknown) == (None, "entry 3 is not in the trail")


def test_one_of_another_version_or_recorded_by_one_is_told_apart() -> None:
    entries = World().born().entries()
    older = [entries[0]._replace(body='{"pid":1,"start_ticks":1,"parent":"hub","version":"0"}'), *entries[1:]]

    assert judge(entries, None).unknown == "the.sum is no actor of this version"
    assert judge(older).unknown == "it was recorded before specifications were"


def test_what_was_handled_without_an_entry_while_the_disk_was_full_is_not_judged() -> None:
    world = World().born().hear(("add", "x"))
    gap = SpoolGap(since=world.time, until=world.time, why="full", unrecorded={"Woken": 2}, refused={}, waited=0)
    whole = gap.model_copy(update={"unrecorded": {}, "waited": 3})
    world.life.spool.write([fact_frame(whole)], world.time, world.time)
    assert judge(world.hear(("add", "y")).entries()).unknown == ""

    world.life.spool.write([fact_frame(gap)], world.time, world.time)
    entries = world.hear(("add", "z")).entries()

    assert judge(entries).unknown == "2 entries were not written before this one: full"
    doubtful = judge([each._replace(at=world.time) for each in entries], deciding(off_by_one))
    assert (doubtful.difference, doubtful.unknown != "") == (None, True)
