"""What is wrong with a set of rules and modes, before anybody lives by it.

Each finding is a sentence: whose fault it is, what is wrong, and after a semicolon what would be right.
"""

from collections.abc import Iterable, Iterator, Sequence
from types import MappingProxyType

from alluse_hub.actors.coordinator.declared import resource_problems, take_problems
from alluse_hub.actors.coordinator.schemas import condition_for
from alluse_hub.actors.coordinator.templates import check_template
from alluse_hub.actors.coordinator.timing_checks import timing_problems, window_problems
from alluse_hub.protocols.claims import Clock, Mode
from alluse_hub.protocols.conditions import ConditionError
from alluse_hub.protocols.emitted import Emitted
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.meant import meant
from alluse_hub.protocols.resources import Declared
from alluse_hub.protocols.rules import Hold, Release, Rule, Tell

NOTHING_DECLARED: Emitted = MappingProxyType({})


def check_rules(
    rules: Sequence[Rule],
    resources: Sequence[Declared],
    workstreams: Sequence[str],
    emitted: Emitted = NOTHING_DECLARED,
) -> list[str]:
    """All that is wrong, in the order of declaration; empty if nothing is.  ``emitted``: what is declared of events."""
    modes = [resource for resource in resources if isinstance(resource, Mode)]
    found = [f"{mode.resource}: {wrong}" for mode in modes for wrong in _mode(mode, workstreams)]
    found += resource_problems(resources, workstreams)
    twice = _twice(resource.resource for resource in resources)
    found += [f"{name}: is declared twice; give one of them another name" for name in twice]
    found += [f"{name}: is declared twice; give one of them another id" for name in _twice(rule.id for rule in rules)]
    known = {mode.resource: mode for mode in modes}
    by_id = {rule.id: rule for rule in rules}
    for rule in rules:
        found += [f"{rule.id}: {wrong}" for wrong in _rule(rule, known, by_id, workstreams)]
        found += [f"{rule.id}: {wrong}" for wrong in _condition(rule, workstreams, emitted)]
        found += [f"{rule.id}: {wrong}" for wrong in timing_problems(rule)]
    found += window_problems(rules)
    found += take_problems(rules, resources)
    return found


def known_rule(name: str, rules: Iterable[str]) -> str:
    """What to say of a name that is no rule's."""
    return f"{name!r} is no rule; {meant(name, rules)}"


def _twice(names: Iterable[str]) -> list[str]:
    listed = list(names)
    return sorted({name for name in listed if listed.count(name) > 1})


def _mode(mode: Mode, workstreams: Sequence[str]) -> Iterator[str]:
    if mode.workstream not in workstreams:
        yield f"begins with {mode.workstream!r}, no workstream; {meant(mode.workstream, workstreams)}"
    names = [rung.name for rung in mode.rungs]
    for name in _twice(names):
        yield f"has two rungs {name!r}; give each its own name"
    if mode.fail_safe and mode.fail_safe not in names:
        yield f"fails safe to {mode.fail_safe!r}, no rung of it; {meant(mode.fail_safe, names)}"
    for lower, higher in zip(mode.rungs, mode.rungs[1:], strict=False):
        more = sorted(set(higher.uses) - set(lower.uses))
        if more:
            yield (
                f"permits {', '.join(more)} on {higher.name!r} but not on {lower.name!r} below it; "
                "list the rungs from least to most restrictive"
            )
    for rung in mode.rungs:
        if not rung.command:
            yield f"has no command for its rung {rung.name!r}; name the command that brings {mode.workstream} there"


def _rule(rule: Rule, modes: dict[str, Mode], rules: dict[str, Rule], workstreams: Sequence[str]) -> Iterator[str]:
    if rule.workstream not in workstreams:
        yield f"listens to {rule.workstream!r}, no workstream; {meant(rule.workstream, workstreams)}"
    if not rule.event:
        yield "listens to no event; name one"
    if not (rule.hold or rule.release or rule.tell):
        yield "does nothing; give it a hold, a release or a tell"
    placed = [(hold.resource, hold.subject) for hold in rule.hold]
    for resource in sorted({resource for resource, _ in placed if placed.count((resource, _)) > 1}):
        yield f"holds {resource} twice for one subject; one hold is enough"
    for hold in rule.hold:
        yield from _hold(hold, modes)
    for release in rule.release:
        yield from _release(release, modes, rules)
    for tell in rule.tell:
        yield from _tell(tell, modes, workstreams)


def _condition(rule: Rule, workstreams: Sequence[str], emitted: Emitted) -> Iterator[str]:
    try:
        condition_for(rule, emitted, workstreams)
    except ConditionError as error:
        wrong, _, right = str(error).partition("; ")
        yield f"condition {rule.when!r}, {wrong}" + (f"; {right}" if right else "")


def _hold(hold: Hold, modes: dict[str, Mode]) -> Iterator[str]:
    mode = modes.get(hold.resource)
    if mode is None:
        yield f"holds {hold.resource!r}, no resource; {meant(hold.resource, modes)}"
    else:
        names = [rung.name for rung in mode.rungs]
        if hold.rung not in names:
            yield f"holds {hold.resource} {hold.rung!r}, no rung of it; {meant(hold.rung, names)}"
        elif hold.rung == names[0] and hold.safety:
            yield f"holds {hold.resource} {hold.rung} for safety, the least of its rungs; hold a more restrictive one"
    if hold.clock is Clock.HUB and hold.for_sessions:
        yield f"counts sessions of {hold.resource} on the hub's clock; set clock = 'market', or give for_s"
    if hold.clock is Clock.HUB and not hold.for_s and not hold.until_cleared:
        yield f"holds {hold.resource} for no time; give for_s, or until_cleared = true"
    yield from _template(hold.subject, "subject")


def _release(release: Release, modes: dict[str, Mode], rules: dict[str, Rule]) -> Iterator[str]:
    if release.resource not in modes:
        yield f"releases {release.resource!r}, no resource; {meant(release.resource, modes)}"
    other = rules.get(release.of)
    if other is None:
        yield f"releases holds of {release.of!r}, no rule; {meant(release.of, rules)}"
    elif release.resource in modes and all(hold.resource != release.resource for hold in other.hold):
        yield f"releases {release.resource}, which {release.of} never holds; name a rule that does"
    yield from _template(release.subject, "subject")


def _tell(tell: Tell, modes: dict[str, Mode], workstreams: Sequence[str]) -> Iterator[str]:
    if tell.workstream not in workstreams:
        yield f"tells {tell.workstream!r}, no workstream; {meant(tell.workstream, workstreams)}"
    if not tell.command:
        yield f"tells {tell.workstream} nothing; name a command"
    for use in tell.uses:
        resource, colon, name = use.partition(":")
        if not colon or not name:
            yield f"uses {use!r}; write the resource and the use, such as 'ws4/trading:open'"
        elif resource not in modes:
            yield f"uses {use!r}, but {resource!r} is no resource; {meant(resource, modes)}"
        elif all(name not in rung.uses for rung in modes[resource].rungs):
            uses = {known for rung in modes[resource].rungs for known in rung.uses}
            yield f"uses {use!r}, but no rung of {resource} permits {name!r}; {meant(name, uses)}"
    for name, template in tell.parameters.items():
        yield from _template(template, f"parameter {name!r}")


def _template(template: object, what: str) -> Iterator[str]:
    try:
        check_template(template)  # type: ignore[arg-type]  # parameters are JSON values, a recursive union
    except CallerError as error:
        wrong, _, right = str(error).partition("; ")
        yield f"{what}: {wrong}; {right}"
