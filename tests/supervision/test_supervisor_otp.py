"""Life cycles recorded from Erlang/OTP 25.2.3, told to the core and compared event by event.

Each row is one recorded scenario: its tree, its steps, and what the recording has in each step, in the short form of
``alluse_hub.testing.family``: ``-a1`` exited, ``+a2`` started, ``!a2`` start failed.
"""

import pytest

from alluse_hub.protocols.children import RestartActor, StartActor, StopActor
from alluse_hub.protocols.lifecycle import ChildSpec, Exited, RestartType, Started, Strategy
from alluse_hub.testing.family import Family, child, family

ONE, ALL, REST = Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE


def transient(name: str) -> ChildSpec:
    return child(name, RestartType.TRANSIENT)


def temporary(name: str) -> ChildSpec:
    return child(name, RestartType.TEMPORARY)


def run(sup: Family, step: str) -> str:
    """``crash a c``: both have ended before the supervisor hears of it; ``exit a``: ends with normal; ``kill a``;
    ``plan a fail fail``: its next starts; ``stop``, ``start``, ``restart`` a child by order; ``end``; ``wait 2.2``."""
    sup.log.clear()
    what, *words = step.split()
    match what:
        case "crash":
            sup.crash(*words)
        case "exit":
            sup.crash(words[0], cause="normal")
        case "kill":
            sup.crash(words[0], cause="killed")
        case "plan":
            sup.start_plans[words[0]] = words[1:]
        case "stop":
            sup.say(StopActor(name=words[0]))
        case "start":
            sup.say(StartActor(name=words[0]))
        case "restart":
            sup.say(RestartActor(name=words[0]))
        case "wait":
            sup.pass_time(float(words[0]))
        case "end":
            sup.stop()
        case other:
            raise ValueError(other)
    return sup.story + (" over" if sup.over else "")


@pytest.mark.parametrize(
    ("strategy", "limit", "children", "steps"),
    [
        pytest.param(
            ONE, (20, 30), "n s t e r k",
            [("exit n", "-n1 +n2"), ("crash e", "-e1 +e2"), ("crash r", "-r1 +r2"), ("kill k", "-k1 +k2"),
             ("end", "-k2 -r2 -e2 -t1 -s1 -n2 over")],
            id="matrix-ofo-permanent",
        ),
        pytest.param(
            ONE, (20, 30), [temporary(name) for name in "nek"],
            [("exit n", "-n1"), ("crash e", "-e1"), ("kill k", "-k1"), ("end", " over")],
            id="matrix-ofo-temporary",
        ),
        pytest.param(
            ONE, (20, 30), "a b",
            [("plan a fail fail fail", ""), ("crash a", "-a1 !a2 !a3 !a4 +a5"), ("end", "-b1 -a5 over")],
            id="ofo-init-fails-thrice",
        ),
        pytest.param(
            ONE, (20, 30), "a b c", [("crash c a", "-c1 -a1 +c2 +a2"), ("end", "-c2 -b1 -a2 over")],
            id="ofo-two-at-once",
        ),
        pytest.param(
            ALL, (20, 30), "a b c",
            [("crash c", "-c1 -b1 -a1 +a2 +b2 +c2"), ("crash c", "-c2 -b2 -a2 +a3 +b3 +c3"),
             ("end", "-c3 -b3 -a3 over")],
            id="ofa-crash-last",
        ),
        pytest.param(
            ALL, (20, 30), "a b c",
            [("stop b", "-b1"), ("crash c", "-c1 -a1 +a2 +b2 +c2"), ("end", "-c2 -b2 -a2 over")],
            id="ofa-revives-terminated",
        ),
        pytest.param(
            ALL, (20, 30), "a b c",
            [("plan c fail fail", ""),
             ("crash b", "-b1 -c1 -a1 +a2 +b2 !c2 -b2 -a2 +a3 +b3 !c3 -b3 -a3 +a4 +b4 +c4")],
            id="ofa-last-init-fails-twice",
        ),
        pytest.param(
            ALL, (20, 30), [child("a"), temporary("b"), child("c")],
            [("crash a", "-a1 -c1 -b1 +a2 +c2"), ("end", "-c2 -a2 over")],
            id="ofa-temporary-bystander",
        ),
        pytest.param(
            ALL, (1, 5), "a b c", [("crash a c", "-a1 -c1 -b1 +a2 +b2 +c2")],
            id="ofa-two-at-once",
        ),
        pytest.param(
            ALL, (2, 30), "a b c",
            [("crash c b", "-c1 -b1 -a1 +a2 +b2 +c2"), ("crash a", "-a2 -c2 -b2 +a3 +b3 +c3"),
             ("crash c", "-c3 -b3 -a3 over")],
            id="ofa-dead-sibling-limit",
        ),
        pytest.param(
            REST, (20, 30), "a b c d",
            [("crash a", "-a1 -d1 -c1 -b1 +a2 +b2 +c2 +d2"), ("end", "-d2 -c2 -b2 -a2 over")],
            id="rfo-crash-first",
        ),
        pytest.param(
            REST, (20, 30), "a b c d",
            [("plan c fail", ""), ("crash a", "-a1 -d1 -c1 -b1 +a2 +b2 !c2 +c3 +d2")],
            id="rfo-init-fails-later",
        ),
        pytest.param(
            REST, (1, 5), "a b c d", [("crash a c", "-a1 -c1 -d1 -b1 +a2 +b2 +c2 +d2")],
            id="rfo-later-dead-second",
        ),
        pytest.param(
            REST, (20, 30), [transient("a"), child("b"), child("c")],
            [("exit a", "-a1"), ("crash b", "-b1 -c1 +b2 +c2"), ("end", "-c2 -b2 over")],
            id="rfo-down-before-stays-down",
        ),
        pytest.param(
            REST, (20, 30), [temporary("a"), child("b"), child("c")],
            [("crash a", "-a1"), ("end", "-c1 -b1 over")],
            id="rfo-temporary-first-crashes",
        ),
        pytest.param(
            ONE, (3, 30), "a b c",
            [("crash a", "-a1 +a2"), ("crash a", "-a2 +a3"), ("crash a", "-a3 +a4"), ("crash a", "-a4 -c1 -b1 over")],
            id="limit-exact",
        ),
        pytest.param(
            ONE, (1, 1), "a b c",
            [("crash a", "-a1 +a2"), ("wait 2.2", ""), ("crash a", "-a2 +a3"), ("wait 2.2", ""),
             ("crash b", "-b1 +b2")],
            id="limit-window-passes",
        ),
        pytest.param(
            ONE, (0, 5), "a mid b c", [("crash b", "-b1 -c1 -mid1 -a1 over")],
            id="limit-reached-order",
        ),
        pytest.param(
            ONE, (1, 5), "a b", [("stop a", "-a1"), ("plan a fail", ""), ("start a", "!a2"), ("start a", "+a3")],
            id="api-restart-fails",
        ),
        pytest.param(
            ONE, (1, 5), "a b c d", [("end", "-d1 -c1 -b1 -a1 over")],
            id="stop-reverse",
        ),
    ],
)  # fmt: skip
def test_core_lives_as_recorded_from_otp(
    strategy: Strategy, limit: tuple[int, float], children: str | list[ChildSpec], steps: list[tuple[str, str]]
) -> None:
    members = children.split() if isinstance(children, str) else children
    sup = family(*members, strategy=strategy, restarts=limit[0], period_s=limit[1]).up()

    assert [(step, run(sup, step)) for step, _ in steps] == steps


@pytest.mark.parametrize(
    ("children", "failing", "story"),
    [
        pytest.param(
            [child("a"), child("b"), child("c"), child("d")], "c", "+a1 +b1 !c1 -b1 -a1", id="start-fails-in-middle"
        ),
        pytest.param([child("a"), child("b")], "a", "!a1", id="start-fails-first"),
        pytest.param([child("a"), temporary("b")], "b", "+a1 !b1 -a1", id="start-fails-temporary"),
    ],
)
def test_failed_start_of_the_supervisor_is_as_recorded_from_otp(
    children: list[ChildSpec], failing: str, story: str
) -> None:
    sup = family(*children)
    sup.start_plans = {failing: ["fail"]}

    sup.say(Started(incarnation=1))

    assert sup.story == story
    assert sup.over.startswith(f"failed_to_start_child: {failing}")


def test_hanging_child_is_killed_after_its_time_as_in_stop_hang_killed_after_time() -> None:
    sup = family("a", "b", "c").up()
    sup.hangs_on_stop = {"b"}

    assert run(sup, "end") == "-c1"

    assert run(sup, "wait 3") == "-b1 -a1 over"
    assert [notice.cause for notice in sup.notices] == ["shutdown", "killed", "shutdown"]


def test_stopping_between_two_tries_leaves_the_rest_down_as_in_api_terminate_during_group_restart() -> None:
    sup = family("a", "b", "c", strategy=ALL).up()
    sup.start_plans = {"b": ["hang"]}
    sup.crash("a")
    sup.say(StopActor(name="b"))  # waits while b is starting

    sup.alive.pop("b")
    sup.say(Exited(name="b", life=2, cause="error: no start"), "sup")

    assert sup.story == "-a1 -c1 -b1 +a2 +b2"
    assert sup.states == "a:ready b:stopped c:stopped"
    assert [done.ok for done in sup.answers] == [True]
    assert run(sup, "start c") == "+c2"
    assert run(sup, "start b") == "+b3"
    assert run(sup, "end") == "-c2 -b3 -a2 over"
