"""Orders about the rules themselves: change, switch, run by hand.

The whole new set is checked before any of it counts; a bad one is refused with all that is wrong, and the one in force
stays.  Nothing that a rule has placed is loosened by a change: claims live on to the end they were given.  Every change
is answered once it is on disk.
"""

from pydantic import TypeAdapter

from alluse_hub.actors.coordinator import approving, by_hand
from alluse_hub.actors.coordinator.checks import check_rules, known_rule
from alluse_hub.actors.coordinator.ledger import Tally
from alluse_hub.actors.coordinator.rules import listened
from alluse_hub.actors.coordinator.ruleset import Change, change_of, taken_up, with_these
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.config_personal import refuse_readers
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.names import ROUTER
from alluse_hub.protocols.rules import Rule
from alluse_hub.protocols.ruleset import (
    RULES_MAX,
    AskRules,
    AutoSwitched,
    ChangeRules,
    ConsiderThese,
    CoordinationDone,
    RunRule,
    SwitchAuto,
    SwitchRule,
)

Order = AskRules | ChangeRules | SwitchRule | SwitchAuto | RunRule


def take_up(turn: Turn) -> None:
    """At a start: what the configuration gives now, and what the router has to show."""
    fact = taken_up(turn.ledger.ruleset, turn.state.book.spec.rules, lambda rules: _problems(turn, rules))
    if fact is not None:
        turn.record(fact)
    tell_router(turn)


def tell_router(turn: Turn) -> None:
    events = sorted(listened(turn.ledger.ruleset.rules.values()))
    turn.send(ROUTER, ConsiderThese(events=tuple(events)))


def take(turn: Turn, sender: str, order: Order) -> None:
    match order:
        case AskRules():
            turn.answer(sender, CoordinationDone(about=order.about, ok=True, text="", result=_whole(turn)))
        case ChangeRules():
            _change(turn, sender, order)
        case SwitchRule():
            _switch(turn, sender, order)
        case SwitchAuto():
            _auto(turn, sender, order)
        case RunRule():
            _run(turn, sender, order)


def _answer(
    turn: Turn, sender: str, about: str, text: str, *, ok: bool = True, problems: list[str] | None = None
) -> None:
    told: Message = CoordinationDone(
        about=about,
        ok=ok,
        text=text,
        problems=tuple(problems or ()),
        result={"revision": turn.ledger.ruleset.revision},
    )
    turn.answer(sender, told)


def _whole(turn: Turn) -> Json:
    """All that a set of rules can be judged by, and what became of each rule."""
    ruleset, spec = turn.ledger.ruleset, turn.state.book.spec
    tallies = TypeAdapter(dict[str, Tally]).dump_python(turn.ledger.tallies, mode="json")
    return {
        "revision": ruleset.revision,
        "auto": ruleset.auto,
        "rules": [rule.model_dump(mode="json") for rule in ruleset.rules.values()],
        "versions": dict(ruleset.versions),
        "changes": TypeAdapter(tuple[Change, ...]).dump_python(ruleset.changes, mode="json"),
        "tallies": {id_: tallies[id_] for id_ in ruleset.rules if id_ in tallies},
        "spec": spec.model_dump(mode="json", exclude={"rules"}),
    }


def _problems(turn: Turn, rules: tuple[Rule, ...]) -> list[str]:
    spec = turn.state.book.spec
    found = check_rules(rules, spec.resources, spec.workstreams, spec.emitted)
    return [*found, *refuse_readers(rules, spec.personal, spec.fields)]


def _change(turn: Turn, sender: str, order: ChangeRules) -> None:
    ruleset = turn.ledger.ruleset
    if order.revision not in {0, ruleset.revision}:
        text = f"the rules are at revision {ruleset.revision} by now, not {order.revision}; look again, then change"
        _answer(turn, sender, order.about, text, ok=False)
        return
    missing = [known_rule(id_, ruleset.rules) for id_ in order.remove if id_ not in ruleset.rules]
    wanted = order.put if order.is_whole else with_these(ruleset.rules.values(), order.put, order.remove)
    problems = missing + _problems(turn, wanted)
    if len(wanted) > RULES_MAX:
        problems.append(f"there would be {len(wanted)} rules; at most {RULES_MAX} in one set")
    if problems:
        text = f"refused, and the rules in force stay at revision {ruleset.revision}: {problems[0]}"
        _answer(turn, sender, order.about, text, ok=False, problems=problems)
        return
    _put(turn, sender, order.about, wanted, order.how, order.by, order.reason)


def _put(turn: Turn, sender: str, about: str, wanted: tuple[Rule, ...], how: str, by: str, reason: str) -> None:
    fact = change_of(turn.ledger.ruleset, wanted, how, by, reason)
    if fact is None:
        _answer(turn, sender, about, f"nothing changes; revision {turn.ledger.ruleset.revision} stands")
        return
    turn.commit(fact)
    approving.void_of_changed_rules(turn)
    tell_router(turn)
    words = [
        f"{verb}: {', '.join(ids)}"
        for verb, ids in (("put", [r.id for r in fact.put]), ("removed", fact.removed))
        if ids
    ]
    what = "; ".join(words) or "in another order"
    _answer(turn, sender, about, f"revision {fact.revision} of the rules is in force ({what})")


def _switch(turn: Turn, sender: str, order: SwitchRule) -> None:
    rules = turn.ledger.ruleset.rules
    rule = rules.get(order.rule)
    word = "enabled" if order.on else "disabled"
    if rule is None:
        _answer(turn, sender, order.about, known_rule(order.rule, rules), ok=False)
    elif rule.enabled == order.on:
        _answer(turn, sender, order.about, f"{rule.id} is {word} already")
    else:
        changed = rule.model_copy(update={"enabled": order.on})
        how = "enable" if order.on else "disable"
        _put(turn, sender, order.about, with_these(rules.values(), (changed,)), how, order.by, order.reason)


def _auto(turn: Turn, sender: str, order: SwitchAuto) -> None:
    word = "on" if order.on else "off"
    if turn.ledger.ruleset.auto == order.on:
        _answer(turn, sender, order.about, f"automatic coordination is {word} already")
        return
    turn.commit(AutoSwitched(on=order.on, by=order.by, reason=order.reason))
    _answer(turn, sender, order.about, f"automatic coordination is {word}")


def _run(turn: Turn, sender: str, order: RunRule) -> None:
    rule = turn.ledger.ruleset.rules.get(order.rule)
    if rule is None:
        _answer(turn, sender, order.about, known_rule(order.rule, turn.ledger.ruleset.rules), ok=False)
        return
    _answer(turn, sender, order.about, by_hand.run(turn, rule, order))
