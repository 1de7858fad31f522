"""What the monitor tells the replicator: each word once asked for, the newest of it, and again if it was lost."""

from alluse_hub.actors.monitor import announcing
from alluse_hub.actors.monitor.state import Monitor, Turn, start
from alluse_hub.protocols.effects import Send
from alluse_hub.protocols.names import REPLICATOR
from alluse_hub.protocols.versions import DatasetsTold, Version
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
            announcing.happened(turn, event)
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
