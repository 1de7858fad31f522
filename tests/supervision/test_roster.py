"""A roster is an ordered map of which every earlier version stays as it was."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.supervision.roster import PAGE, Roster


@dataclass(frozen=True)
class Thing:
    name: str
    value: int = 0


NAMES = [f"n{number}" for number in range(3 * PAGE)]

changes = st.lists(st.tuples(st.sampled_from(["add", "put", "remove"]), st.sampled_from(NAMES)), max_size=400)


def changed(roster: Roster[Thing], kept: dict[str, Thing], what: str, name: str, value: int) -> Roster[Thing]:
    """The same done to both, where it can be done."""
    match what:
        case "add" if name not in kept:
            kept[name] = Thing(name, value)
            return roster.add(kept[name])
        case "put" if name in kept:
            kept[name] = Thing(name, value)
            return roster.put(kept[name])
        case "remove" if name in kept:
            del kept[name]
            return roster.remove(name)
        case _:
            return roster


@given(size=st.integers(0, 3 * PAGE), acts=changes)
def test_a_roster_keeps_what_a_dictionary_keeps_in_the_same_order(size: int, acts: list[tuple[str, str]]) -> None:
    kept = {name: Thing(name) for name in NAMES[:size]}
    roster = Roster.of(kept.values())
    earlier = []
    for value, (what, name) in enumerate(acts):
        earlier.append((roster, list(kept.values())))
        roster = changed(roster, kept, what, name, value)

    assert list(roster) == list(kept.values())
    assert list(reversed(roster)) == list(kept.values())[::-1]
    assert len(roster) == len(kept)
    assert [roster.get(name) for name in NAMES] == [kept.get(name) for name in NAMES]
    assert all(list(before) == things for before, things in earlier)


@given(acts=changes)
def test_whoever_comes_and_goes_takes_no_more_room_than_twice_those_who_are_there(acts: list[tuple[str, str]]) -> None:
    roster: Roster[Thing] = Roster()
    kept: dict[str, Thing] = {}
    for value, (what, name) in enumerate(acts):
        roster = changed(roster, kept, what, name, value)

        assert sum(map(len, roster.pages)) <= 2 * len(roster) + PAGE + 1


def test_what_has_changed_is_told_in_pairs() -> None:
    before = Roster.of(map(Thing, NAMES))
    after = before.put(Thing("n7", 1)).remove("n100").add(Thing("new"))

    assert list(after.changed_since(before)) == [
        (Thing("n7"), Thing("n7", 1)), (Thing("n100"), None), (None, Thing("new")),
    ]  # fmt: skip
    assert list(before.changed_since(before)) == []


def test_a_change_copies_one_page() -> None:
    before = Roster.of(map(Thing, NAMES))
    after = before.put(Thing("n7", 1))

    assert [was is now for was, now in zip(before.pages, after.pages, strict=True)] == [False, True, True]
    assert after.drawers is before.drawers


def test_two_of_one_name_are_not_taken() -> None:
    with pytest.raises(AssertionError, match="two of one name"):
        Roster.of([Thing("a"), Thing("a")])
    with pytest.raises(AssertionError, match="two of the name a"):
        Roster.of([Thing("a")]).add(Thing("a"))
