"""A round: the events that the router shows, and all that they lead to.

First what they claim and release, event by event in the order given, so that of a breach and its clearing the later
counts.  Then, with all claims of the round on the table, the directives; then the commands, the most urgent rules
first, each against the ruling that is now in force.  The round is over when everything it sent is answered.
"""

from collections import Counter
from collections.abc import Sequence

from alluse_hub.actors.coordinator import (
    claiming,
    commands,
    conflicts,
    cycles,
    directives,
    gating,
    programs,
    taking,
    telling,
)
from alluse_hub.actors.coordinator.arbiter import Ruling
from alluse_hub.actors.coordinator.leases import Now, lapsed, of_hold
from alluse_hub.actors.coordinator.ledger import Phase
from alluse_hub.actors.coordinator.rules import URGENCY, Match, most_urgent_first
from alluse_hub.actors.coordinator.sight import Sight
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.actors.coordinator.templates import FieldError, filled_text
from alluse_hub.protocols.claims import Claim
from alluse_hub.protocols.fields import as_known
from alluse_hub.protocols.flow import Consider, Considered, Event
from alluse_hub.protocols.names import ROUTER
from alluse_hub.protocols.rules import (
    Hold,
    RoundClosed,
    RoundDecided,
    RoundOpened,
    Rule,
    RuleActionRefused,
    RuleCurbed,
    RuleFired,
    RuleUndecided,
    Tell,
)

FIRINGS_MAX = 1_000
"""Firings of one rule in one round that are recorded and may send commands; beyond, it still holds and releases."""

SUBJECT_MAX = 200
"""Characters of a subject."""

ANY_SUBJECT = "?"
"""Subject of a hold whose own subject cannot be told: it is held all the same."""


def consider(turn: Turn, shown: Consider) -> None:
    """Decide on a round; a round already decided on is never decided on again."""
    ledger = turn.ledger
    if shown.round < ledger.round or (shown.round == ledger.round and ledger.phase is Phase.CLOSED):
        through = ledger.through if shown.round == ledger.round else {}
        turn.send(ROUTER, Considered(round=shown.round, through=through))
        return
    if shown.round == ledger.round:
        return  # under way
    if ledger.phase is Phase.WAITING:
        _close(turn)  # the router has gone on without us
    is_next = bool(shown.session) and shown.session != ledger.session
    session = shown.session or ledger.session
    ordinal = ledger.ordinal + is_next
    events = as_known(shown.events, turn.state.book.spec.fields)
    now = Now(turn.at, ordinal, session)
    sight = Sight(turn.state.book, ledger.timing, now)
    found = seen(sight, events, auto=ledger.ruleset.auto)
    facts = sight.facts()
    words = programs.words_in(turn, shown.events)
    is_quiet = not (found or facts or sight.ended or words)
    if is_quiet and not turn.ledger.pending() and not lapsed(tuple(ledger.claims.values()), now):
        turn.record(RoundClosed(round=shown.round, session=session, ordinal=ordinal))
        turn.send(ROUTER, Considered(round=shown.round))
        return
    turn.record(RoundOpened(round=shown.round, session=session, ordinal=ordinal))
    for fact in facts:
        turn.record(fact)
    claiming.lapse(turn)
    end_kept(turn, sight.ended)
    programs.consider(turn, words)
    fired = fire(turn, found)
    directives.settle(turn)
    tell_for(turn, most_urgent_first(fired))
    telling.tell(turn)
    if turn.ledger.pending():
        turn.record(RoundDecided(round=shown.round))
    else:
        _finish(turn)


def finish_if_answered(turn: Turn) -> None:
    if turn.ledger.phase is Phase.WAITING and not turn.ledger.pending():
        _finish(turn)


def _finish(turn: Turn) -> None:
    _close(turn)
    turn.send(ROUTER, Considered(round=turn.ledger.round, through=turn.ledger.through))


def _close(turn: Turn) -> None:
    at = turn.ledger
    turn.record(RoundClosed(round=at.round, session=at.session, ordinal=at.ordinal, through=at.through))


def seen(sight: Sight, events: Sequence[Event], *, auto: bool) -> list[Match]:
    """What deadlines and events lead to, one after the other.  Windows grow even while no rule is looked at."""
    found = sight.due() if auto else []
    for event in events:
        sight.hear(event)
        if auto:
            found += sight.matches(event)
    return found


def fire(turn: Turn, found: list[Match]) -> list[Match]:
    """Record, hold and release; returns the firings that may send commands."""
    counts: Counter[str] = Counter()
    fired: list[Match] = []
    stopped: list[tuple[Match, cycles.Stop]] = []
    for match in found:
        rule = match.rule
        counts[rule.id] += 1
        is_curbed = counts[rule.id] > FIRINGS_MAX
        if not match.fires:
            if not is_curbed:
                turn.record(RuleUndecided(rule=rule.id, event=match.event.id, why=match.why))
            continue
        if stop := cycles.stops(turn, match):
            if not is_curbed:
                stopped.append((match, stop))
            for hold in (hold for hold in rule.hold if hold.safety):
                hold_for(turn, match, hold, is_curbed=is_curbed)
            continue
        if not is_curbed:
            version = turn.ledger.ruleset.versions.get(rule.id, 0)
            turn.record(
                RuleFired(rule=rule.id, event=match.event.id, round=turn.ledger.round, why=match.why, version=version)
            )
            cycles.count(turn, match)
            fired.append(match)
        for hold in rule.hold:
            hold_for(turn, match, hold, is_curbed=is_curbed)
        release_for(turn, match, is_curbed=is_curbed)
    cycles.stopped(turn, stopped)
    for rule_id, count in sorted(counts.items()):
        if count > FIRINGS_MAX:
            turn.record(RuleCurbed(rule=rule_id, round=turn.ledger.round, skipped=count - FIRINGS_MAX))
    return fired


def end_kept(turn: Turn, ended: Sequence[tuple[Rule, str]]) -> None:
    """End the holds of rules whose ``keep`` has passed; the key is their subject."""
    for rule, key in ended:
        for hold in rule.hold:
            id_ = claiming.claim_id(rule.id, hold.resource, key)
            claiming.clear(turn, id_, rule.id, f"its condition has been over for {rule.keep}")


def hold_for(turn: Turn, match: Match, hold: Hold, *, is_curbed: bool) -> None:
    """A hold whose subject cannot be told is placed all the same: the condition was true, and holding is safe."""
    rule = match.rule
    subject = _subject(turn, match, hold.subject, is_curbed=is_curbed)
    if subject is None:
        subject = ANY_SUBJECT
    elif len(turn.ledger.claims) >= claiming.CLAIMS_MAX:
        known = claiming.claim_id(rule.id, hold.resource, subject) in turn.ledger.claims
        subject = subject if known else ANY_SUBJECT
    claim = Claim(
        id=claiming.claim_id(rule.id, hold.resource, subject),
        resource=hold.resource,
        want=hold.rung,
        safety=hold.safety,
        priority=URGENCY[rule.priority],
        lease=of_hold(hold, turn.now),
        holder=rule.id,
        subject=subject,
        reason=f"{match.why} in {match.event.id}",
        cause=match.event.id,
    )
    cycles.lead(turn, match, hold.resource)
    claiming.place(turn, claim)


def release_for(turn: Turn, match: Match, *, is_curbed: bool) -> None:
    for release in match.rule.release:
        subject = _subject(turn, match, release.subject, is_curbed=is_curbed)
        if subject is not None:
            cycles.lead(turn, match, release.resource)
            id_ = claiming.claim_id(release.of, release.resource, subject)
            claiming.clear(turn, id_, match.rule.id, f"{match.why} in {match.event.id}")


def _subject(turn: Turn, match: Match, template: str, *, is_curbed: bool) -> str | None:
    try:
        subject = filled_text(template, match.event.payload)
        error = f"longer than {SUBJECT_MAX} characters" if len(subject) > SUBJECT_MAX else ""
    except FieldError as wrong:
        subject, error = "", str(wrong)
    if not error:
        return subject
    if not is_curbed:
        why = f"subject {template!r}: {error}"
        turn.record(RuleUndecided(rule=match.rule.id, event=match.event.id, why=why))
    return None


def tell_for(turn: Turn, fired: list[Match], mark: str = "") -> None:
    """``mark`` tells the keys of these commands from those of the round itself."""
    counts: Counter[str] = Counter()
    told: list[tuple[Match, Tell, str]] = []
    for match in fired:
        for tell in match.rule.tell:
            counts[match.rule.id] += 1
            told.append((match, tell, f"c/{turn.ledger.round}/{match.rule.id}/{mark}{counts[match.rule.id]}"))
    _tell(turn, told, is_agreed=False)


def tell_now(turn: Turn, match: Match, tell: Tell, key: str) -> None:
    """One command that people have agreed to."""
    _tell(turn, [(match, tell, key)], is_agreed=True)


def _tell(turn: Turn, told: list[tuple[Match, Tell, str]], *, is_agreed: bool) -> None:
    refused: dict[tuple[str, str, str], list[tuple[Match, str, Ruling]]] = {}
    short: dict[tuple[str, str, str, bool], list[tuple[Match, str]]] = {}
    for match, tell, key in told:
        against = _refused(turn, match, tell)
        if against is not None:
            why, use, ruling = against
            refused.setdefault((match.rule.id, tell.command, use), []).append((match, why, ruling))
        elif not is_agreed and not gating.may_tell(turn, match, tell, key):
            continue
        elif (lacks := taking.shortage(turn, tell)) is None:
            commands.issue(turn, match, tell, key)
        else:
            _issue_short(turn, match, tell, key, lacks, short)
    for (rule, command, use), cases in refused.items():
        conflicts.hold_breach(turn, rule, command, use, cases)
    for (rule, command, pool, _), lacking in short.items():
        conflicts.over_commit(turn, rule, command, lacking, taking.ruling(turn, taking.pools(turn)[pool]))


def _issue_short(
    turn: Turn,
    match: Match,
    tell: Tell,
    key: str,
    lacks: taking.Shortage,
    short: dict[tuple[str, str, str, bool], list[tuple[Match, str]]],
) -> None:
    """Let it wait for what it takes, or refuse it where that would be in vain."""
    if lacks.never:
        _refuse(turn, match, tell, lacks.never)
    elif not commands.issue(turn, match, tell, key, waits=True):
        return
    about = (match.rule.id, tell.command, lacks.pool.resource, bool(lacks.never))
    short.setdefault(about, []).append((match, lacks.never))


def _refused(turn: Turn, match: Match, tell: Tell) -> tuple[str, str, Ruling] | None:
    for use in tell.uses:
        why, ruling = directives.refusal(turn, use, of_round=turn.ledger.phase is Phase.DECIDING)
        if why:
            _refuse(turn, match, tell, why)
            return why, use, ruling
    return None


def _refuse(turn: Turn, match: Match, tell: Tell, why: str) -> None:
    turn.record(
        RuleActionRefused(
            rule=match.rule.id, event=match.event.id, workstream=tell.workstream, command=tell.command, why=why
        )
    )
