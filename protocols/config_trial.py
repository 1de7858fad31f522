"""A file for a trial: rules, and besides them whatever else the coordinator decides by.

It is laid over the specification of then: resources by their paths, and of a workstream the keys that are given of
``level``, ``approvers``, ``fields`` and ``emits``.  Other tables of a configuration are passed over and named, since
the coordinator decides nothing by them.  All that is wrong is told at once, with file, line, key, and what would be
right.

Pure.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from alluse_hub.protocols.approvals import APPROVERS_MAX, Level
from alluse_hub.protocols.claims import Mode
from alluse_hub.protocols.config import SECTIONS, TABLES, model_of, open_text, table_of
from alluse_hub.protocols.config_checks import RESOURCES, RuleCheck, Tables, put_where_declared
from alluse_hub.protocols.config_models import EventName, FieldName, FieldPath, WorkstreamConfig
from alluse_hub.protocols.config_personal import refuse_readers
from alluse_hub.protocols.emitted import FieldKind
from alluse_hub.protocols.meant import meant
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.places import Path
from alluse_hub.protocols.problems import ConfigError, File
from alluse_hub.protocols.resources import Dataset, Declared, Mutex, Pool, Value
from alluse_hub.protocols.rules import CoordinatorSpec, Rule

DRAFTS = "workflow"
"""Tables that ``rules check`` looks at, and nothing runs."""

TRIED = ("rule", *RESOURCES, "workstream")


class WorkstreamTried(Message):
    """Of ``[[workstream]]``: what is asked of it in a trial."""

    id: str
    level: Level = Level.AUTONOMOUS
    approvers: Annotated[int, Field(ge=1, le=APPROVERS_MAX)] = 1
    fields: Annotated[dict[FieldName, FieldPath], Field(default_factory=dict)]
    emits: Annotated[dict[EventName, dict[FieldPath, FieldKind]], Field(default_factory=dict)]


@dataclass(frozen=True, slots=True)
class Overlay:
    """What a trial changes besides the rules.  ``levels``, ``approvers``, ``fields`` and ``emitted`` by workstream; who
    is not named stays as it was."""

    resources: tuple[Declared, ...] = ()
    levels: dict[str, Level] = field(default_factory=dict)
    approvers: dict[str, int] = field(default_factory=dict)
    fields: dict[str, dict[str, str]] = field(default_factory=dict)
    emitted: dict[str, dict[str, dict[str, FieldKind]]] = field(default_factory=dict)

    @property
    def is_nothing(self) -> bool:
        return not (self.resources or self.levels or self.approvers or self.fields or self.emitted)

    def over(self, spec: CoordinatorSpec) -> CoordinatorSpec:
        """A resource takes the place of the one with its path, or comes behind the others."""
        if self.is_nothing:
            return spec
        together = {known.resource: known for known in (*spec.resources, *self.resources)}.values()
        return spec.model_copy(
            update={
                "modes": tuple(one for one in together if isinstance(one, Mode)),
                "pools": tuple(one for one in together if isinstance(one, Pool)),
                "values": tuple(one for one in together if isinstance(one, Value)),
                "datasets": tuple(one for one in together if isinstance(one, Dataset)),
                "levels": {**spec.levels, **self.levels},
                "approvers": {**spec.approvers, **self.approvers},
                "fields": {**spec.fields, **self.fields},
                "emitted": {**spec.emitted, **self.emitted},
            }
        )

    def named(self) -> list[str]:
        """What it changes, for people."""
        found = [one.resource for one in self.resources]
        for word, of in (
            ("level", self.levels),
            ("approvers", self.approvers),
            ("fields", self.fields),
            ("emits", self.emitted),
        ):
            found += [f"{workstream} {word}" for workstream in of]
        return found


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is tried.  ``rules``: the whole set as it is to be.  ``passed``: tables of the file that change nothing."""

    rules: tuple[Rule, ...]
    overlay: Overlay = field(default_factory=Overlay)
    passed: tuple[str, ...] = ()


def parse_trial(
    text: str, origin: str, spec: CoordinatorSpec, running: tuple[Rule, ...], check: RuleCheck, *, is_whole: bool
) -> Candidate:
    """``spec`` and ``running``: the specification and the rules of then.  ``is_whole``: the rules of the file and no
    others.  Raises ConfigError with all that is wrong."""
    file = open_text(text, origin)
    for key in file.document.keys() - SECTIONS.keys() - TABLES.keys() - {DRAFTS}:
        file.wrong((key,), "is no table of the configuration", meant(key, TRIED))
    tables: Tables = {name: table_of([file], name) for name in ("rule", *RESOURCES)}
    rules = _rules(tables, () if is_whole else running)
    overlay = _overlay(file, tables, spec)
    asked = overlay.over(spec)
    paths = {one.resource for one in overlay.resources}
    resources = (*(one for one in spec.resources if one.resource not in paths), *overlay.resources)
    wrong = check(rules, resources, asked.workstreams, asked.emitted)
    _place(file, tables, [*wrong, *refuse_readers(rules, asked.personal, asked.fields)])
    if file.problems:
        raise ConfigError(file.problems)
    return Candidate(rules, overlay, tuple(sorted(file.document.keys() - set(TRIED))))


def _rules(tables: Tables, beside: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Those of the file in the place of the ones with their ids, or behind the others."""
    ids = {item.id: item.model for item in tables["rule"]}
    kept = [ids.pop(rule.id, rule) for rule in beside]
    return tuple(rule for rule in (*kept, *ids.values()) if rule is not None)


def _overlay(file: File, tables: Tables, spec: CoordinatorSpec) -> Overlay:
    resources = tuple(_resources(tables, {known.resource: known for known in spec.resources}))
    asked = list(_workstreams(file, spec.workstreams))
    return Overlay(
        resources,
        {one.id: one.level for one in asked if "level" in one.model_fields_set},
        {one.id: one.approvers for one in asked if "approvers" in one.model_fields_set},
        {one.id: one.fields for one in asked if "fields" in one.model_fields_set},
        {one.id: one.emits for one in asked if "emits" in one.model_fields_set},
    )


def _resources(tables: Tables, known: dict[str, Declared]) -> Iterator[Declared]:
    """Those that differ from what was there; one that was there stays of its kind, for what has been claimed of it."""
    for name in RESOURCES:
        for item in tables[name]:
            if item.model is None:
                continue
            one: Declared = item.model.pool if isinstance(item.model, Mutex) else item.model
            was = known.get(one.resource)
            if was is not None and type(was) is not type(one):
                kind = "resource" if isinstance(was, Mode) else type(was).__name__.lower()
                item.file.wrong(item.path, f"was a {kind} then", f"write [[{kind}]], or give it another path")
            elif one != was:
                yield one


def _workstreams(file: File, known: Iterable[str]) -> Iterator[WorkstreamTried]:
    raw = file.document.get("workstream", [])
    if not isinstance(raw, list) or not all(isinstance(table, dict) for table in raw):
        file.wrong(("workstream",), "must be an array of tables", "begin each with [[workstream]]")
        return
    seen: set[object] = set()
    for position, table in enumerate(raw):
        path: Path = ("workstream", position)
        for key in table.keys() - WorkstreamConfig.model_fields.keys():
            file.wrong((*path, key), "is an unknown key", meant(key, WorkstreamTried.model_fields))
        given = {key: value for key, value in table.items() if key in WorkstreamTried.model_fields}
        model = model_of(file, WorkstreamTried, path, given)
        if model is None:
            continue
        if model.id not in known:
            file.wrong((*path, "id"), f"is {model.id!r}, no workstream of then", meant(model.id, known))
        elif model.id in seen:
            file.wrong(path, "is declared twice", "put its keys into one table")
        else:
            yield model
        seen.add(model.id)


def _place(file: File, tables: Tables, sentences: list[str]) -> None:
    """Each where it is declared; what is wrong with something of then is wrong with what the file changes about it."""
    items: dict[str, Path] = {item.id: item.path for of in tables.values() for item in of}
    put_where_declared(tables, [one for one in sentences if one.partition(": ")[0] in items], file)
    for sentence in sentences:
        name, _, finding = sentence.partition(": ")
        if name not in items:
            wrong, _, right = finding.partition("; ")
            spot: Path = next((path for id_, path in items.items() if id_ in finding), ())
            file.wrong(spot, f"does not go with {name} of then, which {wrong}", right or "change that as well")


__all__ = ["Candidate", "Overlay", "WorkstreamTried", "parse_trial"]
