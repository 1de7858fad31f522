from typing import Any

import pytest

from alluse_hub.actors.coordinator.checks import check_rules
from alluse_hub.protocols.claims import Mode, Rung
from alluse_hub.protocols.rules import Rule
from tests.actors.coordinator.worlds import SHIPPED, TRADING, WORKSTREAMS

HOLD = {"resource": "ws4/trading", "rung": "paused"}
TELL = {"workstream": "ws1", "command": "send_alert"}


def rule(**how: Any) -> Rule:
    usual = {"id": "r", "name": "R", "workstream": "ws2", "event": "risk", "tell": [TELL]}
    return Rule.model_validate({**usual, **how})


def test_the_shipped_rules_are_sound() -> None:
    assert check_rules(SHIPPED, (TRADING,), WORKSTREAMS) == []


@pytest.mark.parametrize(
    ("how", "wrong"),
    [
        ({"workstream": "ws9"}, "r: listens to 'ws9', no workstream; there are ws1, ws2, ws3, ws4, ws5"),
        ({"workstream": "nobody"}, "r: listens to 'nobody', no workstream; there are ws1, ws2, ws3, ws4, ws5"),
        ({"event": ""}, "r: listens to no event; name one"),
        ({"when": "a = 1"}, "r: condition 'a = 1', column 3: '=' compares nothing; write '=='"),
        ({"when": "1 +"}, "r: condition '1 +', column 4: a value is missing at the end"),
        ({"tell": []}, "r: does nothing; give it a hold, a release or a tell"),
        (
            {"hold": [{**HOLD, "resource": "ws4/tradin"}]},
            "r: holds 'ws4/tradin', no resource; did you mean 'ws4/trading'?",
        ),
        ({"hold": [{**HOLD, "rung": "pause"}]}, "r: holds ws4/trading 'pause', no rung of it; did you mean 'paused'?"),
        (
            {"hold": [{**HOLD, "rung": "normal", "safety": True}]},
            "r: holds ws4/trading normal for safety, the least of its rungs; hold a more restrictive one",
        ),
        (
            {"hold": [{**HOLD, "clock": "hub", "for_sessions": 2, "for_s": 1}]},
            "r: counts sessions of ws4/trading on the hub's clock; set clock = 'market', or give for_s",
        ),
        (
            {"hold": [{**HOLD, "clock": "hub"}]},
            "r: holds ws4/trading for no time; give for_s, or until_cleared = true",
        ),
        ({"hold": [HOLD, HOLD]}, "r: holds ws4/trading twice for one subject; one hold is enough"),
        (
            {"hold": [{**HOLD, "subject": "{a"}]},
            "r: subject: '{a' has a lone '{'; write '{name}' for a field, or '{{' for the brace itself",
        ),
        (
            {"release": [{"resource": "ws4/x", "of": "r"}], "hold": [HOLD]},
            "r: releases 'ws4/x', no resource; there are ws4/trading",
        ),
        (
            {"release": [{"resource": "ws4/trading", "of": "rr"}]},
            "r: releases holds of 'rr', no rule; did you mean 'r'?",
        ),
        (
            {"release": [{"resource": "ws4/trading", "of": "r"}]},
            "r: releases ws4/trading, which r never holds; name a rule that does",
        ),
        ({"tell": [{**TELL, "workstream": "ws7"}]}, "r: tells 'ws7', no workstream; there are ws1, ws2, ws3, ws4, ws5"),
        ({"tell": [{**TELL, "command": ""}]}, "r: tells ws1 nothing; name a command"),
        (
            {"tell": [{**TELL, "uses": ["open"]}]},
            "r: uses 'open'; write the resource and the use, such as 'ws4/trading:open'",
        ),
        (
            {"tell": [{**TELL, "uses": ["ws4/trade:open"]}]},
            "r: uses 'ws4/trade:open', but 'ws4/trade' is no resource; did you mean 'ws4/trading'?",
        ),
        (
            {"tell": [{**TELL, "uses": ["ws4/trading:opens"]}]},
            "r: uses 'ws4/trading:opens', but no rung of ws4/trading permits 'opens'; did you mean 'open'?",
        ),
        (
            {"tell": [{**TELL, "parameters": {"text": "}"}}]},
            "r: parameter 'text': '}' has a lone '}'; write '{name}' for a field, or '}}' for the brace itself",
        ),
    ],
)
def test_each_fault_of_a_rule_is_named_with_what_would_be_right(how: dict[str, Any], wrong: str) -> None:
    assert check_rules((rule(**how),), (TRADING,), WORKSTREAMS) == [wrong]


def test_two_rules_of_one_id_are_refused() -> None:
    assert check_rules((rule(), rule()), (TRADING,), WORKSTREAMS) == [
        "r: is declared twice; give one of them another id"
    ]


@pytest.mark.parametrize(
    ("mode", "wrong"),
    [
        (
            Mode(resource="ws9/a", rungs=(Rung(name="x", command="c"), Rung(name="y", command="c"))),
            "ws9/a: begins with 'ws9', no workstream; there are ws1, ws2, ws3, ws4, ws5",
        ),
        (
            Mode(resource="ws4/a", rungs=(Rung(name="x", command="c"), Rung(name="x", command="c"))),
            "ws4/a: has two rungs 'x'; give each its own name",
        ),
        (
            Mode(resource="ws4/a", rungs=(Rung(name="x", command="c"), Rung(name="y"))),
            "ws4/a: has no command for its rung 'y'; name the command that brings ws4 there",
        ),
        (
            Mode(resource="ws4/a", fail_safe="z", rungs=(Rung(name="x", command="c"), Rung(name="y", command="c"))),
            "ws4/a: fails safe to 'z', no rung of it; there are x, y",
        ),
        (
            Mode(resource="ws4/a", rungs=(Rung(name="x", command="c"), Rung(name="y", command="c", uses=("open",)))),
            "ws4/a: permits open on 'y' but not on 'x' below it; list the rungs from least to most restrictive",
        ),
    ],
)
def test_each_fault_of_a_resource_is_named(mode: Mode, wrong: str) -> None:
    assert check_rules((), (mode,), WORKSTREAMS) == [wrong]


def test_all_faults_are_told_at_once() -> None:
    found = check_rules((rule(workstream="wsx", when="", tell=[]), rule(id="s", event="")), (), ())

    assert len(found) == 6
