from alluse_hub.supervision.timers import Timers


def test_timers_come_up_in_order_of_time_and_then_of_setting() -> None:
    timers = Timers()
    timers.set("b", 2.0)
    timers.set("a", 1.0)
    timers.set("c", 2.0)

    assert [timers.due(2.0), timers.due(2.0), timers.due(2.0), timers.due(2.0)] == ["a", "b", "c", None]


def test_setting_a_timer_again_replaces_it() -> None:
    timers = Timers()
    timers.set("a", 1.0)
    timers.set("a", 5.0)

    assert timers.due(4.0) is None
    assert timers.next_due() == 5.0


def test_a_cancelled_timer_does_not_come_up() -> None:
    timers = Timers()
    timers.set("a", 1.0)
    timers.cancel("a")

    assert timers.due(9.0) is None
    assert timers.next_due() is None
