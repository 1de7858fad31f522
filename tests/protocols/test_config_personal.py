"""[[trail.personal]]: what can be kept is taken, and everything else refused with words and what would be right."""

import pytest

from alluse_hub.protocols.config import ConfigError, HubConfig, parse
from alluse_hub.protocols.config_personal import refuse_readers
from alluse_hub.protocols.personal import FIELDS_MAX, PersonalField
from alluse_hub.protocols.rules import Rule, Tell

WORKSTREAM = '[[workstream]]\nid = "ws4"\nname = "Four"\nprogram = ["sh"]\n'
RULE = """
[[rule]]
id = "big"
name = "Big"
workstream = "ws4"
event = "order_filled"
when = "{when}"
tell = [ {{ workstream = "ws4", command = "note", parameters = {{ text = "{text}" }} }} ]
"""


def declared(*fields: str, more: str = "") -> HubConfig:
    tables = "".join(f"[[trail.personal]]\n{field}\n" for field in fields)
    return parse(f"{tables}{more}{WORKSTREAM}", "hub.toml")


def field(path: str, more: str = "") -> str:
    return f'event = "order_filled"\nfield = "{path}"\nsubject = "account"\n{more}'


def test_a_declaration_says_whose_a_field_is_and_whether_it_must_be_kept() -> None:
    config = declared(field("account"), field("client.name", 'workstream = "ws4"\nduty = false'))

    assert [(one.field, one.workstream, one.duty) for one in config.trail.personal] == [
        ("account", "", True),
        ("client.name", "ws4", False),
    ]


@pytest.mark.parametrize(
    ("fields", "more", "key", "wrong", "right"),
    [
        ([field("a b")], "", "field", 'is "a b"', "must match"),
        ([field("account", 'workstream = "ws5"')], "", "workstream", "is 'ws5', no workstream", "ws4"),
        ([field("account"), field("account")], "", "field", "is 'account', which is declared already", "outer"),
        ([field("client.name"), field("client")], "", "field", "client.name is in client", "the outer one alone"),
        ([field("account", 'fields = "x"')], "", "fields", "is an unknown key", "field"),
        (['event = "order_filled"\nfield = "a"'], "", "subject", "is missing", "add `subject"),
        ([field("account")], RULE.format(when="account == 'x'", text="t"), "field", "the rule 'big' reads", "own"),
        ([field("account")], RULE.format(when="true", text="for {account}"), "field", "the rule 'big' reads", "own"),
        ([field("client")], RULE.format(when="client.age > 3", text=""), "field", "the rule 'big' reads", "own"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused(fields: list[str], more: str, key: str, wrong: str, right: str) -> None:
    with pytest.raises(ConfigError) as refused:
        declared(*fields, more=more)

    told = [problem for problem in refused.value.problems if problem.key.endswith(f".{key}")]
    assert told, str(refused.value)
    assert wrong in told[0].wrong
    assert right in told[0].right


def test_a_rule_that_knows_the_field_by_another_name_reads_it_all_the_same() -> None:
    named = WORKSTREAM.replace("program", 'fields = { whose = "account" }\nprogram')
    tables = f"[[trail.personal]]\n{field('account')}\n{RULE.format(when='whose == 3', text='')}{named}"

    with pytest.raises(ConfigError) as refused:
        parse(tables, "hub.toml")

    assert any("the rule 'big' reads" in problem.wrong for problem in refused.value.problems)


def test_a_rule_that_comes_while_the_hub_runs_is_refused_in_the_same_words() -> None:
    fields = (PersonalField(event="order_filled", field="account", subject="account"),)
    tell = Tell(workstream="ws4", command="note", parameters={"a": [{"b": "for {account}"}]})
    rules = [
        Rule(id="a", name="A", workstream="ws4", event="order_filled", when="account == 'x'"),
        Rule(id="b", name="B", workstream="ws4", event="order_filled", tell=(tell,)),
        Rule(id="c", name="C", workstream="ws4", event="order_filled", when="quantity > 3"),
        Rule(id="d", name="D", workstream="ws4", event="other", when="account == 'x'"),
        Rule(id="e", name="E", workstream="ws4", event="order_filled", once_per="{account}"),
    ]

    assert [text.partition(":")[0] for text in refuse_readers(rules, fields, {})] == ["a", "b", "e"]


def test_a_rule_that_does_not_read_the_field_is_no_matter() -> None:
    rule = RULE.format(when="quantity > 3 and kind == 'account'", text="{quantity}")

    assert declared(field("account"), more=rule).trail.personal


def test_there_are_not_more_than_so_many() -> None:
    with pytest.raises(ConfigError):
        declared(*(field(f"f{n}") for n in range(FIELDS_MAX + 1)))
