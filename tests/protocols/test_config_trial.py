"""A file for a trial: laid over what was there then, and refused with file, line, key and what would be right."""

import pytest

from alluse_hub.actors.coordinator.checks import check_rules
from alluse_hub.protocols.approvals import Level
from alluse_hub.protocols.claims import Mode
from alluse_hub.protocols.config_trial import Candidate, parse_trial
from alluse_hub.protocols.personal import PersonalField
from alluse_hub.protocols.problems import ConfigError
from alluse_hub.protocols.resources import Pool
from tests.actors.coordinator.worlds import SHIPPED, SPEC, TRADING

THEN = SPEC.model_copy(update={"pools": (Pool(resource="ws5/analysis", capacity=2),), "levels": {"ws2": Level.MANUAL}})
LADDER = """
[[resource]]
resource = "ws4/trading"
rungs = [
  { name = "normal", uses = ["open"], command = "set_mode" },
  { name = "paused", command = "set_mode" },
]
"""
WHOSE = PersonalField(field="holder.name", event="market_data_update", subject="holder.id", workstream="ws3")
CALM = """
[[rule]]
id = "calm"
name = "Calm"
workstream = "ws3"
event = "calmed"
[[rule.tell]]
workstream = "ws1"
command = "rest"
pure = true
"""


def parsed(text: str, *, is_whole: bool = False) -> Candidate:
    return parse_trial(text, "my.toml", THEN, SHIPPED, check_rules, is_whole=is_whole)


def refused(text: str, *, is_whole: bool = False) -> str:
    with pytest.raises(ConfigError) as error:
        parsed(text, is_whole=is_whole)
    return str(error.value)


def test_an_empty_file_changes_nothing() -> None:
    found = parsed("")

    assert found.rules == SHIPPED
    assert found.overlay.is_nothing
    assert found.overlay.over(THEN) is THEN


def test_rules_are_laid_over_those_of_then_or_stand_alone() -> None:
    assert [rule.id for rule in parsed(CALM).rules] == [*(rule.id for rule in SHIPPED), "calm"]
    assert [rule.id for rule in parsed(CALM, is_whole=True).rules] == ["calm"]


def test_resources_are_laid_over_by_their_path_and_others_stay() -> None:
    text = LADDER + '[[pool]]\nresource = "ws5/analysis"\ncapacity = 7\n[[mutex]]\nresource = "ws1/pen"\n'

    found = parsed(text.replace('"paused"', '"reduce_only", uses = [] , command = "set_mode" }, { name = "paused"'))
    spec = found.overlay.over(THEN)

    (mode,) = spec.modes
    assert isinstance(mode, Mode)
    assert [rung.name for rung in mode.rungs] == ["normal", "reduce_only", "paused"]
    assert {pool.resource: pool.capacity for pool in spec.pools} == {"ws5/analysis": 7, "ws1/pen": 1}
    assert found.overlay.named() == ["ws4/trading", "ws5/analysis", "ws1/pen"]


def test_what_is_as_it_was_is_no_change() -> None:
    assert parsed('[[pool]]\nresource = "ws5/analysis"\ncapacity = 2\n').overlay.is_nothing


def test_of_a_workstream_only_what_is_given_changes() -> None:
    text = '[[workstream]]\nid = "ws4"\nlevel = "supervised"\nfields = { volume = "trade.qty" }\nprogram = ["x"]\n'

    spec = parsed(text).overlay.over(THEN)

    assert spec.levels == {"ws2": Level.MANUAL, "ws4": Level.SUPERVISED}
    assert spec.fields == {"ws4": {"volume": "trade.qty"}}
    assert spec.approvers == {}


def test_tables_that_decide_nothing_are_passed_over_and_named() -> None:
    flow = '[[flow]]\nsource = "ws1"\ntarget = "ws2"\nevents = ["a"]\n[hub]\nname = "x"\n[[workflow]]\nid = "w"\n'

    assert parsed(flow).passed == ("flow", "hub", "workflow")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[rules]]\n", "my.toml:1: rules is no table of the configuration; did you mean 'rule'?"),
        ("[[pool\n", "my.toml:1: this is not TOML"),
        (
            '\n[[pool]]\nresource = "ws5/analysis"\ncapacity = 0\n',
            "my.toml:4: pool[ws5/analysis].capacity is 0; must be greater than or equal to 1",
        ),
        (
            '[[pool]]\nresource = "ws5/analysis"\ncapactiy = 3\n',
            "my.toml:3: pool[ws5/analysis].capactiy is an unknown key; did you mean 'capacity'?",
        ),
        (
            '[[pool]]\nresource = "ws9/analysis"\ncapacity = 3\n',
            "my.toml:1: pool[ws9/analysis] begins with 'ws9', no workstream; there are ws1, ws2",
        ),
        (
            '[[workstream]]\nid = "ws4"\nlevel = "manuel"\n',
            "my.toml:3: workstream[ws4].level is \"manuel\"; did you mean 'manual'?",
        ),
        (
            '[[workstream]]\nid = "ws4"\nlevle = "manual"\n',
            "my.toml:3: workstream[ws4].levle is an unknown key; did you mean 'level'?",
        ),
        (
            '[[workstream]]\nid = "ws44"\nlevel = "manual"\n',
            "my.toml:2: workstream[ws44].id is 'ws44', no workstream of then; did you mean 'ws4'?",
        ),
        ("workstream = 3\n", "my.toml:1: workstream must be an array of tables; begin each with [[workstream]]"),
        (
            '[[workstream]]\nid = "ws4"\n[[workstream]]\nid = "ws4"\n',
            "my.toml:3: workstream[ws4] is declared twice; put its keys into one table",
        ),
        (
            '[[workstream]]\nid = "ws4"\napprovers = 0\n',
            "my.toml:3: workstream[ws4].approvers is 0; must be greater than or equal to 1",
        ),
        (
            '[[pool]]\nresource = "ws4/trading"\ncapacity = 1\n',
            "my.toml:1: pool[ws4/trading] was a resource then; write [[resource]], or give it another path",
        ),
        (
            '[[pool]]\nresource = "ws1/a"\ncapacity = 1\n[[mutex]]\nresource = "ws1/a"\n',
            "is declared twice; give one of them another name",
        ),
        (CALM.replace("calmed", ""), "my.toml:2: rule[calm] listens to no event; name one"),
    ],
)
def test_what_is_wrong_is_told_with_file_line_key_and_what_would_be_right(text: str, told: str) -> None:
    assert told in refused(text)


def test_a_ladder_that_rules_of_then_do_not_go_with_is_refused_where_it_is_declared() -> None:
    text = LADDER.replace('"paused"', '"halted"')

    told = refused(text)

    assert "my.toml:2: resource[ws4/trading] does not go with volatility-pause of then, which holds" in told
    assert "did you mean" in told or "there are halted, normal" in told


def test_names_of_fields_that_would_show_a_rule_what_is_personal_are_refused() -> None:
    spec = THEN.model_copy(update={"personal": (WHOSE,)})
    text = '[[workstream]]\nid = "ws3"\nfields = { volume = "holder.name" }\n'

    with pytest.raises(ConfigError, match="does not go with market-data-sync of then, which reads"):
        parse_trial(text, "my.toml", spec, SHIPPED, check_rules, is_whole=False)


def test_all_that_is_wrong_is_told_at_once() -> None:
    told = refused(LADDER.replace('"ws4/', '"ws9/') + '[[workstream]]\nid = "ws8"\n[[rules]]\n')

    assert len(told.splitlines()) == 3
    assert TRADING.resource == "ws4/trading"
