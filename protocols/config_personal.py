"""Checks of what is declared personal: that it can be kept.

A rule must not read a declared field: what it decides stands in the trail with the values that it rests on, and what it
tells somebody stands there too.

Pure.
"""

import re
from collections.abc import Iterator
from itertools import combinations

from pydantic import JsonValue

from alluse_hub.protocols.config_models import HubConfig
from alluse_hub.protocols.personal import PersonalField
from alluse_hub.protocols.problems import File, meant
from alluse_hub.protocols.rules import Rule

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)*")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
FILLED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")


def check_personal(config: HubConfig, last: File, known: list[str]) -> None:
    """Adds what is wrong to the problems of the file in which the section is."""
    fields = config.trail.personal
    for at, each in enumerate(fields):
        spot = ("trail", "personal", at)
        if each.workstream and each.workstream not in known:
            last.wrong((*spot, "workstream"), f"is {each.workstream!r}, no workstream", meant(each.workstream, known))
        for rule in config.rules:
            if rule.event == each.event and each.workstream in {"", rule.workstream} and _reads(rule, each):
                wrong = f"is {each.field!r}, which the rule {rule.id!r} reads: what a rule reads stands in the trail"
                last.wrong((*spot, "field"), wrong, "have the workstream say what the rule needs in a field of its own")
    for (_, one), (at, other) in combinations(enumerate(fields), 2):
        if _is_for_same(one, other) and (found := _overlap(one.field, other.field)):
            last.wrong(("trail", "personal", at, "field"), found, "declare the outer one alone")


def _is_for_same(one: PersonalField, other: PersonalField) -> bool:
    return one.event == other.event and (
        one.workstream == other.workstream or not (one.workstream and other.workstream)
    )


def _overlap(one: str, other: str) -> str:
    if one == other:
        return f"is {other!r}, which is declared already"
    inner, outer = sorted((one, other), key=len, reverse=True)
    return f"is {other!r}: {inner} is in {outer}" if inner.startswith(f"{outer}.") else ""


def _reads(rule: Rule, field: PersonalField) -> bool:
    """Whether it has the field, what is in it, or what it is in, in its condition or in a template."""
    read = {*WORD.findall(QUOTED.sub(" ", rule.when))}
    templates: list[JsonValue] = [tell.parameters for tell in rule.tell]
    templates += [each.subject for each in (*rule.hold, *rule.release)]
    read |= {name for template in templates for name in _filled(template)}
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
