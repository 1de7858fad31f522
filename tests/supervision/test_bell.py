import os
import select

from alluse_hub.supervision.bell import Bell


def is_ringing(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


def test_it_rings_until_it_is_hushed_however_often_it_was_rung() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()

    assert is_ringing(bell.fd)
    bell.hush()
    assert not is_ringing(bell.fd)
    bell.hush()
    bell.close()


def test_who_rings_a_closed_bell_writes_to_nobody() -> None:
    bell = Bell()
    number = bell.fd
    bell.close()
    bell.close()
    other = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    assert other == number

    bell.ring()

    assert not is_ringing(other)
    os.close(other)
