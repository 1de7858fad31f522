"""What an actor has in hand: found by the next incarnation, counted, and set aside in the end."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alluse_hub.protocols.quarantine import Death
from alluse_hub.supervision.handfile import hand_of
from alluse_hub.supervision.inhand import (
    DEATHS_MAX,
    HAND_BYTES,
    INCARNATION_AT,
    LETTER_BYTES,
    QUARANTINE_S,
    SUSPECTS_MAX,
    TABLE_AT,
    Hand,
)

BODY = b'{"view":"x"}'


class Lives:
    """Incarnations of one actor, over one memory."""

    def __init__(self) -> None:
        self.memory = bytearray(HAND_BYTES)
        self.incarnation = 0
        self.letters = 0
        self.now = 0.0
        self.hand = self.born()

    def born(self, version: str = "1") -> Hand:
        self.incarnation += 1
        self.hand = Hand(self.memory, self.incarnation, version, self.now)
        return self.hand

    def takes(self, body: bytes = BODY, sender: str = "a", kind: str = "AskBoard") -> bool:
        """Whether the letter is handed on."""
        self.letters += 1
        return self.hand.take(sender, kind, body, f"{sender}/1/{self.letters}", self.now) is None

    def dies_over(self, body: bytes = BODY, times: int = 1) -> None:
        for _ in range(times):
            assert self.takes(body)
            self.born()

    def survives(self, body: bytes = BODY) -> None:
        assert self.takes(body)
        self.hand.put_down()


@pytest.fixture
def lives() -> Lives:
    return Lives()


def test_a_first_incarnation_inherits_nothing(lives: Lives) -> None:
    assert lives.hand.died_over is None


def test_the_next_incarnation_knows_what_the_last_one_died_over(lives: Lives) -> None:
    lives.dies_over()

    found = lives.hand.died_over
    assert found is not None
    assert (found.sender, found.kind, found.size) == ("a", "AskBoard", len(BODY))
    assert found.deaths == (Death(incarnation=1, letter="a/1/1"),)
    assert found.held_at is None


def test_who_dies_with_nothing_in_hand_leaves_nothing(lives: Lives) -> None:
    lives.survives()

    assert lives.born().died_over is None


def test_a_death_is_found_once(lives: Lives) -> None:
    lives.dies_over()

    assert lives.born().died_over is None


def test_after_three_deaths_the_letter_is_not_taken_again(lives: Lives) -> None:
    lives.dies_over(times=DEATHS_MAX)

    poison = lives.hand.take("a", "AskBoard", BODY, "a/1/9", 0.0)
    assert poison is not None
    assert [death.letter for death in poison.deaths] == ["a/1/1", "a/1/2", "a/1/3"]
    assert [death.incarnation for death in poison.deaths] == [1, 2, 3]


def test_two_deaths_are_not_enough(lives: Lives) -> None:
    lives.dies_over(times=DEATHS_MAX - 1)

    assert lives.takes()


def test_what_was_handled_once_is_a_suspect_no_more(lives: Lives) -> None:
    lives.dies_over(times=DEATHS_MAX - 1)
    lives.survives()
    lives.dies_over(times=DEATHS_MAX - 1)

    assert lives.takes()


def test_deaths_over_other_letters_and_without_any_change_nothing(lives: Lives) -> None:
    for _ in range(DEATHS_MAX):
        lives.dies_over(b"1")
        lives.dies_over(b"2")
        lives.survives(b"3")
        lives.born()

    assert not lives.takes(b"1")
    assert not lives.takes(b"2")
    assert lives.takes(b"3")


def test_another_sender_kind_or_body_is_another_letter(lives: Lives) -> None:
    lives.dies_over(times=DEATHS_MAX)

    assert lives.takes(sender="b")
    assert lives.takes(kind="AskCounts")
    assert lives.takes(BODY + b" ")
    assert not lives.takes()


def test_of_a_long_body_the_beginning_is_compared(lives: Lives) -> None:
    long = b"x" * LETTER_BYTES
    lives.dies_over(long + b"1", times=DEATHS_MAX)

    assert not lives.takes(long + b"2")
    assert lives.takes(long[1:])


def test_a_quarantine_holds_over_further_deaths_and_ends_with_one_try(lives: Lives) -> None:
    lives.dies_over(times=DEATHS_MAX)
    lives.born()
    assert not lives.takes()

    lives.now += QUARANTINE_S
    lives.dies_over()
    assert not lives.takes()


def test_who_survives_that_try_has_the_letter_back(lives: Lives) -> None:
    lives.dies_over(times=DEATHS_MAX)
    lives.now += QUARANTINE_S
    lives.survives()
    lives.born()

    assert lives.takes()


def test_another_version_of_the_hub_tries_again(lives: Lives) -> None:
    lives.dies_over(times=DEATHS_MAX)
    lives.born("2")

    assert lives.takes()


def test_each_incarnation_tells_once_what_it_sets_aside(lives: Lives) -> None:
    lives.dies_over(times=DEATHS_MAX)
    poison = lives.hand.take("a", "AskBoard", BODY, "a/1/9", 0.0)
    assert poison is not None

    assert [lives.hand.is_news(poison) for _ in range(3)] == [True, False, False]
    assert lives.born().is_news(poison)


def test_suspects_are_bounded_and_fit_their_memory(lives: Lives) -> None:
    """With the longest names there are."""
    name = "x" * 48
    for number in range(3 * SUSPECTS_MAX):
        for _ in range(DEATHS_MAX):
            letter = f"{name}/999999999/9999999999"
            lives.hand.take(name, "K" * 40, str(number).encode(), letter, 0.0)
            lives.born()

    assert len(lives.hand._suspects) == SUSPECTS_MAX
    assert len(lives.memory) == HAND_BYTES


@pytest.mark.parametrize("at", [TABLE_AT, TABLE_AT + 4, TABLE_AT + 20])
def test_what_was_torn_or_damaged_is_forgotten(lives: Lives, at: int) -> None:
    lives.dies_over(times=DEATHS_MAX)
    lives.memory[at] ^= 0xFF
    lives.born()

    assert lives.takes()


@given(
    steps=st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=60),
)
def test_a_letter_is_set_aside_exactly_when_three_died_over_it_since_it_was_last_handled(
    steps: list[tuple[int, bool]],
) -> None:
    """Against a count by hand: five letters, each time survived or not."""
    lives = Lives()
    deaths = dict.fromkeys(range(5), 0)
    for number, is_survived in steps:
        body = str(number).encode()
        if deaths[number] >= DEATHS_MAX:
            assert not lives.takes(body)
        elif is_survived:
            lives.survives(body)
            deaths[number] = 0
        else:
            lives.dies_over(body)
            deaths[number] += 1


@given(st.binary(max_size=128), st.binary(max_size=64))
@example(b"\1\0\0\0\0", b"")
@example(b"\1\1", b"")
def test_whatever_stands_in_the_memory_a_hand_can_be_made(head: bytes, rest: bytes) -> None:
    memory = bytearray(HAND_BYTES)
    memory[: len(head)] = head
    memory[INCARNATION_AT] = 1
    memory[TABLE_AT : TABLE_AT + len(rest)] = rest

    assert Hand(memory, 1, "1", 0.0).take("a", "AskBoard", BODY, "a/1/1", 0.0) is None


# --- the file --------------------------------------------------------------------------------------------------------


def test_a_file_of_its_own_for_each_actor_outlives_who_wrote_it(tmp_path: Path) -> None:
    for incarnation in range(1, DEATHS_MAX + 1):
        hand_of(tmp_path, "a", incarnation, "1", 0.0).take("b", "AskBoard", BODY, "b/1/1", 0.0)
    hand_of(tmp_path, "c", 1, "1", 0.0)

    again = hand_of(tmp_path, "a", DEATHS_MAX + 1, "1", 0.0)
    assert again.take("b", "AskBoard", BODY, "b/1/1", 0.0) is not None
    assert sorted(path.name for path in (tmp_path / "run" / "hand").iterdir()) == ["a", "c"]


def test_one_that_is_closed_holds_no_descriptor_and_takes_what_still_comes(tmp_path: Path) -> None:
    hand = hand_of(tmp_path, "a", 1, "1", 0.0)
    hand.close()

    assert not [fd for fd in Path("/proc/self/fd").iterdir() if fd.exists() and fd.resolve().is_relative_to(tmp_path)]
    assert hand.take("b", "AskBoard", BODY, "b/1/1", 0.0) is None
    hand.put_down()
    assert hand_of(tmp_path, "a", 2, "1", 0.0).died_over is None


def test_where_no_file_can_be_an_actor_starts_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("no folder", encoding="utf-8")

    assert hand_of(tmp_path, "a", 1, "1", 0.0).take("b", "AskBoard", BODY, "b/1/1", 0.0) is None
