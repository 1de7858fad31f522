"""What the monitor tells the replicator: each word once asked for, the newest of it, and again if it was lost."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.monitor import announcing
from alluse_hub.actors.monitor.state import Monitor, Turn, evolve, start
from alluse_hub.protocols.effects import Record, Send
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.names import REPLICATOR
from alluse_hub.protocols.versions import DatasetsTold, EventCondition, SyncEventMet, Version
from alluse_hub.protocols.workstream import MonitorSpec


def monitor() -> Monitor:
    spec = MonitorSpec(workstream="ws9", python="some:Thing", datasets=("prices",), sync_events=("closed",))
    return start("ws9", spec)


def version(n: int) -> Version:
    return Version(vector={"ws9": n}, digest=f"{n:064x}")


class Story:
    def __init__(self) -> None:
        self.state = monitor()
        self.asks = 0

    def says(self, n: int, name: str = "prices", event: str = "") -> list[DatasetsTold]:
        turn = Turn(self.state, 1.0)
        announcing.made(turn, {name: version(n)})
        if event:
            announcing.happened(turn, Event(ws="ws9", n=n, event=event))
        announcing.tell(turn)
        return self._told(turn)

    def asked(self, heard: int, number: int | None = None) -> list[DatasetsTold]:
        turn = Turn(self.state, 1.0)
        self.asks += 1
        announcing.asked(turn, self.asks if number is None else number, heard)
        return self._told(turn)

    def _told(self, turn: Turn) -> list[DatasetsTold]:
        self.state = turn.state
        sends = [effect for effect in turn.effects if isinstance(effect, Send)]
        assert all(send.to == REPLICATOR for send in sends)
        return [send.message for send in sends if isinstance(send.message, DatasetsTold)]


def test_the_first_word_goes_unasked_and_the_next_when_it_is_asked_for() -> None:
    story = Story()

    first = story.says(1)
    unasked = [story.says(2), story.says(3)]
    [after] = story.asked(1)

    assert [word.versions["prices"].by("ws9") for word in first] == [1]
    assert unasked == [[], []]
    assert (after.serial, after.versions["prices"].by("ws9")) == (2, 3)


def test_a_question_that_finds_nothing_new_is_answered_with_what_comes() -> None:
    story = Story()
    story.says(1)

    assert story.asked(1) == []
    assert len(story.says(2)) == 1


def test_a_word_that_was_lost_is_said_again_with_its_event() -> None:
    story = Story()
    story.says(1, event="closed")

    [again] = story.asked(0)

    assert (again.serial, again.events) == (2, ("closed",))
    assert again.versions["prices"].by("ws9") == 1


def test_a_question_that_comes_twice_is_answered_once() -> None:
    story = Story()
    story.says(1)
    story.says(2)

    assert [len(story.asked(1, number)) for number in (1, 1, 1)] == [1, 0, 0]


def test_only_what_somebody_syncs_is_told() -> None:
    story = Story()

    assert story.says(1, name="secrets", event="opened") == []


def test_a_late_word_of_the_program_does_not_set_it_back() -> None:
    story = Story()
    story.says(5)
    story.says(4)

    assert story.asked(1) == []
    assert story.state.announced.versions["prices"].by("ws9") == 5


def test_a_new_replicator_is_told_all() -> None:
    story = Story()
    story.says(3)
    turn = Turn(story.state, 2.0)
    announcing.asked_afresh(turn)

    assert [effect.message.versions["prices"].by("ws9") for effect in turn.effects if isinstance(effect, Send)
            and isinstance(effect.message, DatasetsTold)] == [3]  # fmt: skip


# --- conditions ------------------------------------------------------------------------------------------------------

WAITS = {"models": EventCondition(event="trained", when="accuracy > 0.9")}


class Watching:
    """A monitor that asks a condition, its facts, and what it tells."""

    def __init__(self, waits: dict[str, EventCondition], **fields: str) -> None:
        spec = MonitorSpec(workstream="ws9", python="some:Thing", sync_conditions=waits, fields=fields)
        self.fresh = start("ws9", spec)
        self.state, self.facts, self.told, self.n = self.fresh, list[Fact](), list[DatasetsTold](), 0

    def turn(self, what: Callable[[Turn], None]) -> list[DatasetsTold]:
        turn = Turn(self.state, 1.0)
        what(turn)
        self.state = turn.state
        self.facts += [effect.fact for effect in turn.effects if isinstance(effect, Record)]
        told = [e.message for e in turn.effects if isinstance(e, Send) and isinstance(e.message, DatasetsTold)]
        self.told += told
        return told

    def says(self, event: str = "trained", **payload: Any) -> list[DatasetsTold]:
        self.n += 1
        said = Event(ws="ws9", n=self.n, event=event, payload=payload)

        def hear(turn: Turn) -> None:
            announcing.happened(turn, said)
            announcing.tell(turn)

        return self.turn(hear)

    def asked(self, number: int, heard: int) -> list[DatasetsTold]:
        return self.turn(lambda turn: announcing.asked(turn, number, heard))

    def pulse(self) -> list[DatasetsTold]:
        return self.turn(lambda turn: announcing.tell(turn, news=True))

    def dies(self) -> None:
        """Its next life folds its facts."""
        self.state = self.fresh
        for fact in self.facts:
            self.state = evolve(self.state, fact)


def test_an_event_makes_a_sync_due_if_its_condition_is_true_and_unknown_is_not_true() -> None:
    watch = Watching(WAITS)

    told = [watch.says(accuracy=0.5), watch.says(score=1), watch.says("other", accuracy=1), watch.says(accuracy=0.95)]

    assert told[:3] == [[], [], []]
    [word] = told[3]
    assert word.met == {"models": 4}
    assert [(fact.sync, fact.n) for fact in watch.facts if isinstance(fact, SyncEventMet)] == [("models", 4)]


def test_what_a_condition_said_is_told_now_and_then_with_its_values_and_not_with_every_event() -> None:
    watch = Watching(WAITS)
    watch.says(accuracy=0.5)
    watch.says(score=1)

    [word] = watch.pulse()

    asked = word.asked["models"]
    assert (asked.true, asked.false, asked.unknown, asked.n, asked.value) == (0, 1, 1, 2, None)
    assert "accuracy > 0.9" in asked.why
    assert "accuracy" in asked.why
    assert word.met == {}
    assert watch.pulse() == []


def test_fields_have_the_names_that_conditions_know() -> None:
    watch = Watching(WAITS, accuracy="figures.acc")

    [word] = watch.says(figures={"acc": 0.99})

    assert word.met == {"models": 1}


def test_an_event_that_made_a_sync_due_is_told_until_that_is_known_to_be_heard() -> None:
    watch = Watching(WAITS)
    [first] = watch.says(accuracy=0.99)
    [again] = watch.asked(1, heard=0)
    quiet = watch.asked(2, heard=again.serial)

    assert (first.met, again.met, quiet) == ({"models": 1}, {"models": 1}, [])
    assert watch.state.kept.met == {}


def test_an_event_that_made_a_sync_due_outlives_its_monitor() -> None:
    watch = Watching(WAITS)
    watch.says(accuracy=0.99)
    watch.dies()

    [word] = watch.pulse()

    assert word.met == {"models": 1}


def test_a_second_such_event_is_told_though_the_first_was_on_its_way() -> None:
    watch = Watching(WAITS)
    [first] = watch.says(accuracy=0.99)
    watch.says(accuracy=0.98)
    watch.says(accuracy=0.97)

    [second] = watch.asked(1, heard=first.serial)

    assert (first.met, second.met) == ({"models": 1}, {"models": 2})
    assert sum(isinstance(fact, SyncEventMet) for fact in watch.facts) == 2  # a row of them is one


def test_a_new_replicator_is_told_again_what_the_last_one_may_not_have_done() -> None:
    watch = Watching(WAITS)
    watch.says(accuracy=0.99)

    [word] = watch.turn(announcing.asked_afresh)

    assert word.met == {"models": 1}
    assert word.asked["models"].true == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["true", "false", "lost ask", "ask", "dies"]), max_size=40))
def test_whatever_is_lost_the_last_true_event_is_told(steps: list[str]) -> None:
    watch = Watching(WAITS)
    last, number, heard = 0, 0, 0
    told_of = 0
    for step in steps:
        match step:
            case "true":
                words = watch.says(accuracy=0.99)
                last = watch.n
            case "false":
                words = watch.says(accuracy=0.1)
            case "dies":
                watch.dies()
                number = heard = 0
                words = []
            case _:
                number += 1
                words = watch.asked(number, heard)
        for word in words if step != "lost ask" else []:
            heard, told_of = word.serial, max(told_of, word.met.get("models", 0))
    for _ in range(3):
        number += 1
        for word in (*watch.asked(number, heard), *watch.pulse()):
            heard, told_of = word.serial, max(told_of, word.met.get("models", 0))

    first_after = [fact.n for fact in watch.facts if isinstance(fact, SyncEventMet)]
    assert told_of == max(first_after, default=0)  # a row that was not told yet counts as its first
    assert (last == 0) == (told_of == 0)
    assert watch.state.kept.met == {}
