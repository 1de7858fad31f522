"""What a word that nobody knows was meant to be: the known one nearest to it, else all there are.

If several are equally near, as ``ws1`` and ``ws2`` are to ``ws9``, none of them is more likely than the others.
"""

from collections.abc import Iterable
from difflib import SequenceMatcher

NEAR = 0.6
"""Least share of characters that both words have in the same order, 0 to 1 (Ratcliff and Obershelp, as ``difflib``)."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that is nearest to ``word``, if it is near and alone."""
    matcher = SequenceMatcher(b=word)
    found: list[tuple[float, str]] = []
    for name in set(known):
        matcher.set_seq1(name)
        if min(matcher.real_quick_ratio(), matcher.quick_ratio()) >= NEAR and (ratio := matcher.ratio()) >= NEAR:
            found.append((ratio, name))
    found.sort(reverse=True)
    is_alone = len(found) == 1 or (len(found) > 1 and found[0][0] > found[1][0])
    return found[0][1] if is_alone else None


def meant(word: str, known: Iterable[str]) -> str:
    """What would be right instead of ``word``, for a sentence."""
    names = sorted(set(known))
    near = nearest(word, names)
    if near is not None:
        return f"did you mean {near!r}?"
    return f"there are {', '.join(names)}" if names else "none is declared"
