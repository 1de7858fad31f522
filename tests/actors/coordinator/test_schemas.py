"""Rules against what workstreams declare of their events: refused with file, line, key and what is meant."""

import pytest

from alluse_hub import configuration
from alluse_hub.actors.coordinator.checks import check_rules
from alluse_hub.protocols.config import parse
from alluse_hub.protocols.emitted import FieldKind
from alluse_hub.protocols.problems import ConfigError
from tests.actors.coordinator.timed import rule
from tests.actors.coordinator.worlds import TRADING, WORKSTREAMS

EMITTED = {
    "ws2": {"risk": {"scope": FieldKind.TEXT, "level": FieldKind.NUMBER, "book": FieldKind.MAP}},
    "ws4": {"fill": {"scope": FieldKind.TEXT, "quantity": FieldKind.NUMBER, "ok": FieldKind.TRUTH}},
}


@pytest.mark.parametrize(
    ("when", "wrong"),
    [
        ("levle > 0.5", "column 1: the event has no field 'levle'; did you mean 'level'?"),
        ("scope > 0.5", "column 7: text cannot be compared with a number; number(x) makes a number"),
        ("level", "column 1: a condition must be true or false; this is a number"),
        ('sum(ws4.fill.ok, "60s") > 1', "column 1: sum() needs a number; ws4.fill.ok is true or false"),
        (
            'count(ws4.fill, "60s", by(skope, scope)) > 1',
            "column 1: ws4.fill has no field 'skope'; did you mean 'scope'?",
        ),
        ('count(ws44.fill, "60s") > 1', "column 1: 'ws44' is no workstream; did you mean 'ws4'?"),
    ],
)
def test_a_condition_that_no_such_event_can_answer_is_refused(when: str, wrong: str) -> None:
    (found,) = check_rules((rule(when=when),), (TRADING,), WORKSTREAMS, EMITTED)

    assert found.startswith(f"high: condition {when!r}, {wrong}")


@pytest.mark.parametrize(
    "when",
    ["level > 0.5 && book.anything > 1", 'count(ws4.fill, "60s", where(ok && quantity > 1), by(scope)) > level'],
)
def test_one_that_it_can_is_taken(when: str) -> None:
    assert check_rules((rule(when=when),), (TRADING,), WORKSTREAMS, EMITTED) == []


def test_what_is_not_declared_may_be_anything() -> None:
    assert check_rules((rule(event="other", when="levle > 0.5"),), (TRADING,), WORKSTREAMS, EMITTED) == []


WRONG = """
[[rule]]
id = "busy"
name = "Busy"
workstream = "ws3"
event = "market_data_update"
when = "volum > 2 * volume_mean_20"
cooldown = "5 minutes"
tell = [{ workstream = "ws5", command = "analyze_patterns" }]
"""


def test_a_file_is_refused_with_line_and_key_of_all_that_is_wrong() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(
            WRONG.replace('cooldown = "5 minutes"\n', ""),
            "hub.toml",
            base=configuration.reference(),
            check_rules=check_rules,
        )
    assert "hub.toml:2" in str(caught.value)
    assert "the event has no field 'volum'" in str(caught.value)
    assert "did you mean 'volume'?" in str(caught.value)

    with pytest.raises(ConfigError) as caught:
        parse(WRONG, "hub.toml", base=configuration.reference(), check_rules=check_rules)
    assert "hub.toml:8" in str(caught.value)
    assert "cooldown" in str(caught.value)
