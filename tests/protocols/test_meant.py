"""What a word that nobody knows was meant to be."""

import pytest

from alluse_hub.protocols.meant import meant, nearest


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("nam", ["name", "reference"], "did you mean 'name'?"),
        ("phy", ["phi", "deadline"], "did you mean 'phi'?"),
        ("zzz", ["b", "a"], "there are a, b"),
        ("zzz", [], "none is declared"),
    ],
)
def test_the_nearest_is_named_else_all_there_are(word: str, known: list[str], said: str) -> None:
    assert meant(word, known) == said


def test_of_several_that_are_equally_near_none_is_named() -> None:
    assert nearest("ws9", ["ws1", "ws2"]) is None
    assert meant("ws9", ["ws1", "ws2"]) == "there are ws1, ws2"


def test_the_only_one_near_is_named_though_it_is_said_twice() -> None:
    assert nearest("ws", ["ws1", "ws1", "router"]) == "ws1"
