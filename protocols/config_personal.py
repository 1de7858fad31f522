"""Checks of what is declared personal: that it can be kept.

Neither a rule nor the condition of a sync may read a declared field: what they decide stands in the trail with the
values that it rests on, and what a rule tells somebody stands there too.

Pure.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from pydantic import JsonValue

from alluse_hub.protocols.config_models import HubConfig
from alluse_hub.protocols.meant import meant
from alluse_hub.protocols.personal import PersonalField
from alluse_hub.protocols.problems import File
from alluse_hub.protocols.rules import Rule

TOLD = {"id", "name", "description", "priority", "enabled", "workstream", "event", "when"}
"""Of a rule: what is no template."""

INSTEAD = "have the workstream say what the rule needs in a field of its own"

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)*")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
FILLED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")


def check_personal(config: HubConfig, last: File, known: list[str]) -> None:
    """Adds what is wrong to the problems of the file in which the section is."""
    fields = config.trail.personal
    names = {each.id: each.fields for each in config.workstreams}
    for at, each in enumerate(fields):
        spot = ("trail", "personal", at)
        if each.workstream and each.workstream not in known:
            last.wrong((*spot, "workstream"), f"is {each.workstream!r}, no workstream", meant(each.workstream, known))
        for sync in config.syncs:
            asks = Rule(id="sync", name=sync.id, workstream=sync.source, event=sync.event, when=sync.when or "true")
            if list(readers((asks,), each, names)):
                wrong = f"is {each.field!r}, which the sync {sync.id!r} reads: what it reads stands in the trail"
                last.wrong((*spot, "field"), wrong, INSTEAD)
        for rule in readers(config.rules, each, names):
            wrong = f"is {each.field!r}, which the rule {rule.id!r} reads: what a rule reads stands in the trail"
            last.wrong((*spot, "field"), wrong, INSTEAD)
    for (_, one), (at, other) in combinations(enumerate(fields), 2):
        if _is_for_same(one, other) and (found := _overlap(one.field, other.field)):
            last.wrong(("trail", "personal", at, "field"), found, "declare the outer one alone")


def of_no_event(config: HubConfig) -> Iterator[str]:
    """Declarations of events that flow nowhere, a sentence each: they may be as they are, or mistyped."""
    every = sorted({event for events in config.events.values() for event in events})
    for each in config.trail.personal:
        known = config.events.get(each.workstream, ()) if each.workstream else every
        if known and each.event not in known:
            wrong = f"{each.field!r} of {each.event!r}, which flows nowhere, is declared personal"
            right = meant(each.event, known)
            yield f"{wrong}; if the name is mistyped, the field is never sealed" + (f": {right}" if right else "")


def refuse_readers(
    rules: Iterable[Rule], fields: Iterable[PersonalField], names: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Of rules that come while the hub runs: what is wrong, a sentence each: ``id: wrong; right``."""
    known = tuple(rules)
    return [
        f"{rule.id}: reads {field.field!r} of {field.event}, which is declared personal; {INSTEAD}"
        for field in fields
        for rule in readers(known, field, names)
    ]


def readers(rules: Iterable[Rule], field: PersonalField, names: Mapping[str, Mapping[str, str]]) -> Iterator[Rule]:
    """Those that read a declared field.  ``names``: by workstream, what its fields are called in rules."""
    for rule in rules:
        if field.workstream in {"", rule.workstream} and _reads(rule, field, names.get(rule.workstream, {})):
            yield rule


def _is_for_same(one: PersonalField, other: PersonalField) -> bool:
    return one.event == other.event and (
        one.workstream == other.workstream or not (one.workstream and other.workstream)
    )


def _overlap(one: str, other: str) -> str:
    if one == other:
        return f"is {other!r}, which is declared already"
    inner, outer = sorted((one, other), key=len, reverse=True)
    return f"is {other!r}: {inner} is in {outer}" if inner.startswith(f"{outer}.") else ""


def _reads(rule: Rule, field: PersonalField, names: Mapping[str, str]) -> bool:
    """Whether it has the field, what is in it, or what it is in, in its condition or in a template.  ``names``: what
    the workstream's fields are called in rules, and where its events have them."""
    asked = {*WORD.findall(QUOTED.sub(" ", rule.when))}
    steps = {step for name in asked for step in name.split(".")}
    if rule.event != field.event and field.event not in steps:
        return False
    read = asked | {name for value in rule.model_dump(exclude=TOLD, mode="json").values() for name in _filled(value)}
    read |= {names[name] for name in read if name in names}
    return any(_overlap(name, field.field) for name in read)


def _filled(template: JsonValue) -> Iterator[str]:
    match template:
        case str():
            yield from FILLED.findall(template)
        case list():
            for each in template:
                yield from _filled(each)
        case dict():
            for each in template.values():
                yield from _filled(each)
