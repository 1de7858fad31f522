from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.supervision.engine.agenda import Agenda
from alluse_hub.supervision.engine.inbox import Inbox, Source


def drain(inbox: Inbox) -> list[object]:
    items = []
    while (taken := inbox.take()) is not None:
        items.append(taken[1])
    return items


def test_sources_take_turns() -> None:
    inbox, flood, single = Inbox(), Source(), Source()
    for number in range(3):
        inbox.add(flood, number)
    inbox.add(single, "single")

    assert drain(inbox) == [0, "single", 1, 2]


def test_a_control_message_goes_ahead_of_other_sources_but_not_of_its_own() -> None:
    inbox, flood, parent = Inbox(), Source(), Source()
    for number in range(3):
        inbox.add(flood, number)
    inbox.add(parent, "earlier")
    inbox.add(parent, "exit", is_urgent=True)
    inbox.add(parent, "later")

    assert drain(inbox) == ["earlier", "exit", 0, "later", 1, 2]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), max_size=60))
def test_nothing_is_lost_or_reordered_within_a_source(steps: list[tuple[int, bool, bool]]) -> None:
    inbox, sources = Inbox(), [Source() for _ in range(4)]
    put: list[list[int]] = [[], [], [], []]
    got: list[list[int]] = [[], [], [], []]
    for serial, (index, is_urgent, takes) in enumerate(steps):
        inbox.add(sources[index], serial, is_urgent=is_urgent)
        put[index].append(serial)
        if takes and (taken := inbox.take()) is not None:
            got[sources.index(taken[0])].append(taken[1])
    while (taken := inbox.take()) is not None:
        got[sources.index(taken[0])].append(taken[1])

    assert got == put
    assert not inbox
    assert inbox.added == inbox.taken


@given(st.lists(st.floats(0, 100), max_size=30), st.floats(0, 100))
def test_what_is_due_comes_out_in_order_and_the_rest_stays(times: list[float], now: float) -> None:
    agenda = Agenda()
    for serial, due in enumerate(times):
        agenda.add(due, serial)

    out = []
    while (item := agenda.take(now)) is not None:
        out.append(item)

    assert out == sorted((n for n, due in enumerate(times) if due <= now), key=lambda n: (times[n], n))
    assert len(agenda) == len(times) - len(out)
