"""When what is sealed, and when a class of it has outlived its duty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.actors.auditor.segments import WORTH_ENTRIES, Hot, Part, SegmentManifest, due, ended, within
from alluse_hub.protocols.retention import DAYS_MIN, Retention

DAY = 86_400.0
NOW = 1e9
MANY = 2_000_000


def hot(first: int = 1, newest: int = 10_000, signed: int = 10_000, old: int = 0, age: float = 0.0) -> Hot:
    return Hot(first, newest, signed, old, NOW - age)


@pytest.mark.parametrize(
    ("here", "places"),
    [
        (hot(), None),
        (hot(old=5_000, age=DAY), None),
        (hot(old=5_000, age=2 * DAY), (1, 4_864)),
        (hot(newest=100_000, signed=100_000, old=WORTH_ENTRIES + 10), (1, WORTH_ENTRIES)),
        (hot(newest=100_000, signed=100_000, old=WORTH_ENTRIES - 1), None),
        (hot(first=513, old=512, age=9 * DAY), None),
        (hot(first=513, old=800, age=9 * DAY), (513, 768)),
        (hot(old=5_000, signed=300, age=2 * DAY), (1, 256)),
        (hot(old=255, age=2 * DAY), None),
        (hot(newest=MANY, signed=MANY), (1, MANY // 2 // 256 * 256)),
        (hot(newest=9 * MANY, signed=9 * MANY), (1, MANY // 256 * 256)),
        (hot(newest=512, signed=512, old=512, age=2 * DAY), (1, 256)),
    ],
    ids=[
        "young", "old-but-few", "twice-as-old", "old-and-many", "nearly-many", "nothing-old", "from-a-border",
        "unsigned", "no-tile", "too-many", "far-too-many", "never-the-newest",
    ],
)  # fmt: skip
def test_what_is_due(here: Hot, places: tuple[int, int] | None) -> None:
    assert due(here, NOW, DAY, MANY) == places


@given(
    first=st.integers(0, 50).map(lambda tile: tile * 256 + 1),
    more=st.integers(0, 5_000),
    unsigned=st.integers(0, 600),
    through=st.integers(0, 20_000),
    entries_max=st.integers(1, 4_000),
)
def test_only_whole_tiles_are_sealed_and_never_the_newest_nor_what_is_unsigned(
    first: int, more: int, unsigned: int, through: int, entries_max: int
) -> None:
    newest = first + more
    here = Hot(first, newest, newest - unsigned, 0, NOW)

    places = within(here, through, entries_max)

    if places is not None:
        assert places[0] == first
        assert (places[0] % 256, places[1] % 256) == (1, 0)
        assert places[1] <= min(through, newest - 1, newest - unsigned)
        assert places[1] - first < max(entries_max, 256)
    elif entries_max >= 256:
        assert min(through, newest - 1, newest - unsigned) // 256 * 256 < first


def manifest(*classes: Retention) -> SegmentManifest:
    return SegmentManifest(
        origin="alluse/1",
        first=1,
        last=256,
        root="",
        sealed_at=NOW,
        written_from=NOW - 9 * DAY,
        written_until=NOW,
        classes={one: Part(entries=1, file=one.value) for one in classes},
        kinds={},
        files={},
    )


@pytest.mark.parametrize(
    ("days", "over"),
    [
        (29.9, set()),
        (30, {Retention.HEARTBEAT}),
        (366, {Retention.HEARTBEAT, Retention.OPS}),
        (2_192, {Retention.HEARTBEAT, Retention.OPS, Retention.BOOKS}),
        (100_000, set(DAYS_MIN)),
    ],
)
def test_a_duty_ends_with_the_youngest_entry_and_what_is_permanent_has_none(days: float, over: set[Retention]) -> None:
    assert set(ended(DAYS_MIN, manifest(*Retention), NOW + days * DAY)) == over


def test_a_class_that_is_not_in_a_segment_does_not_expire_there() -> None:
    assert ended(DAYS_MIN, manifest(Retention.OPS), NOW * 9) == (Retention.OPS,)
