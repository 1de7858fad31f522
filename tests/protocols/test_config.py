"""From TOML to a configuration, and every error with its line and remedy."""

import itertools
from pathlib import Path

import pytest

from alluse_hub.actors.coordinator.checks import check_rules
from alluse_hub.actors.workstreams.catalog import FLOWS
from alluse_hub.protocols.config import ConfigError, HubConfig, Source, parse
from alluse_hub.protocols.config_checks import cycles

REFERENCE = (Path(__file__).parents[2] / "actors" / "reference.toml").read_text(encoding="utf-8")
BASE = Source("reference.toml", REFERENCE)

GOOD = """\
[[workstream]]
id = "a"
name = "A"
program = ["true"]

[[workstream]]
id = "b"
name = "B"
program = ["true"]
depends_on = ["a"]
"""  # 10 lines


def told(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse(text, "hub.toml", check_rules=check_rules)
    return str(error.value).split("\n")


def test_an_empty_text_gives_the_defaults() -> None:
    assert parse("", "hub.toml") == HubConfig().model_copy(
        update={"replay": HubConfig().replay.model_copy(update={"source": ""})}
    )


def test_the_reference_is_right() -> None:
    config = parse(REFERENCE, "reference.toml", check_rules=check_rules)

    assert [workstream.id for workstream in config.workstreams] == ["ws1", "ws2", "ws3", "ws4", "ws5"]
    assert all(workstream.lockstep for workstream in config.workstreams)
    assert {workstream.id: workstream.depends_on for workstream in config.workstreams} == {
        "ws1": (),
        "ws2": ("ws1",),
        "ws3": ("ws1", "ws2"),
        "ws4": ("ws1", "ws2", "ws3"),
        "ws5": ("ws1", "ws2", "ws3", "ws4"),
    }
    assert {rule.id for rule in config.rules} == {
        "market-data-sync",
        "risk-threshold-alert",
        "risk-cleared-resume",
        "volatility-pause",
        "learning-model-update",
    }
    assert [rung.name for rung in config.resources[0].rungs] == ["normal", "reduce_only", "paused"]


def test_the_reference_flows_are_those_that_the_workstreams_agree_on() -> None:
    agreed = {(source, target, event) for source, events, targets in FLOWS for target in targets for event in events}

    config = parse(REFERENCE, "reference.toml")

    assert {(flow.source, flow.target, event) for flow in config.flows for event in flow.events} == agreed


# --- laying one over the other ----------------------------------------------------------------------------------------


def test_a_workstream_is_added_by_configuration_alone() -> None:
    config = parse('[[workstream]]\nid = "ws6"\nname = "Six"\nprogram = ["six"]\n', "hub.toml", base=BASE)

    assert [workstream.id for workstream in config.workstreams] == ["ws1", "ws2", "ws3", "ws4", "ws5", "ws6"]
    assert not config.workstreams[-1].lockstep


def test_the_same_id_replaces_whole_and_keeps_its_place() -> None:
    config = parse('[[workstream]]\nid = "ws2"\nname = "Mine"\nprogram = ["mine"]\n', "hub.toml", base=BASE)

    assert [workstream.name for workstream in config.workstreams][1] == "Mine"
    assert config.workstreams[1].depends_on == ()


def test_of_a_section_only_the_given_keys_change() -> None:
    config = parse("[replay]\nspeed = 0\nto = 2005-01-03\n", "hub.toml", base=BASE)

    assert config.replay.speed == 0
    assert str(config.replay.end) == "2005-01-03"
    assert str(config.replay.start) == "2004-08-02"


def test_a_flow_is_replaced_by_its_two_ends() -> None:
    text = '[[flow]]\nsource = "ws3"\ntarget = "ws4"\nevents = ["market_data_update"]\nkind = "batch"\n'

    config = parse(text, "hub.toml", base=BASE)

    flow = next(flow for flow in config.flows if flow.name == "ws3-ws4")
    assert (flow.events, flow.kind.value) == (("market_data_update",), "batch")
    assert len(config.flows) == len(parse("", "hub.toml", base=BASE).flows)


def test_without_the_reference_there_is_only_what_is_declared() -> None:
    config = parse("[hub]\nreference = false\n" + GOOD, "hub.toml", base=BASE)

    assert [workstream.id for workstream in config.workstreams] == ["a", "b"]
    assert (config.rules, config.replay.source) == ((), "")


def test_dates_may_be_toml_dates_or_text() -> None:
    config = parse('[replay]\nfrom = 2004-08-02\nto = "2004-09-01"\n', "hub.toml")

    assert (str(config.replay.start), str(config.replay.end)) == ("2004-08-02", "2004-09-01")


# --- errors -----------------------------------------------------------------------------------------------------------

FLOW = '[[flow]]\nsource = "a"\ntarget = "b"\nevents = ["e"]\n'
RULE = '[[rule]]\nid = "r"\nname = "R"\nworkstream = "a"\nevent = "e"\n'
TELL = '[[rule.tell]]\nworkstream = "b"\ncommand = "c"\n'
MODE = '[[resource]]\nresource = "a/t"\nrungs = [{ name = "on", command = "c" },\n  { name = "off", command = "c" }]\n'

ERRORS = {
    "broken TOML": ("[hub]\nname = \n", ["hub.toml:2: this is not TOML, column 8: invalid value"]),
    "broken at its end": ('[hub]\nname = "x', ["hub.toml:2: this is not TOML"]),
    "key given twice": ("[hub]\nname = 'x'\nname = 'y'\n", ["hub.toml:3: this is not TOML"]),
    "unknown table": ("[hubb]\n", ["hub.toml:1: hubb is no table of the configuration; did you mean 'hub'?"]),
    "unknown key": ('[hub]\nnam = "x"\n', ["hub.toml:2: hub.nam is an unknown key; did you mean 'name'?"]),
    "unknown key of a table": (
        GOOD + "heartbeat_timeout = 3\n",
        ["hub.toml:11: workstream[b].heartbeat_timeout is an unknown key; did you mean 'heartbeat_timeout_s'?"],
    ),
    "unknown key within a key": (
        GOOD + "restart = { restart = 3 }\n",
        ["hub.toml:11: workstream[b].restart.restart is an unknown key; did you mean 'restarts'?"],
    ),
    "table instead of tables": (
        '[workstream]\nid = "a"\n',
        ["hub.toml:1: workstream must be an array of tables; begin each with [[workstream]]"],
    ),
    "value instead of table": ("hub = 3\n", ["hub.toml:1: hub must be a table; write [hub]"]),
    "missing key": (
        '[[workstream]]\nid = "a"\nprogram = ["x"]\n',
        ["hub.toml:1: workstream[a].name is missing; add `name = …` to this table"],
    ),
    "missing id": ('\n[[workstream]]\nname = "A"\nprogram = ["x"]\n', ["hub.toml:2: workstream[0].id is missing"]),
    "wrong type": ('[replay]\nspeed = "fast"\n', ['hub.toml:2: replay.speed is "fast"; must be a valid number']),
    "no conversion": (
        '[hub]\nreference = "false"\n',
        ['hub.toml:2: hub.reference is "false"; must be true or false'],
    ),
    "out of range": ("[replay]\nspeed = -1\n", ["hub.toml:2: replay.speed is -1; must be greater than or equal to 0"]),
    "no number": ("[replay]\nspeed = nan\n", ["hub.toml:2: replay.speed is NaN; must be"]),
    "no date": ('[replay]\nfrom = "2004-13-01"\n', ["hub.toml:2: replay.from is"]),
    "span backwards": (
        "[replay]\nfrom = 2005-01-01\nto = 2004-01-01\n",
        ["hub.toml:3: replay.to is 2004-01-01, before 2005-01-01"],
    ),
    "unknown source": ('[replay]\nsource = "b"\n', ["hub.toml:2: replay.source is 'b', no workstream"]),
    "value of no choice": (
        GOOD + FLOW + 'kind = "realtime"\n',
        ["hub.toml:15: flow[0].kind is \"realtime\"; did you mean 'real-time'?"],
    ),
    "fits no member of a union": (
        "[hub]\nallow_users = [1,\n true]\n",
        ["hub.toml:3: hub.allow_users[1] is true; must be a valid integer or a valid string"],
    ),
    "negative user": ("[hub]\nallow_users = [-1]\n", ["hub.toml:2: hub.allow_users[0] is -1"]),
    "bad id": (
        GOOD.replace('"b"', '"B!"'),
        ['hub.toml:7: workstream[B!].id is "B!"; must be a short word of small letters'],
    ),
    "reserved name": (
        GOOD.replace('"b"', '"coordinator"'),
        ["hub.toml:7: workstream[coordinator].id is 'coordinator', a name the hub keeps for itself"],
    ),
    "twice the same id": (
        GOOD + '[[workstream]]\nid = "a"\nname = "A"\nprogram = ["x"]\n',
        ["hub.toml:11: workstream[a] is declared twice, first on line 1"],
    ),
    "twice the same flow": (GOOD + FLOW + FLOW, ["hub.toml:15: flow[1] is declared twice, first on line 11"]),
    "unknown dependency": (
        GOOD.replace('["a"]', '[\n  "aa",\n]'),
        ["hub.toml:11: workstream[b].depends_on[0] is 'aa', no workstream; did you mean 'a'?"],
    ),
    "depends on itself": (
        GOOD.replace('["a"]', '["b"]'),
        ["hub.toml:10: workstream[b].depends_on goes round in a cycle: b -> b"],
    ),
    "cycle": (
        GOOD.replace('name = "A"', 'name = "A"\ndepends_on = ["b"]'),
        ["hub.toml:4: workstream[a].depends_on goes round in a cycle: a -> b -> a"],
    ),
    "no program": ('[[workstream]]\nid = "a"\nname = "A"\n', ["hub.toml:1: workstream[a] has no program"]),
    "program and class": (
        GOOD + 'python = "m:C"\n',
        ["hub.toml:11: workstream[b].python stands beside a program; keep one of the two"],
    ),
    "bad class path": (
        '[[workstream]]\nid = "a"\nname = "A"\npython = "m.C"\n',
        ['hub.toml:4: workstream[a].python is "m.C"; must be `package.module:Class`'],
    ),
    "unknown placeholder": (
        GOOD.replace('depends_on = ["a"]', 'env = { X = "{hom}/x" }'),
        ["hub.toml:10: workstream[b].env.X has {hom}, which nothing is put for; did you mean 'home'?"],
    ),
    "no such detector": (
        GOOD + 'detector = "phy"\n',
        ["hub.toml:11: workstream[b].detector is \"phy\"; did you mean 'phi'?"],
    ),
    "parameters of another detector": (
        GOOD + "phi_window = 50\nphi_pause_s = 0.5\nphi_threshold = 8\n",
        [
            "hub.toml:11: workstream[b].phi_window is 50, but the detector is 'deadline'; add `detector = \"phi\"`",
            "hub.toml:12: workstream[b].phi_pause_s is 0.5, but the detector is 'deadline'; add `detector = \"phi\"`",
        ],
    ),
    "a threshold that is none": (
        GOOD + 'detector = "phi"\nphi_threshold = 0.2\n',
        ["hub.toml:12: workstream[b].phi_threshold is 0.2; must be greater than or equal to 1"],
    ),
    "a window without a rhythm": (
        GOOD + 'detector = "phi"\nphi_window = 9\n',
        ["hub.toml:12: workstream[b].phi_window is 9; must be greater than or equal to 10"],
    ),
    "a window without an end": (
        GOOD + 'detector = "phi"\nphi_window = 1001\n',
        ["hub.toml:12: workstream[b].phi_window is 1001; must be less than or equal to 1000"],
    ),
    "a rhythm without a deviation": (
        GOOD + 'detector = "phi"\nphi_deviation_min_s = 0\n',
        ["hub.toml:12: workstream[b].phi_deviation_min_s is 0; must be greater than or equal to 0.001"],
    ),
    "a pause that leaves phi nothing": (
        GOOD + 'detector = "phi"\nphi_pause_s = 5\n',
        ["hub.toml:12: workstream[b].phi_pause_s is 5, which leaves phi nothing; keep it below heartbeat_timeout_s, 5"],
    ),
    "a timeout that leaves phi nothing": (
        GOOD + 'detector = "phi"\nheartbeat_timeout_s = 0.5\n',
        ["hub.toml:12: workstream[b].heartbeat_timeout_s is 0.5, which leaves phi nothing; keep it above"],
    ),
    "empty program word": (
        GOOD.replace('["true"]\ndep', '[""]\ndep'),
        ["hub.toml:9: workstream[b].program[0] is empty"],
    ),
    "flow from nowhere": (
        GOOD + FLOW.replace('source = "a"', 'source = "c"'),
        ["hub.toml:12: flow[0].source is 'c', no workstream"],
    ),
    "flow to itself": (GOOD + FLOW.replace('"b"', '"a"'), ["hub.toml:13: flow[0].target is the source as well"]),
    "flow of nothing": (GOOD + FLOW.replace('["e"]', "[]"), ["hub.toml:14: flow[0].events is empty"]),
    "event named twice": (GOOD + FLOW.replace('["e"]', '["e", "e"]'), ["hub.toml:14: flow[0].events names 'e' twice"]),
    "resource of nobody": (
        GOOD + MODE.replace("a/t", "c/t"),
        ["hub.toml:11: resource[c/t] begins with 'c', no workstream"],
    ),
    "unknown fail-safe": (
        GOOD + MODE + 'fail_safe = "of"\n',
        ["hub.toml:11: resource[a/t] fails safe to 'of', no rung of it; did you mean 'off'?"],
    ),
    "rungs twice": (
        GOOD + MODE.replace('"off"', '"on"'),
        ["hub.toml:11: resource[a/t] has two rungs 'on'; give each its own name"],
    ),
    "rule that does nothing": (GOOD + RULE, ["hub.toml:11: rule[r] does nothing; give it a hold, a release or a tell"]),
    "rule with a bad condition": (GOOD + RULE + 'when = "1 +"\n' + TELL, ["hub.toml:11: rule[r] condition '1 +'"]),
    "wrong type deep in a rule": (
        GOOD + RULE + TELL + 'deadline_s = "9"\n',
        ['hub.toml:19: rule[r].tell[0].deadline_s is "9"; must be a valid number'],
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_names_file_line_key_and_remedy(name: str) -> None:
    text, expected = ERRORS[name]

    found = told(text)

    assert len(found) == len(expected), found
    for line, beginning in zip(found, expected, strict=True):
        assert line.startswith(beginning), line
        assert "; " in line


def test_all_errors_are_told_at_once_in_the_order_of_the_file() -> None:
    text = "[hub]\nnam = 1\n[replay]\nspeed = -1\n" + GOOD.replace('["a"]', '["c"]') + FLOW.replace('"b"', '"d"')

    found = told(text)

    assert [int(line.split(":")[1]) for line in found] == [2, 4, 14, 17]


def test_a_table_that_is_wrong_in_itself_still_counts_as_declared() -> None:
    found = told(GOOD.replace('name = "A"', "name = 1"))

    assert len(found) == 1
    assert found[0].startswith("hub.toml:3: workstream[a].name")


def test_an_error_of_two_files_names_the_file_it_is_in() -> None:
    with pytest.raises(ConfigError) as error:
        parse("[hub]\nnam = 1\n", "mine.toml", base=Source("base.toml", "[replay]\nsped = 1\n"))

    assert [problem.origin for problem in error.value.problems] == ["base.toml", "mine.toml"]


def many(count: int) -> str:
    return "".join(f'[[workstream]]\nid = "w{n}"\nname = "W"\nprogram = ["x"]\n' for n in range(count))


@pytest.mark.parametrize("base", ["stock", "engine"])
def test_many_workstreams_are_taken_only_if_their_monitors_share_processes(base: str) -> None:
    alone = f'[hub]\nbase = "{base}"\n'

    (found,) = told(alone + many(101))
    assert found.startswith("hub.toml:1: hub.monitors_per_process is 1, with 101 workstreams; above 100 let monitors")
    assert len(parse(f"{alone}monitors_per_process = 50\n{many(500)}", "hub.toml").workstreams) == 500


def test_too_many_workstreams_are_refused() -> None:
    text = "[hub]\nmonitors_per_process = 50\n" + many(501)

    assert told(text) == ["hub.toml:3: workstream declares 501; at most 500 in one hub"]


def test_a_cell_and_a_workstream_cannot_have_one_name() -> None:
    text = GOOD.replace('"b"', '"cell-2"')

    assert len(parse(text, "hub.toml").workstreams) == 2
    assert told("[hub]\nmonitors_per_process = 2\n" + text) == [
        "hub.toml:9: workstream[cell-2].id is 'cell-2', the name of a cell of monitors; choose another"
    ]


@pytest.mark.parametrize("wrong", [0, 251, -3])
def test_monitors_per_process_has_bounds(wrong: int) -> None:
    (found,) = told(f"[hub]\nmonitors_per_process = {wrong}\n")

    assert found.startswith(f"hub.toml:2: hub.monitors_per_process is {wrong}; must be ")


def test_on_the_dense_base_there_are_no_cells_and_no_need_of_them() -> None:
    (found,) = told('[hub]\nbase = "dense"\nmonitors_per_process = 2\n')
    assert found.startswith("hub.toml:3: hub.monitors_per_process is 2, on the dense base; leave it out: ")
    assert len(parse('[hub]\nbase = "dense"\n' + many(300), "hub.toml").workstreams) == 300


def test_each_cycle_is_found_once() -> None:
    found = cycles({"a": ("b",), "b": ("c", "a"), "c": ("a",), "d": ("a",)})

    assert sorted(found) == [("a", "b", "a"), ("a", "b", "c", "a")]


def test_no_cycle_is_found_where_there_is_none() -> None:
    names = "abcd"

    assert cycles({low: tuple(high for high in names if high < low) for low in names}) == []
    assert all(cycles({one: (), other: (one,)}) == [] for one, other in itertools.permutations(names, 2))
