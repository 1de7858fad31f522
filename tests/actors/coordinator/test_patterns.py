"""Patterns: what they find, what they refuse, and that no text makes them slow."""

import random
import re
import time

import pytest

from alluse_hub.protocols.conditions import patterns
from alluse_hub.protocols.conditions.patterns import PATTERN_MAX, Pattern, PatternError


@pytest.mark.parametrize(
    ("pattern", "text", "is_found"),
    [
        ("a", "bab", True),
        ("^a", "ba", False),
        ("a$", "ab", False),
        ("^$", "", True),
        ("^$", "x", False),
        ("", "anything", True),
        ("a|b", "xxb", True),
        ("(ab)+c", "ababc", True),
        ("^a{2,3}$", "aaaa", False),
        ("^a{2,}$", "aaaa", True),
        ("^a{0}b", "b", True),
        ("[a-c]x", "cx", True),
        ("[^a-c]x", "cx", False),
        (r"^\d+\.\d\d$", "12.50", True),
        (r"\w\s\W", "a !", True),
        (r"^[\w-]+$", "a-b_c", True),
        ("[]]", "]", True),
        ("^.$", "\n", False),
        (r"\+", "1+1", True),
        ("(?:ab){2}", "abab", True),
        ("^AAPL$|^IBM$", "IBM", True),
        ("é", "café", True),
    ],
)
def test_a_pattern_is_found_anywhere_in_a_text(pattern: str, text: str, is_found: bool) -> None:
    assert Pattern(pattern).is_found_in(text) is is_found


@pytest.mark.parametrize(
    ("pattern", "at", "right"),
    [
        ("(a", 0, "this '(' is not closed"),
        ("a)", 1, "this ')' closes nothing"),
        ("*a", 0, "repeats nothing here"),
        ("a**", 2, "a repeat stands after a repeat"),
        ("a{x}", 1, "write '{3}'"),
        ("a{5,2}", 1, "from fewer to more"),
        ("a{1000}", 1, "up to 100"),
        ("[a", 0, "this '[' is not closed"),
        ("[z-a]", 1, "from one character to a later one"),
        (r"(a)\1", 3, "is not known"),
        ("(?=a)", 1, "groups that look around"),
        ("((((a{99}){99}){99}){99})", 0, "too large"),
        ("(" * 30 + "a" + ")" * 30, 21, "groups within one another"),
        ("a" * (PATTERN_MAX + 1), PATTERN_MAX, "at most 200 characters"),
    ],
)
def test_what_cannot_be_matched_in_linear_time_or_makes_no_sense_is_refused(pattern: str, at: int, right: str) -> None:
    with pytest.raises(PatternError) as caught:
        Pattern(pattern)

    assert right in str(caught.value)
    assert caught.value.at == at or right == "too large"


def grown(dice: random.Random, depth: int = 0) -> str:
    kind = dice.randrange(9)
    if depth > 3 or kind < 3:
        leaf = dice.choice(("a", "b", ".", "[ab]", "[^a]", r"\d", "1"))
        return leaf + dice.choice(("", "", "*", "+", "?", "{2}", "{0,2}", "{1,}"))
    if kind == 3:
        return f"({grown(dice, depth + 1)}|{grown(dice, depth + 1)})"
    if kind == 4:
        return f"({grown(dice, depth + 1)}){dice.choice(('*', '+', '?', '{2}', '{0,2}', '{1,}'))}"
    if kind == 5:
        return dice.choice(("^", "$", "")) + grown(dice, depth + 1)
    return grown(dice, depth + 1) + grown(dice, depth + 1)


@pytest.mark.parametrize("kept", [1_000, 3])
def test_it_finds_what_the_librarys_matcher_finds(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "KEPT_MAX", kept)
    dice = random.Random(2)
    for _ in range(1_500):
        pattern = grown(dice)
        if len(pattern) > PATTERN_MAX:
            continue
        try:
            made = Pattern(pattern)
        except PatternError as refused:
            assert "too large" in str(refused)  # noqa: PT017  # any other is an error of this test
            continue
        for _ in range(3):
            text = "".join(dice.choice("ab1c") for _ in range(dice.randrange(7)))
            expected = re.search(pattern.replace("$", r"\Z"), text) is not None
            assert made.is_found_in(text) is expected, (pattern, text)


@pytest.mark.parametrize("pattern", ["(x+x+)+y", "(.*)*z", ".*.*.*.*.*z", "(x|xx)*y", "(a?){30}a{30}z"])
def test_no_pattern_is_a_trap(pattern: str) -> None:
    began = time.process_time()

    assert Pattern(pattern).is_found_in("x" * 4_096) is False
    assert time.process_time() - began < 1.0
