"""Letters to those who are known, and to those who are not yet."""

import pytest

from alluse_hub.supervision import peers
from alluse_hub.supervision.parcel import Parcel
from alluse_hub.supervision.peers import Peers


def letter(n: int) -> Parcel:
    return Parcel(f"a/1/{n}", "a", 1, "b", 0, 0, "Woken", b"{}", "", "")


def test_letters_to_one_incarnation_are_counted_from_1() -> None:
    known = Peers()
    assert known.meet("b", 3)

    out = [known.addressed("b", letter(n)) for n in (1, 2)]

    assert [(one.to_incarnation, one.number) for one in out if one is not None] == [(3, 1), (3, 2)]


def test_a_new_incarnation_is_news_and_is_counted_afresh() -> None:
    known = Peers()
    known.meet("b", 3)
    known.addressed("b", letter(1))

    assert not known.meet("b", 3)
    assert not known.meet("b", 2)
    assert known.meet("b", 4)
    out = known.addressed("b", letter(2))
    assert out is not None
    assert (out.to_incarnation, out.number) == (4, 1)


def test_letters_to_the_unknown_wait_in_their_order_and_only_once() -> None:
    known = Peers()

    assert [known.addressed("b", letter(n)) for n in (1, 2)] == [None, None]

    assert [one.id for one in known.waited("b")] == ["a/1/1", "a/1/2"]
    assert list(known.waited("b")) == []


def test_beyond_the_bound_the_oldest_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "UNKNOWN_MAX", 2)
    known = Peers()
    for n in (1, 2):
        known.addressed("b", letter(n))
        assert known.too_many("b") is None

    known.addressed("b", letter(3))

    lost = known.too_many("b")
    assert lost is not None
    assert lost.id == "a/1/1"
    assert [one.id for one in known.waited("b")] == ["a/1/2", "a/1/3"]
