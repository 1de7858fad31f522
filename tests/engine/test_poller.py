from alluse_hub.supervision.engine.poller import Poller


def test_a_ring_wakes_the_next_poll_and_is_taken_by_it() -> None:
    poller = Poller()
    poller.ring()

    assert poller.poll(5.0) == []
    assert poller.poll(0.0) == []
    poller.close()


def test_a_ring_after_the_close_does_nothing() -> None:
    poller = Poller()
    poller.close()

    poller.ring()
