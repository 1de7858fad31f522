"""Drafts of workflows: what is doubtful in them, before there is anything that runs them.

The hub runs no workflows yet; a ``[[workflow]]`` in a file of rules is looked at by ``rules check`` and by nobody else.
Looked at: ``id``; ``schedule`` with ``cron`` and ``zone``; ``after``, tables with ``workflow`` and ``policy``; and
``step``, tables with ``id``, ``workstream``, ``command``, the effects that a rule's tell declares, and ``next``,
``on_success`` and ``on_failure``, which name steps.

Pure: what comes in is a table as TOML has it, in whatever shape.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from alluse_hub.actors.coordinator.analysis import Finding
from alluse_hub.protocols.meant import meant

Table = dict[str, Any]  # Any: whatever somebody wrote

END = "end"
"""Names no step, and is where a workflow ends."""

CRON_FIELDS = 5
LEADS = ("next", "on_success", "on_failure")
EFFECTS = ("uses", "takes", "emits", "pure")
POLICIES = ("after_each", "latest_within", "same_trading_day")


def drafted(workflows: Sequence[object]) -> list[Finding]:
    """In the order of the file."""
    tables = [table for table in workflows if isinstance(table, dict)]
    ids = [str(table.get("id", f"#{place}")) for place, table in enumerate(tables)]
    found: list[Finding] = []
    for id_, table in zip(ids, tables, strict=True):
        for kind, wrong, right in (*_schedule(table), *_after(table, ids), *_steps(table)):
            found.append(Finding("question", kind, (id_,), wrong, right))
    return found


Doubt = tuple[str, str, str]
"""Its kind, what is wrong, and what would settle it."""


def _schedule(table: Table) -> Iterator[Doubt]:
    said = table.get("schedule")
    if said is None:
        return
    schedule = said if isinstance(said, dict) else {"cron": said}
    cron = str(schedule.get("cron", ""))
    if not schedule.get("zone"):
        yield "no time zone", f"is due at {cron!r}, in no time zone", 'add zone = "America/New_York", say'
    if len(cron.split()) != CRON_FIELDS:
        wrong = f"is due at {cron!r}, of {len(cron.split())} fields, which is read in more ways than one"
        yield "schedule", wrong, f"write {CRON_FIELDS} fields: minute, hour, day, month, weekday"


def _after(table: Table, ids: Sequence[str]) -> Iterator[Doubt]:
    said = table.get("after", [])
    for one in said if isinstance(said, list) else [said]:
        after = one if isinstance(one, dict) else {"workflow": one}
        name = str(after.get("workflow", ""))
        if name not in ids:
            yield "dangling", f"waits for {name!r}, no workflow", meant(name, ids)
        if after.get("policy") not in POLICIES:
            wrong = f"waits for {name}, and does not say for which run of it"
            yield "dependency", wrong, f"give policy: {', '.join(POLICIES)}"


def _steps(table: Table) -> Iterator[Doubt]:
    said = table.get("step", [])
    steps = [step for step in said if isinstance(step, dict)] if isinstance(said, list) else []
    ids = [str(step.get("id", f"#{place}")) for place, step in enumerate(steps)]
    for id_, step in zip(ids, steps, strict=True):
        for lead in LEADS:
            target = step.get(lead)
            if target is not None and target not in {*ids, END}:
                yield "dangling", f"step {id_}: {lead} is {target!r}, no step", meant(str(target), [*ids, END])
        if "command" in step and not any(step.get(effect) for effect in EFFECTS):
            wrong = f"step {id_} does not say what {step['command']} of {step.get('workstream', 'nobody')} touches"
            yield "undeclared effect", wrong, "add uses, takes or emits; or pure = true"
