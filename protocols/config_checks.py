"""Checks across the tables of a configuration: who refers to whom, and whether that can be.

Each check looks at all tables and tells all it finds; a table that is wrong in itself still counts as declared, so
that one mistake is one error.  Pure.
"""

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from alluse_hub.protocols.claims import Mode
from alluse_hub.protocols.config_models import (
    MONITORS_ALONE_MAX,
    WORKSTREAMS_MAX,
    Base,
    HubConfig,
    WorkstreamConfig,
)
from alluse_hub.protocols.config_personal import check_personal
from alluse_hub.protocols.config_sync import check_syncs
from alluse_hub.protocols.detection import DetectorKind
from alluse_hub.protocols.emitted import Emitted
from alluse_hub.protocols.flow import Flow
from alluse_hub.protocols.meant import meant
from alluse_hub.protocols.names import CELL_PREFIX, RESERVED
from alluse_hub.protocols.problems import File, Item
from alluse_hub.protocols.resources import Declared
from alluse_hub.protocols.rules import Rule

RuleCheck = Callable[[tuple[Rule, ...], tuple[Declared, ...], tuple[str, ...], Emitted], list[str]]
"""The coordinator's own check of rules: what is wrong with them, a sentence each: ``id: wrong; right``."""

RESOURCES = ("resource", "pool", "mutex", "value", "dataset")
"""The tables that declare something to be claimed, by a path that no two of them share."""

PLACEHOLDERS = frozenset({"python", "home", "state"})

Tables = dict[str, list[Item[Any]]]  # Any: each table has models of its own class


def check(config: HubConfig, last: File, tables: Tables, check_rules: RuleCheck | None) -> None:
    """Adds what is wrong to the problems of the files.  ``last`` is where the sections are changed."""
    known = [item.id for item in tables["workstream"]]
    if len(known) > WORKSTREAMS_MAX:
        last.wrong(("workstream",), f"declares {len(known)}", f"at most {WORKSTREAMS_MAX} in one hub")
    _cells(config, last, tables["workstream"])
    for item in tables["workstream"]:
        _workstream(item, known)
    _cycles(tables["workstream"])
    for item in tables["flow"]:
        _flow(item, known)
    for item in tables["resource"]:
        if check_rules is None or item.model is None:  # else the coordinator's check covers it
            _resource(item, known)
    for item in (item for name in RESOURCES[1:] for item in tables[name]):
        if check_rules is None or item.model is None:
            _owner(item, known)
    check_syncs(tables["sync"], known, tables["resource"], config.emitted)
    check_personal(config, last, known)
    _replay(config, last, known)
    for position, user in enumerate(config.hub.allow_users):
        if user == "" or (isinstance(user, int) and user < 0):
            last.wrong(("hub", "allow_users", position), f"is {user!r}", "give a user name or a number from 0")
    if check_rules is not None:
        put_where_declared(tables, check_rules(config.rules, config.claimable, tuple(known), config.emitted), last)


def _cells(config: HubConfig, last: File, items: list[Item[WorkstreamConfig]]) -> None:
    """Whether monitors share processes, whether they can, and whether they have to."""
    spot, each = ("hub", "monitors_per_process"), config.hub.monitors_per_process
    if config.hub.base is Base.DENSE:
        if each > 1:
            last.wrong(
                spot, f"is {each}, on the dense base", "leave it out: there all actors share one process already"
            )
    elif each > 1:
        for item in items:
            if re.fullmatch(rf"{CELL_PREFIX}\d+", item.id):
                item.file.wrong((*item.path, "id"), f"is {item.id!r}, the name of a cell of monitors", "choose another")
    elif len(items) > MONITORS_ALONE_MAX:
        wrong = f"is 1, with {len(items)} workstreams"
        last.wrong(spot, wrong, f"above {MONITORS_ALONE_MAX} let monitors share processes: 50, say")


def _workstream(item: Item[WorkstreamConfig], known: list[str]) -> None:
    if item.id in RESERVED:
        item.file.wrong((*item.path, "id"), f"is {item.id!r}, a name the hub keeps for itself", "choose another")
    for position, other in enumerate(item.words("depends_on")):
        if other not in known:
            others = [name for name in known if name != item.id]
            item.file.wrong((*item.path, "depends_on", position), f"is {other!r}, no workstream", meant(other, others))
    if item.model is None:
        return
    match bool(item.model.program), bool(item.model.python):
        case False, False:
            item.file.wrong(item.path, "has no program", 'add `program = ["…"]` or `python = "package.module:Class"`')
        case True, True:
            item.file.wrong((*item.path, "python"), "stands beside a program", "keep one of the two")
        case _:
            pass
    _detector(item, item.model)
    if item.model.program and not item.model.program[0].strip():
        item.file.wrong((*item.path, "program", 0), "is empty", "name the program to run")
    texts: dict[tuple[str | int, ...], str] = {
        **{("program", position): word for position, word in enumerate(item.model.program)},
        **{("env", name): value for name, value in item.model.env.items()},
    }
    for spot, text in texts.items():
        for name in re.findall(r"\{([a-z_]+)\}", text):
            if name not in PLACEHOLDERS:
                item.file.wrong(
                    (*item.path, *spot), f"has {{{name}}}, which nothing is put for", meant(name, PLACEHOLDERS)
                )
        if "\0" in text:
            item.file.wrong((*item.path, *spot), "has a NUL in it", "no program can be given one")


def _detector(item: Item[WorkstreamConfig], model: WorkstreamConfig) -> None:
    if model.detector is not DetectorKind.PHI:
        for key, field in WorkstreamConfig.model_fields.items():
            value = getattr(model, key)
            if key.startswith("phi_") and value != field.default:  # a default may be said: `config show` does
                wrong = f"is {value:g}, but the detector is {model.detector.value!r}"
                item.file.wrong((*item.path, key), wrong, 'add `detector = "phi"`, or leave it out')
    elif model.phi_pause_s >= model.heartbeat_timeout_s:
        pause_s, timeout_s = f"{model.phi_pause_s:g}", f"{model.heartbeat_timeout_s:g}"
        if "phi_pause_s" in item.raw:
            wrong, right = f"is {pause_s}, which leaves phi nothing", f"keep it below heartbeat_timeout_s, {timeout_s}"
            item.file.wrong((*item.path, "phi_pause_s"), wrong, right)
        else:
            wrong, right = f"is {timeout_s}, which leaves phi nothing", f"keep it above phi_pause_s, {pause_s}"
            item.file.wrong((*item.path, "heartbeat_timeout_s"), wrong, right)


def _cycles(items: list[Item[WorkstreamConfig]]) -> None:
    edges = {item.id: item.words("depends_on") for item in items}
    for cycle in cycles(edges):
        item = next(item for item in items if item.id == cycle[0])
        item.file.wrong(
            (*item.path, "depends_on"),
            f"goes round in a cycle: {' -> '.join(cycle)}",
            "remove one of these dependencies",
        )


def cycles(edges: dict[str, tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Each cycle once, as ``a, b, a``, beginning where it is first entered."""
    done: set[str] = set()
    found: dict[frozenset[tuple[str, str]], tuple[str, ...]] = {}

    def visit(node: str, trail: tuple[str, ...]) -> None:
        if node in trail:
            cycle = (*trail[trail.index(node) :], node)
            found.setdefault(frozenset(pairwise(cycle)), cycle)
            return
        if node in done:
            return
        for target in edges.get(node, ()):
            visit(target, (*trail, node))
        done.add(node)

    for node in edges:
        visit(node, ())
    return list(found.values())


def _flow(item: Item[Flow], known: list[str]) -> None:
    for key in ("source", "target"):
        end = item.raw.get(key)
        if isinstance(end, str) and end not in known:
            item.file.wrong((*item.path, key), f"is {end!r}, no workstream", meant(end, known))
    if item.model is None:
        return
    if item.model.source == item.model.target:
        item.file.wrong((*item.path, "target"), "is the source as well", "a flow joins two workstreams")
    if not item.model.events:
        item.file.wrong((*item.path, "events"), "is empty", "name the events that flow here")
    for name in sorted(_doubled(item.model.events)):
        item.file.wrong((*item.path, "events"), f"names {name!r} twice", "once is enough")


def _owner(item: Item[Any], known: list[str]) -> None:  # Any: a resource of whatever kind
    owner = item.id.partition("/")[0]
    if owner not in known and "resource" in item.raw:
        item.file.wrong((*item.path, "resource"), f"begins with {owner!r}, no workstream", meant(owner, known))


def _resource(item: Item[Mode], known: list[str]) -> None:
    _owner(item, known)
    if item.model is None:
        return
    rungs = [rung.name for rung in item.model.rungs]
    if not rungs:
        item.file.wrong((*item.path, "rungs"), "is empty", "list the rungs from least to most restrictive")
    for name in sorted(_doubled(rungs)):
        item.file.wrong((*item.path, "rungs"), f"names {name!r} twice", "each rung has a name of its own")
    if item.model.fail_safe and item.model.fail_safe not in rungs:
        item.file.wrong(
            (*item.path, "fail_safe"), f"is {item.model.fail_safe!r}, no rung", meant(item.model.fail_safe, rungs)
        )


def _doubled(names: Iterable[str]) -> set[str]:
    listed = list(names)
    return {name for name in listed if listed.count(name) > 1}


def _replay(config: HubConfig, last: File, known: list[str]) -> None:
    replay = config.replay
    if replay.start and replay.end and replay.start > replay.end:
        last.wrong(
            ("replay", "to"), f"is {replay.end}, before {replay.start}", "the span must not end before it begins"
        )
    if replay.source and replay.source not in known:
        last.wrong(("replay", "source"), f"is {replay.source!r}, no workstream", meant(replay.source, known))


def put_where_declared(tables: Tables, sentences: list[str], last: File) -> None:
    """What the coordinator finds wrong with its rules and resources, each put where it is declared."""
    items = {item.id: item for name in (*RESOURCES, "rule") for item in tables.get(name, ())}
    for sentence in sentences:
        name, _, finding = sentence.partition(": ")
        wrong, _, right = finding.partition("; ")
        item = items.get(name)
        file, path = (item.file, item.path) if item else (last, ("rule",))
        file.wrong(path, wrong or sentence, right or "mend or remove it")
