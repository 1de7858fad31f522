"""The gate in front of what the coordinator would do: at once, or when people have agreed, by the level of whom it
concerns.

Whoever asks is told only whether to go on now.  If not, a proposal waits, and ``approving`` comes back to it.  What a
person has just ordered waits for nobody, though it was proposed or rejected before, as far as levels go, and as far as
the order goes: what else comes of that moment waits as ever.  One thing waits all the same: where more than one person
has to agree, nobody loosens alone what somebody else holds.  Safety has its own rule, in ``lowering``.

How far a workstream is left to the rules is its level, and a rule may be left less; the stricter of the two counts, and
so does the larger number of people who have to agree.
"""

from collections.abc import Iterable
from typing import NamedTuple

from alluse_hub.actors.coordinator.approvals import OPEN_MAX, digest_of, is_asked_for, proposed
from alluse_hub.actors.coordinator.arbiter import Ruling, explained
from alluse_hub.actors.coordinator.rules import Match
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.approvals import Act, ApprovalEnded, ApprovalUsed, DecideApproval, Level, Sense
from alluse_hub.protocols.arbitration import ClaimResource, DecideConflict, OverrideFloor, ReleaseClaim
from alluse_hub.protocols.claims import WithdrawClaim
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.names import COORDINATOR, same_person
from alluse_hub.protocols.rules import Rule, RuleActionRefused, Tell
from alluse_hub.protocols.ruleset import RunRule

OF_RULE = "rule:"
"""How the ids of rules' claims begin."""

STRICTNESS = (Level.AUTONOMOUS, Level.SUPERVISED, Level.MANUAL)


class Gate(NamedTuple):
    """How far an act is left to the rules, and how many people have to agree where one has to."""

    level: Level
    approvers: int


def level_of(turn: Turn, workstream: str) -> Level:
    """As people have set it, else as it is configured."""
    set_by_people = turn.ledger.approvals.levels.get(workstream)
    return set_by_people or turn.state.book.spec.levels.get(workstream, Level.AUTONOMOUS)


def _rules_behind(turn: Turn, claims: Iterable[str]) -> list[Rule]:
    """The rules, as they are now, that have placed them."""
    rules = turn.ledger.ruleset.rules
    ids = {id_.partition("@")[0].removeprefix(OF_RULE) for id_ in claims if id_.startswith(OF_RULE)}
    return [rules[id_] for id_ in sorted(ids) if id_ in rules]


def _strictest(turn: Turn, workstream: str, rules: Iterable[Rule]) -> Gate:
    levels, approvers = [level_of(turn, workstream)], [turn.state.book.spec.approvers.get(workstream, 1)]
    for rule in rules:
        levels.append(rule.level or Level.AUTONOMOUS)
        approvers.append(rule.approvers)
    return Gate(max(levels, key=STRICTNESS.index), max(approvers))


def order(turn: Turn, body: Message) -> None:
    """Before a letter is handled: whether a person orders something, and about which resources."""
    match body:
        case ClaimResource() | OverrideFloor():
            about = {body.resource}
        case ReleaseClaim(claim=id_) | WithdrawClaim(id=id_):
            claim = turn.ledger.claims.get(id_)
            about = {id_ if claim is None else claim.resource}
        case RunRule(rule=id_):
            rule = turn.ledger.ruleset.rules.get(id_)
            about = _touched(rule) if rule is not None else set()
        case DecideConflict(conflict=id_):
            opened = turn.ledger.conflicts.get(id_)
            about = {opened.resource} if opened is not None else set()
        case DecideApproval(id=id_):
            asked = turn.ledger.docket.lowerings.get(id_)
            about = {asked.resource} if asked is not None else set()
        case _:
            return
    turn.person = body.by
    turn.ordered = frozenset(about)


def nothing_ordered(turn: Turn) -> None:
    """The order was refused, or is only half given."""
    turn.ordered = frozenset()


def waits_for(turn: Turn, by: str) -> str:
    """What a person has ordered in this turn and others have to agree to, as the end of a sentence."""
    found = [p for p in turn.ledger.approvals.open.values() if p.by == by and p.at == turn.at]
    return "".join(f"; {p.id} waits until {p.needs} more agree to it" for p in found)


def _touched(rule: Rule) -> set[str]:
    return {hold.resource for hold in rule.hold} | {release.resource for release in rule.release}


def _is_ordered(turn: Turn, resource: str) -> bool:
    """Whether a person's order in this turn is about it, or about what it lies below."""
    return any(resource == about or resource.startswith(f"{about}/") for about in turn.ordered)


def may_direct(turn: Turn, ruling: Ruling, *, loosens: bool) -> bool:
    mode = ruling.mode
    told = turn.ledger.directives.get(mode.resource)
    behind = _rules_behind(turn, (*ruling.claims, *(told.issued.claims if told is not None else ())))
    gate = _strictest(turn, mode.workstream, behind)
    if gate.level is Level.AUTONOMOUS and not _is_any_about(turn, mode.resource):
        return True
    holding = [fate.claim for fate in ruling.fates if fate.claim.id in ruling.claims]
    act = Act(
        kind="directive",
        about=mode.resource,
        workstream=mode.workstream,
        sense=Sense.LOOSENS if loosens else Sense.RESTRICTS,
        is_safety=any(claim.safety for claim in holding),
        text=explained(ruling),
        content={
            "rung": ruling.rung,
            "claims": list(ruling.claims),
            "lease": None if ruling.lease is None else ruling.lease.model_dump(mode="json"),
        },
    )
    return _may(turn, act, gate)


def not_needed(turn: Turn, resource: str) -> None:
    """Nothing is to be directed there: what was asked about it is void."""
    if _is_any_about(turn, resource):
        _drop_others(turn, resource, "")


def directed(turn: Turn, resource: str) -> None:
    """A directive for it has been issued: what was approved is under way."""
    for id_, proposal in tuple(turn.ledger.approvals.passed.items()):
        if proposal.act.about == resource:
            turn.record(ApprovalUsed(id=id_))


def may_tell(turn: Turn, match: Match, tell: Tell, key: str) -> bool:
    gate = _strictest(turn, tell.workstream, (match.rule,))
    if gate.level is Level.AUTONOMOUS or turn.person:
        return True
    if len(turn.ledger.approvals.open) >= OPEN_MAX:
        why = f"{OPEN_MAX} acts wait for people already"
        turn.record(
            RuleActionRefused(
                rule=match.rule.id, event=match.event.id, workstream=tell.workstream, command=tell.command, why=why
            )
        )
        return False
    act = Act(
        kind="command",
        about=key,
        workstream=tell.workstream,
        sense=Sense.NEUTRAL,
        text=f"{match.rule.id} tells {tell.workstream} to {tell.command}, because {match.why} in {match.event.id}",
        content={
            "key": key,
            "rule": match.rule.id,
            "event": match.event.model_dump(mode="json"),
            "why": match.why,
            "tell": tell.model_dump(mode="json"),
        },
    )
    _ask(turn, act, gate, match.rule.id)
    return False


def _is_any_about(turn: Turn, about: str) -> bool:
    approvals = turn.ledger.approvals
    if about in approvals.rejected:
        return True
    return any(proposal.act.about == about for proposal in (*approvals.open.values(), *approvals.passed.values()))


def _may(turn: Turn, act: Act, gate: Gate) -> bool:
    digest = digest_of(act)
    passed = next((p for p in turn.ledger.approvals.passed.values() if p.digest == digest), None)
    _drop_others(turn, act.about, digest)
    if passed is not None:
        return True
    lacks = _lacking(turn, act, gate)
    if lacks == 0:
        _drop_others(turn, act.about, "", why=f"{turn.person} has ordered it")
        return True
    rejected = turn.ledger.approvals.rejected.get(act.about)
    if lacks is None and rejected is not None and rejected.digest == digest:
        return False
    is_open = any(proposal.digest == digest for proposal in turn.ledger.approvals.open.values())
    if not is_asked_for(gate.level, act):
        if is_open:
            _drop_others(turn, act.about, "")
        return True
    if is_open:
        return False
    if lacks is None:
        _ask(turn, act, gate, COORDINATOR)
    else:
        _ask(turn, act, Gate(gate.level, lacks), turn.person)
    return False


def _lacking(turn: Turn, act: Act, gate: Gate) -> int | None:
    """How many people have to agree to what a person has just ordered; None if nobody has ordered it."""
    if not _is_ordered(turn, act.about):
        return None
    is_alone = act.sense is Sense.LOOSENS and _is_held_by_others(turn, act.about)
    return max(0, gate.approvers - turn.agreeing) if is_alone and is_asked_for(gate.level, act) else 0


def _is_held_by_others(turn: Turn, resource: str) -> bool:
    """Whether it stands where it does for somebody besides the person who speaks."""
    told = turn.ledger.directives.get(resource)
    holding = told.issued.claims if told is not None else ()
    owned = (turn.claims_before.get(id_) for id_ in holding)
    return any(claim is None or not same_person(claim.holder, turn.person) for claim in owned)


def _ask(turn: Turn, act: Act, gate: Gate, by: str) -> None:
    turn.record(proposed(turn.ledger.approvals, act, gate.level, by, turn.at, needs=gate.approvers))


def _drop_others(turn: Turn, about: str, digest: str, why: str = "what it was for has changed") -> None:
    """Another act about the same takes the place of what was asked."""
    approvals = turn.ledger.approvals
    for id_, proposal in tuple(approvals.open.items()):
        if proposal.act.about == about and proposal.digest != digest:
            turn.record(ApprovalEnded(id=id_, outcome="void", why=why))
    for id_, proposal in tuple(approvals.passed.items()):
        if proposal.act.about == about and proposal.digest != digest:
            turn.record(ApprovalUsed(id=id_, why=why))
    rejected = approvals.rejected.get(about)
    if rejected is not None and rejected.digest != digest:
        turn.record(ApprovalUsed(id=rejected.id, why=why))
