"""Pools, mutexes, values and data sets in the configuration: what they give, and what is wrong with them."""

import pytest

from alluse_hub.actors.catalog import coordinator_spec
from alluse_hub.actors.coordinator.checks import check_rules
from alluse_hub.configuration import as_toml, reference
from alluse_hub.protocols.claims import Policy
from alluse_hub.protocols.config import ConfigError, HubConfig, parse
from alluse_hub.protocols.resources import Dataset, Form, Pool, Value

WS = "".join(
    f'[[workstream]]\nid = "{name}"\nname = "{name}"\npython = "a.b:C"\n' for name in ("a", "b")
)  # lines 3 to 10
HEAD = "[hub]\nreference = false\n"
RUNGS = '[{ name = "on", command = "c" }, { name = "off", command = "c" }]'
OTHERS = '[{ name = "on", command = "c" }, { name = "of", command = "c" }]'
POOL = '[[pool]]\nresource = "a/p"\ncapacity = 2\n'
RULE = '[[rule]]\nid = "r"\nname = "R"\nworkstream = "a"\nevent = "e"\n[[rule.tell]]\nworkstream = "b"\ncommand = "c"\n'


def read(text: str) -> HubConfig:
    return parse(HEAD + WS + text, "hub.toml", check_rules=check_rules)


def test_each_kind_is_declared_and_comes_to_the_coordinator() -> None:
    config = read(
        POOL
        + '[[mutex]]\nresource = "a/m"\npolicy = "priority"\n'
        + '[[value]]\nresource = "a/v"\nform = "number"\ndefault = "3"\n'
        + '[[dataset]]\nresource = "b/d"\npolicy = "human"\n'
    )
    spec = coordinator_spec(config)

    assert spec.pools == (
        Pool(resource="a/p", capacity=2),
        Pool(resource="a/m", capacity=1, policy=Policy.PRIORITY),
    )
    assert spec.values == (Value(resource="a/v", form=Form.NUMBER, default="3"),)
    assert spec.datasets == (Dataset(resource="b/d", policy=Policy.HUMAN),)
    assert [resource.resource for resource in spec.resources] == ["a/p", "a/m", "a/v", "b/d"]


def test_what_is_shown_of_a_configuration_gives_the_same_again() -> None:
    config = read(POOL + '[[mutex]]\nresource = "a/m"\n[[value]]\nresource = "a/v"\n[[dataset]]\nresource = "b/d"\n')

    assert parse(as_toml(config), "again.toml", check_rules=check_rules) == config


def test_the_reference_has_a_pool_that_a_rule_takes_from() -> None:
    config = parse("", "hub.toml", base=reference(), check_rules=check_rules)

    assert [(pool.resource, pool.capacity) for pool in config.pools] == [("ws5/analysis", 2)]
    takes = {rule.id: tell.takes for rule in config.rules for tell in rule.tell if tell.takes}
    assert takes == dict.fromkeys(("market-data-sync", "risk-threshold-alert"), ("ws5/analysis",))


ERRORS = {
    "pool of nobody": (
        '[[pool]]\nresource = "c/p"\ncapacity = 2\n',
        "hub.toml:11: pool[c/p] begins with 'c', no workstream; there are a, b",
    ),
    "pool of nothing": (
        '[[pool]]\nresource = "a/p"\ncapacity = 0\n',
        "hub.toml:13: pool[a/p].capacity is 0; must be greater than or equal to 1",
    ),
    "pool without a size": (
        '[[pool]]\nresource = "a/p"\n',
        "hub.toml:11: pool[a/p].capacity is missing; add `capacity = …` to this table",
    ),
    "unknown policy": (
        POOL + 'policy = "fairshare"\n',
        "hub.toml:14: pool[a/p].policy is \"fairshare\"; did you mean 'fair-share'?",
    ),
    "policy of another kind": (
        '[[dataset]]\nresource = "a/d"\npolicy = "fair-share"\n',
        "hub.toml:13: dataset[a/d].policy",
    ),
    "key of another kind": (
        '[[mutex]]\nresource = "a/m"\ncapacity = 2\n',
        "hub.toml:13: mutex[a/m].capacity is an unknown key",
    ),
    "one path for two": (
        POOL + '[[value]]\nresource = "a/p"\n',
        "hub.toml:14: value[a/p] is declared twice; give one of them another name",
    ),
    "default of another form": (
        '[[value]]\nresource = "a/v"\nform = "flag"\ndefault = "maybe"\n',
        "hub.toml:11: value[a/v] has the default 'maybe', no flag; say 'true' or 'false'",
    ),
    "a mode below another without its rungs": (
        f'[[resource]]\nresource = "a/t"\nrungs = {RUNGS}\n[[resource]]\nresource = "a/t/x"\nrungs = {OTHERS}\n',
        "hub.toml:14: resource[a/t/x] is below a/t and has no rung 'off'; a claim up there reaches down",
    ),
    "taking of nothing declared": (
        POOL + RULE + 'takes = ["a/q"]\n',
        "hub.toml:14: rule[r] takes 'a/q', but 'a/q' is no resource; did you mean 'a/p'?",
    ),
    "taking of no pool": (
        POOL + '[[value]]\nresource = "a/v"\n' + RULE + 'takes = ["a/v"]\n',
        "hub.toml:16: rule[r] takes 'a/v', but 'a/v' is no pool; did you mean 'a/p'?",
    ),
    "taking more than there is": (
        POOL + RULE + 'takes = ["a/p:3"]\n',
        "hub.toml:14: rule[r] takes 3 of a/p, which has 2; take no more than there is",
    ),
    "taking twice": (
        POOL + RULE + 'takes = ["a/p", "a/p"]\n',
        "hub.toml:14: rule[r] takes a/p twice; add the amounts up, as 'a/p:2'",
    ),
    "taking in other words": (
        POOL + RULE + 'takes = ["a/p: 2"]\n',
        'hub.toml:22: rule[r].tell[0].takes[0] is "a/p: 2"; must be a path such as ws4/broker, or with an amount',
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_names_file_line_key_and_remedy(name: str) -> None:
    text, wrong = ERRORS[name]

    with pytest.raises(ConfigError) as caught:
        read(text)

    assert wrong in str(caught.value)
