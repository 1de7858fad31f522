from pathlib import Path

from alluse_hub.supervision.clock import Anchor, anchored, resume


def test_the_first_start_begins_at_zero() -> None:
    assert resume(None, "boot", 500.0, 1e9) + 500.0 == 0.0


def test_within_one_boot_the_offset_stays_whatever_the_wall_clock_does() -> None:
    anchor = Anchor("boot", -400.0, 100.0, 1e9)

    assert resume(anchor, "boot", 700.0, 1e9 - 86_400) == -400.0


def test_after_a_reboot_hub_time_goes_on_by_what_the_wall_clock_says_has_passed() -> None:
    anchor = Anchor("old", -400.0, 100.0, 1e9)

    assert resume(anchor, "new", 5.0, 1e9 + 60) + 5.0 == 160.0


def test_after_a_reboot_a_wall_clock_set_back_does_not_take_hub_time_back() -> None:
    anchor = Anchor("old", -400.0, 100.0, 1e9)

    assert resume(anchor, "new", 5.0, 1e9 - 60) + 5.0 == 100.0


def test_two_starts_on_one_home_share_one_hub_time(tmp_path: Path) -> None:
    first = anchored(tmp_path)
    before = first.now()
    second = anchored(tmp_path)

    assert second.offset == first.offset
    assert second.now() >= before
