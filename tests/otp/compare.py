"""What differs between a recorded trace and one of ours; the rules are those under which the traces were recorded.

Events are compared step by step, in order and in every field, but for two marks of the recorded trace: those in
``unordered`` happen next to each other in any order, and a ``free`` one may lie anywhere in its step.  Results are
compared whole; of a listing the order does not count, and a recorded id of ``null`` stands for any.  Where a start is
refused as invalid only the result counts, and times only where the recorded step kept its bounds.
"""

import json
from collections.abc import Iterator
from typing import Any

Json = Any  # values of JSON are what a trace is made of
Event = dict[str, Json]

MISSING = object()


def differences(recorded: Json, ours: Json) -> list[str]:
    """In words, the first of each step; none if the traces agree."""
    return list(_differences(recorded, ours))


def _differences(recorded: Json, ours: Json) -> Iterator[str]:
    start = recorded["start"]
    yield from results_differ("start", start, ours["start"])
    if not str(start["result"].get("error", "")).startswith("invalid:"):
        yield from events_differ("start", start["events"], ours["start"]["events"])
    if len(recorded["steps"]) != len(ours["steps"]):
        yield f"wanted {len(recorded['steps'])} steps, got {len(ours['steps'])}"
        return
    for want, have in zip(recorded["steps"], ours["steps"], strict=True):
        where = f"step {want['step']} ({want['op']})"
        yield from results_differ(where, want, have)
        yield from events_differ(where, want["events"], have["events"])
        if want.get("within_bounds") is True and have.get("within_bounds") is not True:
            yield f"{where}: took too short or too long a time"
    if sorted_tree(recorded["final"]) != sorted_tree(ours["final"]):
        yield f"final: wanted {shown(recorded['final'])}, got {shown(ours['final'])}"
    yield from events_differ("teardown", recorded["teardown"]["events"], ours["teardown"]["events"])


def events_differ(where: str, recorded: list[Event], ours: list[Event]) -> Iterator[str]:
    rest = list(ours)
    for free in [without_mark(event) for event in recorded if event.get("free")]:
        if free not in rest:
            yield f"{where}: missing {shown(free)}"
            return
        rest.remove(free)
    fixed = [event for event in recorded if not event.get("free")]
    for number, want in enumerate(fixed, start=1):
        group = want.get("unordered", [want])
        have, rest = rest[: len(group)], rest[len(group) :]
        if sorted(map(shown, have)) != sorted(map(shown, group)):
            got = ", ".join(map(shown, have)) or "nothing more"
            yield f"{where}: event {number}: wanted {', '.join(map(shown, group))}, got {got}"
            return
    if rest:
        yield f"{where}: unexpected {shown(rest[0])}"


def without_mark(event: Event) -> Event:
    return {key: value for key, value in event.items() if key != "free"}


def results_differ(where: str, recorded: Json, ours: Json) -> Iterator[str]:
    want, have = recorded.get("result", MISSING), ours.get("result", MISSING)
    if want is not MISSING and not is_same(want, have):
        yield f"{where}: wanted result {shown(want)}, got {'none' if have is MISSING else shown(have)}"


def is_same(want: Json, have: Json) -> bool:
    if not isinstance(want, list) or not isinstance(have, list):
        return bool(want == have)
    if len(want) != len(have):
        return False
    if want and all(isinstance(child, dict) and "state" in child for child in want):
        return is_same_listing(want, have)
    return all(map(is_same, want, have))


def is_same_listing(want: list[Json], have: list[Json]) -> bool:
    """Each wanted child is there; those of any id take what is left."""
    rest = list(have)
    for child in sorted(want, key=lambda child: child["id"] is None):
        found = next((other for other in rest if is_same_child(child, other)), None)
        if found is None:
            return False
        rest.remove(found)
    return True


def is_same_child(want: Json, have: Json) -> bool:
    if want["id"] is None:
        have = {key: value for key, value in have.items() if key != "inc"} | {"id": None}
    return bool(want == have)


def sorted_tree(node: Json) -> Json:
    if "children" not in node:
        return node
    return node | {"children": sorted(map(sorted_tree, node["children"]), key=lambda child: child["id"] or "")}


def shown(value: Json) -> str:
    return json.dumps(value, sort_keys=True)
