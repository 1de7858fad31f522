"""What is doubtful in a set of rules that is right as far as it goes: ``rules check``.

A *question* is what its author should answer, for it will hardly be meant: a command behind the arbiter's back, a hold
that nobody releases, a round of rules that trigger each other.  A *note* is what will happen and how that is decided,
such as two rules that want different things of one resource.  Neither keeps a set from being loaded; what does is
``checks``' matter.

Whether two conditions can both be true is told by ``conditions.joint``, which errs to *yes* where it has no proof;
of two different events both may come at any time.  Pure.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from alluse_hub.protocols.claims import Mode
from alluse_hub.protocols.conditions import Condition, ConditionError, parse
from alluse_hub.protocols.conditions.joint import Can, joint, never_both
from alluse_hub.protocols.meant import meant
from alluse_hub.protocols.resources import Declared
from alluse_hub.protocols.rules import Hold, Rule, Tell


class Finding(NamedTuple):
    """``severity``: *question* or *note*.  ``right``: what would settle it."""

    severity: str
    kind: str
    rules: tuple[str, ...]
    wrong: str
    right: str


def analysed(
    rules: Sequence[Rule], resources: Sequence[Declared], events: Mapping[str, Sequence[str]]
) -> list[Finding]:
    """Questions first.  ``events``: by workstream, those that are known; of others nothing is said.  Rules that are
    disabled are looked at where somebody relies on them."""
    modes = {resource.resource: resource for resource in resources if isinstance(resource, Mode)}
    conditions = {rule.id: _condition(rule) for rule in rules}
    live = [rule for rule in rules if rule.enabled]
    found: list[Finding] = []
    for rule in live:
        found += _never(rule, conditions[rule.id])
        found += _events(rule, events)
        found += _unreleased(rule, live)
        for tell in rule.tell:
            found += _bypass(rule, tell, modes)
            found += _undeclared(rule, tell)
    for one, other in combinations(live, 2):
        if _can_meet(one, other, conditions):
            how = _how(one, other, conditions)
            found += [*_clash(one, other, modes, how), *_twice(one, other), *_at_odds(one, other, modes, how)]
    for one in live:
        for other in live:
            if _can_meet(one, other, conditions):
                found += _breach(one, other, modes)
    found += _cycles(live)
    return sorted(dict.fromkeys(found), key=lambda finding: finding.severity != "question")


def _condition(rule: Rule) -> Condition | None:
    try:
        return parse(rule.when)
    except ConditionError:
        return None  # told by `checks`


def _can_meet(one: Rule, other: Rule, conditions: Mapping[str, Condition | None]) -> bool:
    """Whether both can fire in one round."""
    if (one.workstream, one.event) != (other.workstream, other.event):
        return True
    first, second = conditions[one.id], conditions[other.id]
    return first is None or second is None or not never_both(first.tree, second.tree)


def _how(one: Rule, other: Rule, conditions: Mapping[str, Condition | None]) -> Callable[[], str]:
    """What is known of how both can fire in one round; asked only where there is something to say of it."""

    def told() -> str:
        first, second = conditions[one.id], conditions[other.id]
        if (one.workstream, one.event) != (other.workstream, other.event) or first is None or second is None:
            return ""
        found = joint(first.tree, second.tree)
        if found.can is not Can.YES:
            return ", as far as can be told"
        return f", as on {', '.join(_fields(found.example))}" if found.example else ""

    return told


def _fields(example: Mapping[str, Any], within: str = "") -> Iterator[str]:  # Any: JSON
    for name, value in example.items():
        if isinstance(value, dict):
            yield from _fields(value, f"{within}{name}.")
        else:
            yield f"{within}{name} = {json.dumps(value)}"


# --- one rule ---------------------------------------------------------------------------------------------------------


def _never(rule: Rule, condition: Condition | None) -> Iterator[Finding]:
    if condition is not None and never_both(condition.tree):
        wrong = f"its condition {rule.when!r} can never be true"
        yield Finding("question", "never", (rule.id,), wrong, "mend the condition, or remove the rule")


def _events(rule: Rule, events: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    heard = [(rule.workstream, rule.event, "listens to")]
    heard += [
        (tell.workstream, name, f"says that {tell.command} leads to") for tell in rule.tell for name in tell.emits
    ]
    for workstream, event, verb in heard:
        known = events.get(workstream, ())
        if known and event not in known:
            wrong = f"{verb} {workstream}.{event}, which flows nowhere"
            yield Finding("question", "unknown event", (rule.id,), wrong, meant(event, known))


def _unreleased(rule: Rule, live: Sequence[Rule]) -> Iterator[Finding]:
    for hold in rule.hold:
        if not hold.until_cleared:
            continue
        releases = [
            (other, release)
            for other in live
            for release in other.release
            if (release.of, release.resource) == (rule.id, hold.resource)
        ]
        if not releases:
            wrong = f"holds {hold.resource} {hold.rung} until it is cleared, and no rule that is enabled clears it"
            yield Finding("question", "never released", (rule.id,), wrong, "add a release, or give the hold an end")
        elif all(release.subject != hold.subject for _, release in releases):
            other, release = releases[0]
            wrong = f"holds {hold.resource} for {hold.subject!r}, which is released for {release.subject!r}"
            yield Finding("question", "never released", (rule.id, other.id), wrong, "give both the same subject")


def _bypass(rule: Rule, tell: Tell, modes: Mapping[str, Mode]) -> Iterator[Finding]:
    for mode in modes.values():
        commands = {rung.command: rung.name for rung in mode.rungs}
        if tell.workstream == mode.workstream and tell.command in commands:
            wrong = f"tells {tell.workstream} to {tell.command}, which is how {mode.resource} is directed"
            yield Finding(
                "question", "bypass", (rule.id,), wrong, f"hold {mode.resource} instead, at the rung it means"
            )


def _undeclared(rule: Rule, tell: Tell) -> Iterator[Finding]:
    if not _is_declared(tell):
        wrong = f"does not say what {tell.command} of {tell.workstream} touches"
        right = "add uses, takes or emits; or pure = true if it touches nothing that is shared"
        yield Finding("question", "undeclared effect", (rule.id,), wrong, right)


def _is_declared(tell: Tell) -> bool:
    return bool(tell.uses or tell.takes or tell.emits or tell.pure)


# --- two rules --------------------------------------------------------------------------------------------------------


def _clash(one: Rule, other: Rule, modes: Mapping[str, Mode], how: Callable[[], str]) -> Iterator[Finding]:
    """Different rungs of one resource; what is for safety is a floor, and stands above any of this."""
    for first in one.hold:
        for second in other.hold:
            if first.resource != second.resource or first.rung == second.rung or (first.safety and second.safety):
                continue
            wrong = f"want {first.resource} {first.rung} and {second.rung}, and can both fire{how()}"
            same = one.priority == other.priority and not (first.safety or second.safety)
            severity = "question" if same else "note"
            right = "give one of them a higher priority" if same else _winner(one, first, other, second, modes)
            yield Finding(severity, "clash", (one.id, other.id), wrong, right)


def _winner(one: Rule, first: Hold, other: Rule, second: Hold, modes: Mapping[str, Mode]) -> str:
    if first.safety or second.safety:
        return f"{(one if first.safety else other).id} is for safety, and nothing lowers that"
    mode = modes.get(first.resource)
    policy = mode.policy.value if mode is not None else "priority"
    return f"decided by {policy}: {one.id} is {one.priority.value}, {other.id} is {other.priority.value}"


def _breach(one: Rule, other: Rule, modes: Mapping[str, Mode]) -> Iterator[Finding]:
    for tell in one.tell:
        for use in tell.uses:
            resource, _, name = use.partition(":")
            for hold in other.hold:
                mode = modes.get(resource)
                if mode is None or hold.resource != resource or hold.rung not in {rung.name for rung in mode.rungs}:
                    continue
                if name not in mode.rungs[mode.height(hold.rung)].uses:
                    wrong = f"{one.id} tells {tell.workstream} to {tell.command}, which needs {name!r} of {resource}"
                    wrong += f", while {other.id} may hold it {hold.rung}, which does not permit that"
                    ids = (one.id,) if one is other else (one.id, other.id)
                    severity = "question" if one is other else "note"
                    yield Finding(severity, "refused", ids, wrong, "then the command is refused, and that is recorded")


def _twice(one: Rule, other: Rule) -> Iterator[Finding]:
    """One command to one workstream because of one event, with other parameters."""
    if (one.workstream, one.event) != (other.workstream, other.event):
        return
    for first in one.tell:
        for second in other.tell:
            if (first.workstream, first.command) == (second.workstream, second.command):
                wrong = f"tell {first.workstream} to {first.command} because of one event"
                if first.parameters != second.parameters:
                    wrong += ", each with parameters of its own"
                yield Finding("question", "twice", (one.id, other.id), wrong, "let one of them do it")


def _at_odds(one: Rule, other: Rule, modes: Mapping[str, Mode], how: Callable[[], str]) -> Iterator[Finding]:
    """Different commands to one workstream, of which nobody knows whether they go together."""
    for first in one.tell:
        for second in other.tell:
            if first.workstream != second.workstream or first.command == second.command:
                continue
            unknown = [tell.command for tell in (first, second) if not _is_declared(tell)]
            governed = any(mode.workstream == first.workstream for mode in modes.values())
            if unknown and governed:
                wrong = f"tell {first.workstream} to {first.command} and to {second.command}, and can both fire{how()}"
                right = f"declare what {' and '.join(unknown)} does, so that it is known whether they clash"
                yield Finding("question", "clash", (one.id, other.id), wrong, right)


# --- rounds of rules --------------------------------------------------------------------------------------------------


def _cycles(rules: Sequence[Rule]) -> Iterator[Finding]:
    """Rules that trigger each other by the events that their commands say they lead to."""
    listens: dict[tuple[str, str], list[str]] = {}
    for rule in rules:
        listens.setdefault((rule.workstream, rule.event), []).append(rule.id)
    edges = {
        rule.id: tuple(
            dict.fromkeys(
                id_ for tell in rule.tell for event in tell.emits for id_ in listens.get((tell.workstream, event), ())
            )
        )
        for rule in rules
    }
    for round_ in components(edges):
        told = " -> ".join((*round_, round_[0]))
        wrong = f"trigger each other: {told}" if len(round_) > 1 else "triggers itself"
        right = "break the round, or damp it with a cooldown; while it runs, a chain that comes back is stopped"
        yield Finding("question", "cycle", round_, wrong, right)


def components(edges: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """The strongly connected components that go round, each from its first node in the order of ``edges``, along its
    edges as far as they lead.  Tarjan, Depth-first search and linear graph algorithms, 1972; without recursion."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[tuple[str, ...]] = []
    for root in edges:
        if root in index:
            continue
        path: list[tuple[str, Iterator[str]]] = []
        _enter(root, edges, index, low, stack, on_stack, path)
        while path:
            node, rest = path[-1]
            for target in rest:
                if target not in index:
                    _enter(target, edges, index, low, stack, on_stack, path)
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == index[node]:
                    cut = stack.index(node)
                    members, stack[cut:] = stack[cut:], []
                    on_stack.difference_update(members)
                    if len(members) > 1 or node in edges.get(node, ()):
                        found.append(_along(members, edges))
    return found


def _enter(
    node: str,
    edges: Mapping[str, Sequence[str]],
    index: dict[str, int],
    low: dict[str, int],
    stack: list[str],
    on_stack: set[str],
    path: list[tuple[str, Iterator[str]]],
) -> None:
    index[node] = low[node] = len(index)
    stack.append(node)
    on_stack.add(node)
    path.append((node, iter(edges.get(node, ()))))


def _along(members: Iterable[str], edges: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """In the order in which one leads to the next, where there is one."""
    left = list(members)
    ordered = [left.pop(0)]
    while left:
        following = next((node for node in edges.get(ordered[-1], ()) if node in left), left[0])
        left.remove(following)
        ordered.append(following)
    return tuple(ordered)
