"""Checks of ``[[sync]]``: who shares with whom, and whether two syncs would get in each other's way.  Pure."""

from typing import Any

from alluse_hub.protocols.claims import Mode
from alluse_hub.protocols.conditions import ConditionError, parse
from alluse_hub.protocols.conditions.declared import kinds_of
from alluse_hub.protocols.emitted import Emitted
from alluse_hub.protocols.meant import meant
from alluse_hub.protocols.problems import Item
from alluse_hub.protocols.sync import Sync, SyncMode

EDGES_MAX = 5_000
"""Syncs times targets in one hub."""


def check_syncs(items: list[Item[Sync]], known: list[str], modes: list[Item[Mode]], emitted: Emitted) -> None:
    """Adds what is wrong to the problems of the files."""
    uses = {
        item.model.resource: {use for rung in item.model.rungs for use in rung.uses} for item in modes if item.model
    }
    taken: dict[tuple[str, str], str] = {}
    sources: dict[str, set[str]] = {}
    edges = 0
    for item in items:
        for key, names in (("source", [item.raw.get("source")]), ("targets", list(item.words("targets")))):
            for position, name in enumerate(names):
                if isinstance(name, str) and name not in known:
                    spot = (*item.path, key) if key == "source" else (*item.path, key, position)
                    item.file.wrong(spot, f"is {name!r}, no workstream", meant(name, known))
        if item.model is None:
            continue
        _alone(item, item.model)
        _needs(item, item.model, uses)
        _condition(item, item.model, emitted)
        edges += len(item.model.targets)
        sources.setdefault(item.model.content, set()).add(item.model.source)
        for target in item.model.targets:
            spot_taken = (target, item.model.content)
            if spot_taken in taken:
                item.file.wrong(
                    (*item.path, "targets"),
                    f"has {target}, which gets {item.model.content} from sync {taken[spot_taken]!r} already",
                    "name another data set, or take the target out of one of the two",
                )
            taken.setdefault(spot_taken, item.id)
    for item in items:
        if item.model is not None and item.model.content in sources:
            others = sources[item.model.content] & set(item.model.targets)
            if others - {item.model.source}:
                item.file.wrong(
                    (*item.path, "targets"),
                    f"has {', '.join(sorted(others))}, which shares {item.model.content} itself",
                    "a data set has one source; name another",
                )
    if edges > EDGES_MAX:
        last = items[-1]
        last.file.wrong(last.path, f"is one of {edges} syncs times targets", f"at most {EDGES_MAX} in one hub")


def _needs(item: Item[Sync], sync: Sync, uses: dict[str, set[str]]) -> None:
    needed = [sync.needed_of(target) for target in sync.targets] if sync.needs else []
    if needed and not all(resource and use for resource, use in needed):
        right = "name a resource and its use, such as `{target}/trading:cancel`"
        item.file.wrong((*item.path, "needs"), f"is {sync.needs!r}", right)
        return
    there = [(resource, use) for resource, use in needed if resource in uses]
    if needed and not there:
        item.file.wrong(
            (*item.path, "needs"), f"is {sync.needs!r}, of no resource of a target", meant(needed[0][0], uses)
        )
    for resource, use in there:
        if use not in uses[resource]:
            item.file.wrong((*item.path, "needs"), f"needs {use!r} of {resource}", meant(use, uses[resource]))


def _condition(item: Item[Sync], sync: Sync, emitted: Emitted) -> None:
    """It is asked of one event, where that is heard: what streams said lately is known to the coordinator alone."""
    if not sync.when:
        return
    spot = (*item.path, "when")
    try:
        asks = parse(sync.when, kinds_of(emitted, sync.source, sync.event))
    except ConditionError as error:
        wrong, _, right = str(error).partition("; ")
        item.file.wrong(spot, f"is {sync.when!r}, {wrong}", right or "see protocols/conditions/README.md")
        return
    if asks.windows:
        right = "ask of the event's own fields; a rule can ask it, and tell the source to say an event"
        item.file.wrong(spot, f"is {sync.when!r}, which asks what streams said lately", right)


def _alone(item: Item[Sync], sync: Sync) -> None:
    """What is wrong with it whatever the others are."""
    if not sync.targets:
        item.file.wrong((*item.path, "targets"), "is empty", "name the workstreams that are to hold the data set")
    for target in sorted({name for name in sync.targets if sync.targets.count(name) > 1}):
        item.file.wrong((*item.path, "targets"), f"names {target!r} twice", "once is enough")
    if sync.source in sync.targets:
        item.file.wrong((*item.path, "targets"), f"has {sync.source!r}, the source", "it holds the data set anyway")
    if sync.mode is SyncMode.ON_EVENT and not sync.event:
        item.file.wrong((*item.path, "event"), "is missing", f"name the event of {sync.source} that is waited for")
    for key, mode in (
        ("event", SyncMode.ON_EVENT),
        ("when", SyncMode.ON_EVENT),
        ("every_s", SyncMode.PERIODIC),
        ("pace_s", SyncMode.LIVE),
    ):
        is_said = getattr(sync, key) != Sync.model_fields[key].default
        if is_said and sync.mode is not mode:
            item.file.wrong(
                (*item.path, key), f"is for mode {mode.value!r}, and this one is {sync.mode.value!r}", "leave it out"
            )
    if sync.deadline_s < sync.objective_s:
        wrong = f"is {sync.deadline_s:g}, less than objective_s = {sync.objective_s:g}"
        spot: tuple[Any, ...] = (*item.path, "deadline_s" if "deadline_s" in item.raw else "objective_s")
        item.file.wrong(spot, wrong, "a delivery must be allowed as long as it is aimed to take")
