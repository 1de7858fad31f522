"""``[[sync]]``: what is taken, and every mistake with its place and its remedy."""

from pathlib import Path

import pytest

from alluse_hub.actors.catalog import carried, monitor_spec, permits
from alluse_hub.actors.coordinator.checks import check_rules
from alluse_hub.protocols.config import ConfigError, Source, parse
from alluse_hub.protocols.config_sync import EDGES_MAX
from alluse_hub.protocols.sync import Divergence, Permit, SyncMode
from alluse_hub.protocols.versions import EventCondition

REFERENCE = Source(
    "reference.toml", (Path(__file__).parents[2] / "actors" / "reference.toml").read_text(encoding="utf-8")
)

PROGRAMS = "".join(f'[[workstream]]\nid = "{name}"\nname = "W"\nprogram = ["true"]\n' for name in "abc")
"""Twelve lines."""

DESK = """
[[resource]]
resource = "b/desk"
rungs = [{ name = "normal", uses = ["open"], command = "set" }, { name = "paused", command = "set" }]
"""

EMITS = '[[workstream]]\nid = "a"\nname = "W"\nprogram = ["true"]\nemits = { closed = { price = "number" } }\n'
"""In the place of the first of them."""

AT = PROGRAMS.count("\n") + 1


def sync(**keys: object) -> str:
    said = {"id": "prices", "source": "a", "targets": ["b", "c"], **keys}
    lines = (f"{key} = {str(value).replace(chr(39), chr(34)) if isinstance(value, list) else _said(value)}"
             for key, value in said.items() if value is not None)  # fmt: skip
    return "[[sync]]\n" + "\n".join(lines) + "\n"


def _said(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def told(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse(PROGRAMS + text, "hub.toml", check_rules=check_rules)
    return str(error.value).split("\n")


def test_a_sync_is_live_and_goes_by_the_source_unless_it_says_otherwise() -> None:
    [one] = parse(PROGRAMS + sync(), "hub.toml").syncs

    assert (one.mode, one.divergence, one.content, one.targets) == (
        SyncMode.LIVE,
        Divergence.SOURCE_WINS,
        "prices",
        ("b", "c"),
    )


def test_the_shipped_syncs_are_the_three_of_the_plan() -> None:
    syncs = parse(REFERENCE.text, REFERENCE.origin, check_rules=check_rules).syncs

    assert {each.id: (each.source, each.targets, each.mode.value) for each in syncs} == {
        "market_data": ("ws3", ("ws4", "ws5"), "live"),
        "protocol_config": ("ws2", ("ws3", "ws4", "ws5"), "on_event"),
        "ml_models": ("ws5", ("ws1", "ws2", "ws3", "ws4"), "periodic"),
    }
    assert [each.every_s for each in syncs if each.mode is SyncMode.PERIODIC] == [3_600.0]


def test_a_sync_of_the_file_replaces_the_shipped_one() -> None:
    text = '[[sync]]\nid = "ml_models"\nsource = "ws5"\ntargets = ["ws1"]\nmode = "periodic"\nevery_s = 60.0\n'

    config = parse(text, "hub.toml", base=REFERENCE, check_rules=check_rules)

    assert {each.id: (each.targets, each.every_s) for each in config.syncs if each.id == "ml_models"} == {
        "ml_models": (("ws1",), 60.0)
    }
    assert len(config.syncs) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (sync(source="d"), [f"hub.toml:{AT + 2}: sync[prices].source is 'd', no workstream; there are a, b, c"]),
        (sync(targets=["b", "x"]), ["sync[prices].targets[1] is 'x', no workstream; there are a, b, c"]),
        (sync(targets=["a", "b"]), ["sync[prices].targets has 'a', the source; it holds the data set anyway"]),
        (sync(targets=["b", "b"]), ["names 'b' twice", "has b, which gets prices from sync 'prices' already"]),
        (sync(targets=[]), ["sync[prices].targets is empty; name the workstreams that are to hold the data set"]),
        (sync(source=None), ["sync[prices].source is missing; add `source = …` to this table"]),
        (sync(mode="livly"), ["sync[prices].mode is \"livly\"; did you mean 'live'?"]),
        (sync(mode="on_event"), ["sync[prices].event is missing; name the event of a that is waited for"]),
        (sync(event="x"), ["sync[prices].event is for mode 'on_event', and this one is 'live'; leave it out"]),
        (sync(mode="periodic", every_s=0), ["sync[prices].every_s is 0; must be greater than 0"]),
        (sync(verify="digst"), ["sync[prices].verify"]),
        (sync(verify="sample(0)"), ["sync[prices].verify"]),
        (sync(when="x > 1"), ["sync[prices].when is for mode 'on_event', and this one is 'live'; leave it out"]),
        (
            sync(mode="on_event", event="closed", when="pricee > 1") + EMITS,
            [f"hub.toml:{AT + 6}: sync[prices].when is 'pricee > 1'", "no field 'pricee'; did you mean 'price'?"],
        ),
        (sync(mode="on_event", event="closed", when="price > 'a'") + EMITS, ["sync[prices].when is", "price"]),
        (sync(mode="on_event", event="closed", when="price >"), ["sync[prices].when is 'price >'"]),
        (
            sync(mode="on_event", event="closed", when="count(b.sold, '5s') > 1"),
            ["which asks what streams said lately; ask of the event's own fields"],
        ),
        (
            sync(mode="on_event", event="closed", when="price > 1")
            + '[[trail.personal]]\nworkstream = "a"\nevent = "closed"\nfield = "price"\nsubject = "name"\n',
            ["is 'price', which the sync 'prices' reads: what it reads stands in the trail"],
        ),
        (sync(divergence="newst"), ["sync[prices].divergence is \"newst\"; did you mean 'newest'?"]),
        (sync(window=0), ["sync[prices].window is 0; must be greater than or equal to 1"]),
        (sync(interval=3), ["sync[prices].interval is an unknown key; there are "]),
        (sync(deadline_s=10.0), ["sync[prices].deadline_s is 10, less than objective_s = 30; a delivery must"]),
        (sync(id="Prices"), ["must be a short word of small letters, digits and dashes"]),
        (sync() + sync(id="two", dataset="prices", targets=["c"]), ["has c, which gets prices from sync 'prices'"]),
        (
            sync(targets=["b"]) + sync(id="two", dataset="prices", source="b", targets=["c"]),
            ["sync[prices].targets has b, which shares prices itself; a data set has one source; name another"],
        ),
        (sync(needs="{target}/desk:open"), ["sync[prices].needs is '{target}/desk:open', of no resource of a target"]),
        (sync(needs="desk"), ["sync[prices].needs is 'desk'; name a resource and its use, such as"]),
        (sync(needs="{target}/desk:opn") + DESK, ["sync[prices].needs needs 'opn' of b/desk; did you mean 'open'?"]),
        (sync() + sync(), ["sync[prices] is declared twice, first on line"]),
    ],
)
def test_a_mistake_is_told_with_its_place_and_a_remedy(text: str, said: list[str]) -> None:
    problems = "\n".join(told(text))

    for words in said:
        assert words in problems
    assert problems.startswith("hub.toml:")


def test_a_condition_that_fits_what_is_declared_goes_to_the_sources_monitor() -> None:
    text = PROGRAMS + sync(mode="on_event", event="closed", when="price > 1 && price < 9")

    config = parse(text, "hub.toml", check_rules=check_rules)

    source, target = (monitor_spec(config, config.workstreams[number]) for number in (0, 1))
    assert source.sync_conditions == {"prices": EventCondition(event="closed", when="price > 1 && price < 9")}
    assert (source.sync_events, target.sync_conditions) == ((), {})


@pytest.mark.parametrize(("verify", "sample"), [("digest", 0), ("count+digest", 0), ("sample(20)", 20)])
def test_what_it_is_verified_by(verify: str, sample: int) -> None:
    [one] = parse(PROGRAMS + sync(verify=verify), "hub.toml").syncs

    assert (one.verify, one.sample) == (verify, sample)


def test_claims_on_the_data_sets_that_syncs_carry_are_told_to_the_replicator() -> None:
    held = '[[dataset]]\nresource = "b/prices"\n[[dataset]]\nresource = "b/other"\n'

    config = parse(PROGRAMS + sync() + held, "hub.toml", check_rules=check_rules)

    assert carried(config) == ("b/prices",)


def test_a_need_holds_only_where_the_resource_is() -> None:
    config = parse(PROGRAMS + sync(needs="{target}/desk:open") + DESK, "hub.toml", check_rules=check_rules)

    assert permits(config) == {"prices>b": Permit(resource="b/desk", rungs=("normal",))}


def test_there_is_a_bound_to_syncs_times_targets() -> None:
    text = "".join(sync(id=f"s{n}") for n in range(EDGES_MAX // 2 + 1))

    assert any(f"at most {EDGES_MAX} in one hub" in problem for problem in told(text))
