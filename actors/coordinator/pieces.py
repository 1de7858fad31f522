"""Events of a window added up: kept one by one in pieces, or as slices of its length.

Pure.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

from alluse_hub.protocols.conditions.values import NUMBER_MAX
from alluse_hub.protocols.states import replace

SLICES = 60
CHUNK = 128
"""Events that are added up together while they are kept one by one."""

STEP = math.log(1.02)
"""Of the histogram: neighbouring steps differ by 2 %, so the middle of one is within 1 % of what fell into it."""

STEPS_MAX = 1_000
"""Steps, or different values, of one slice."""

Value = int | float | str | None  # None: it could not be told
Item = tuple[float, int, Value]  # when, its place among all that were heard, and its value


@dataclass(frozen=True, slots=True)
class Piece:
    """Some events in a row, added up.  Without ``items`` they are a slice."""

    first: float  # when the oldest came
    last: float
    n_first: int
    n_last: int
    count: int
    doubtful: int
    total: float
    least: float
    most: float
    first_value: Value
    last_value: Value
    changes: int  # values that differ from the one before, within
    items: tuple[Item, ...] = ()
    steps: tuple[tuple[int, int], ...] = ()  # of a slice of numbers: step of the histogram, and how often
    kinds: tuple[str, ...] = ()  # of a slice of texts: the different ones
    is_blurred: bool = False  # more steps or different values than are kept


def piece_of(items: tuple[Item, ...]) -> Piece:
    numbers = [value for _, _, value in items if isinstance(value, int | float)]
    values = [value for _, _, value in items]
    return Piece(
        first=items[0][0],
        last=items[-1][0],
        n_first=items[0][1],
        n_last=items[-1][1],
        count=len(items),
        doubtful=values.count(None),
        total=bounded(sum(numbers)),
        least=min(numbers, default=0),
        most=max(numbers, default=0),
        first_value=values[0],
        last_value=values[-1],
        changes=sum(one != other for one, other in pairwise(values)),
        items=items,
    )


def bounded(total: float) -> float:
    """Sums of very large numbers stop at the largest."""
    return max(-NUMBER_MAX, min(NUMBER_MAX, total))


def sliced(slices: tuple[Piece, ...], item: Item, length: float) -> tuple[Piece, ...]:
    width = length / SLICES
    if slices and math.floor(slices[-1].last / width) == math.floor(item[0] / width):
        return (*slices[:-1], _joined(slices[-1], item))
    return (*slices, _joined(None, item))


def _joined(piece: Piece | None, item: Item) -> Piece:
    at, n, value = item
    fresh = replace(piece_of((item,)), items=(), steps=_steps((), value), kinds=_kinds((), value))
    if piece is None:
        return fresh
    steps, kinds = _steps(piece.steps, value), _kinds(piece.kinds, value)
    is_number = isinstance(value, int | float)
    had_numbers = bool(piece.steps)
    return replace(
        piece,
        last=at,
        n_last=n,
        count=piece.count + 1,
        doubtful=piece.doubtful + (value is None),
        total=bounded(piece.total + fresh.total),
        least=(min(piece.least, fresh.least) if had_numbers else fresh.least) if is_number else piece.least,
        most=(max(piece.most, fresh.most) if had_numbers else fresh.most) if is_number else piece.most,
        last_value=value,
        changes=piece.changes + (value != piece.last_value),
        steps=steps[:STEPS_MAX],
        kinds=kinds[:STEPS_MAX],
        is_blurred=piece.is_blurred or len(steps) > STEPS_MAX or len(kinds) > STEPS_MAX,
    )


def _kinds(kinds: tuple[str, ...], value: Value) -> tuple[str, ...]:
    return (*kinds, value) if isinstance(value, str) and value not in kinds else kinds


def _steps(steps: tuple[tuple[int, int], ...], value: Value) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, int | float):
        return steps
    step = step_of(value)
    for place, (known, count) in enumerate(steps):
        if known == step:
            return (*steps[:place], (step, count + 1), *steps[place + 1 :])
        if known > step:
            return (*steps[:place], (step, 1), *steps[place:])
    return (*steps, (step, 1))


ZERO = 100_000
"""Beyond the steps of all floats, so that those of positive numbers are positive, and 0 is that of 0."""


def step_of(value: float) -> int:
    if value == 0:
        return 0
    step = math.floor(math.log(abs(value)) / STEP) + ZERO
    return step if value > 0 else -step


def middle_of(step: int) -> float:
    if step == 0:
        return 0.0
    size = math.exp(min((abs(step) - ZERO + 0.5) * STEP, LOG_MAX))
    return size if step > 0 else -size


LOG_MAX = math.log(NUMBER_MAX)
