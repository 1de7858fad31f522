"""The set of rules in force, its versions, and how the configuration's and people's changes of it go together.

The coordinator remembers what the configuration gave last.  At a start the configuration of now is held against that:
a rule that was changed, added or removed *there* is so changed here; what people have changed while the hub ran stands.
Where that gives a set that is wrong as a whole, the configuration's is taken as it is, since that has been checked.

Pure.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.rules import Rule
from alluse_hub.protocols.ruleset import REASON_MAX, AutoSwitched, RulesChanged
from alluse_hub.protocols.states import replace

CHANGES_SHOWN = 20
"""The latest changes that are kept in memory; all are in the trail."""

CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True)
class Change:
    """One version of the set, as it is listed."""

    revision: int
    how: str
    by: str
    reason: str
    put: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """``rules`` in their order.  ``versions``: how often each was put into the set, also of those that are gone.
    ``revision`` 0: no set has been recorded yet, and the specification's is in force.
    """

    rules: dict[str, Rule] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    configured: tuple[Rule, ...] = ()
    revision: int = 0
    auto: bool = True
    changes: tuple[Change, ...] = ()


def folded(ruleset: RuleSet, fact: Fact) -> RuleSet:
    match fact:
        case RulesChanged():
            return _changed(ruleset, fact)
        case AutoSwitched(on=on):
            return replace(ruleset, auto=on)
        case other:
            raise TypeError(f"a set of rules is not changed by {type(other).__name__}")


def _changed(ruleset: RuleSet, fact: RulesChanged) -> RuleSet:
    rules = {**ruleset.rules, **{rule.id: rule for rule in fact.put}}
    versions = dict(ruleset.versions)
    for rule in fact.put:
        versions[rule.id] = versions.get(rule.id, 0) + 1
    put = tuple(rule.id for rule in fact.put)
    change = Change(fact.revision, fact.how, fact.by, fact.reason, put, fact.removed)
    return replace(
        ruleset,
        rules={id_: rules[id_] for id_ in fact.order},
        versions=versions,
        configured=ruleset.configured if fact.configured is None else fact.configured,
        revision=fact.revision,
        changes=(*ruleset.changes, change)[-CHANGES_SHOWN:],
    )


def change_of(
    ruleset: RuleSet,
    wanted: Sequence[Rule],
    how: str,
    by: str,
    reason: str,
    configured: tuple[Rule, ...] | None = None,
) -> RulesChanged | None:
    """The fact that makes ``wanted`` the set; None if it is that already."""
    put = tuple(rule for rule in wanted if ruleset.rules.get(rule.id) != rule)
    order = tuple(rule.id for rule in wanted)
    removed = tuple(id_ for id_ in ruleset.rules if id_ not in set(order))
    if not put and not removed and order == tuple(ruleset.rules) and configured is None and ruleset.revision:
        return None
    return RulesChanged(
        revision=ruleset.revision + 1,
        how=how,
        by=by,
        reason=reason,
        put=put,
        removed=removed,
        order=order,
        configured=configured,
    )


def with_these(rules: Iterable[Rule], put: Sequence[Rule], remove: Iterable[str] = ()) -> tuple[Rule, ...]:
    """Each in the place of the one with its id, or behind the others."""
    gone = set(remove)
    changed = {rule.id: rule for rule in rules if rule.id not in gone}
    return tuple({**changed, **{rule.id: rule for rule in put}}.values())


def merged(ruleset: RuleSet, configured: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The set in force, with what has changed in the configuration since it was last taken."""
    before = {rule.id: rule for rule in ruleset.configured}
    now = {rule.id: rule for rule in configured}
    put = [rule for rule in configured if before.get(rule.id) != rule]
    return with_these(ruleset.rules.values(), put, before.keys() - now.keys())


def taken_up(
    ruleset: RuleSet, configured: tuple[Rule, ...], check: Callable[[tuple[Rule, ...]], list[str]]
) -> RulesChanged | None:
    """What a start changes: nothing, if the configuration is as it was when it was last taken."""
    if ruleset.revision and ruleset.configured == configured:
        return None
    if not ruleset.revision:
        return change_of(ruleset, configured, CONFIGURATION, CONFIGURATION, "the first set", configured)
    wanted = merged(ruleset, configured)
    problems = check(wanted)
    reason = "what has changed in its file"
    if problems:
        wanted = configured
        reason = f"whole, since with what was changed by hand it did not go together: {problems[0]}"[:REASON_MAX]
    return change_of(ruleset, wanted, CONFIGURATION, CONFIGURATION, reason, configured)
