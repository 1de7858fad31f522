"""Directives: bringing workstreams to what is in force.

A directive goes out whenever the ruling on a resource changes in what its workstream must know: the rung, who holds it,
how long.  Restrictions go at once, loosenings behind a ``Commit``.  Each carries a fence that never goes back and is
said again until it is obeyed: quickly at first, until the monitor says that it has heard, then with patience for the
program that has to obey.  After a few tries in vain the round goes on without an answer, but the directive is never
given up, and meanwhile the resource counts as being at its fail-safe rung for whoever wants to use it.  What is not
known to be obeyed is a doubt (``doubts``).
"""

from alluse_hub.actors.coordinator import chains, conflicts, doubts, flapping, gating
from alluse_hub.actors.coordinator.arbiter import Ruling, explained, in_force, permits
from alluse_hub.actors.coordinator.leases import as_text, end
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.claims import (
    ConflictClass,
    Directive,
    DirectiveAck,
    DirectiveAnswered,
    DirectiveHeard,
    DirectiveIssued,
    Lease,
    Mode,
)
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.names import COORDINATOR
from alluse_hub.protocols.rules import DirectiveLed
from alluse_hub.protocols.states import replace

DEADLINE_S = 10.0
"""For a program to obey a directive; its monitor says if it did not."""

HEARD_S = 0.5
HEARD_TRIES = 4
"""A monitor that is up answers a directive within so long, or the next time it is said; not even one answer to so many,
and the monitor is in trouble."""

UNHEARD_S = HEARD_S * HEARD_TRIES

FIRST_PAUSE_S = 2.0
TRIES_MAX = 8
"""Times a directive is said, with pauses of 0.5 s four times and then of 2, 4, 8 and 16 s, before its round stops
waiting for it."""

PATIENCE_S = UNHEARD_S + FIRST_PAUSE_S * (2 ** (TRIES_MAX - HEARD_TRIES) - 1)
"""All these pauses together: how long a round waits for a directive."""

SLOWEST_PAUSE_S = 300.0
"""After that the pauses grow up to this."""


def timer_of(resource: str) -> str:
    return f"directive:{resource}"


def pause_s(tries: int) -> float:
    """After a directive was said, before which it had been said ``tries`` times."""
    slow = tries - HEARD_TRIES
    return HEARD_S if slow < 0 else float(min(FIRST_PAUSE_S * 2 ** min(slow, 16), SLOWEST_PAUSE_S))


def settle(turn: Turn) -> None:
    """Issue a directive for every resource whose ruling is no longer what its workstream was told."""
    for mode in turn.state.book.modes.values():
        told = turn.ledger.directives.get(mode.resource)
        default = mode.rungs[0].name
        rung = told.issued.rung if told is not None else default
        ruling = flapping.latched(turn, turn.ruling(mode), rung)
        if ruling.rung == rung == default:
            gating.not_needed(turn, mode.resource)
            continue  # who holds it open is nothing to the workstream
        if told is not None and (rung, told.issued.claims, told.issued.lease) == (
            ruling.rung,
            ruling.claims,
            ruling.lease,
        ):
            gating.not_needed(turn, mode.resource)
            continue
        loosens = _loosens(ruling, mode, rung, told.issued.lease if told else None)
        if gating.may_direct(turn, ruling, loosens=loosens):
            _issue(turn, ruling, loosens=loosens)
            gating.directed(turn, mode.resource)
        elif (safe := _for_safety(turn, ruling, rung)) is not None:
            _issue(turn, safe, loosens=False)


def _for_safety(turn: Turn, ruling: Ruling, rung: str) -> Ruling | None:
    """What is held for safety waits for nobody, though people are asked about more than that; None if the rung told
    is as restrictive already."""
    mode = ruling.mode
    lower = {known.name for known in mode.rungs[: mode.height(ruling.floor)]}
    if rung not in lower:
        return None
    claims = [claim for claim in turn.ledger.claims.values() if claim.safety or claim.overrides]
    return in_force(mode, claims, turn.now)


def _loosens(ruling: Ruling, mode: Mode, rung: str, lease: Lease | None) -> bool:
    names = [known.name for known in mode.rungs]
    # A rung that the configuration no longer has counts as the most restrictive.
    was = names.index(rung) if rung in names else len(names)
    now = mode.height(ruling.rung)
    if now != was or lease is None or ruling.lease is None:
        return now < was
    return end(ruling.lease) < end(lease)


def _issue(turn: Turn, ruling: Ruling, *, loosens: bool) -> None:
    mode = ruling.mode
    told = turn.ledger.directives.get(mode.resource)
    fence = (told.issued.fence if told else 0) + 1
    why = explained(ruling)
    issued = DirectiveIssued(
        resource=mode.resource,
        rung=ruling.rung,
        fence=fence,
        why=why,
        command=mode.rungs[mode.height(ruling.rung)].command,
        parameters=_parameters(ruling, fence, why),
        claims=ruling.claims,
        lease=ruling.lease,
        loosens=loosens,
        round=turn.ledger.round,
        at=flapping.moment(turn),
        chain=turn.led.get(mode.resource, ()),
    )
    if issued.chain:
        root = turn.roots[mode.resource]
        turn.record(DirectiveLed(key=chains.directive_key(issued), chain=issued.chain, root=root))
    turn.record(issued)
    turn.forget(timer_of(mode.resource))
    say(turn, mode.resource, committed=loosens)
    if why_not := turn.unreachable(mode.workstream, PATIENCE_S):
        fail(turn, mode.resource, why_not)


def _parameters(ruling: Ruling, fence: int, why: str) -> Json:
    """What a program needs to obey.  The directive stands until the next one, so ``lease`` is one for the resource and
    no date of an end is given: ``ends`` says in words how long it is meant to hold, ``claims`` for whom.
    """
    return {
        "mode": ruling.rung,
        "scope": "all",
        "lease": ruling.mode.resource,
        "fence": fence,
        "by": COORDINATOR,
        "reason": why,
        "claims": list(ruling.claims),
        "ends": as_text(ruling.lease, ruling.now) if ruling.lease is not None else "",
    }


def say(turn: Turn, resource: str, *, committed: bool) -> None:
    """Say the current directive of ``resource`` (again), and be woken if no answer comes."""
    issued = turn.ledger.directives[resource].issued
    directive = Directive(
        resource=resource,
        rung=issued.rung,
        command=issued.command,
        parameters=issued.parameters,
        fence=issued.fence,
        reason=issued.why,
        deadline_s=DEADLINE_S,
        round=issued.round,
        epoch=turn.ledger.docket.epoch,
    )
    workstream = resource.partition("/")[0]
    pause = pause_s(turn.tried(timer_of(resource)))
    turn.send_and_wake(workstream, directive, timer_of(resource), pause, committed=committed)


def take_up(turn: Turn) -> None:
    """After a start: issue what has changed, and say again whatever was not obeyed yet."""
    doubts.take_up(turn)
    told = turn.ledger.directives
    for resource, directed in told.items():
        if resource not in turn.state.book.modes and not directed.is_obeyed:
            fail(turn, resource, "the configuration does not have it any more")
    settle(turn)
    for resource, directed in told.items():
        if turn.ledger.directives[resource] is directed and not directed.is_obeyed:
            say(turn, resource, committed=directed.issued.loosens)


def say_again_to(turn: Turn, workstream: str) -> None:
    """The monitor or the program is new: it may not know where its resources stand."""
    for resource, directed in turn.ledger.directives.items():
        if resource.partition("/")[0] == workstream and resource in turn.state.book.modes:
            turn.forget(timer_of(resource))
            unheard = {other: fence for other, fence in turn.state.heard.items() if other != resource}
            turn.state = replace(turn.state, heard=unheard)
            say(turn, resource, committed=directed.issued.loosens)


def no_answer(turn: Turn, resource: str) -> None:
    """Its timer woke: say it again, and after some tries let the round go on."""
    directed = turn.ledger.directives.get(resource)
    if directed is None or directed.is_obeyed:
        return
    tries = turn.state.tries.get(timer_of(resource), 0)
    is_heard = turn.state.heard.get(resource) == directed.issued.fence
    if tries == HEARD_TRIES and not is_heard and doubts.is_watched_for(turn, resource.partition("/")[0]):
        doubts.unheard(turn, resource, UNHEARD_S)
    if not directed.outcome and tries >= TRIES_MAX:
        fail(turn, resource, f"no answer after {tries} tries")
    # The timer was set behind the Commit that the directive waited for, so it need not wait again.
    say(turn, resource, committed=False)


def fail(turn: Turn, resource: str, error: str) -> None:
    """The round no longer waits for the directive; it is still said again."""
    directed = turn.ledger.directives[resource]
    if not directed.outcome:
        fence = directed.issued.fence
        turn.record(DirectiveAnswered(resource=resource, fence=fence, outcome="failed", error=error))
        doubts.disobeyed(turn, resource, error)


def heard(turn: Turn, word: DirectiveHeard) -> None:
    """The monitor has it, and the program has yet to obey: from now on that is what is waited for."""
    directed = turn.ledger.directives.get(word.resource)
    if directed is None or directed.issued.fence != word.fence or directed.is_obeyed:
        return
    if turn.state.heard.get(word.resource) == word.fence:
        return
    turn.state = replace(turn.state, heard={**turn.state.heard, word.resource: word.fence})
    timer = timer_of(word.resource)
    if turn.state.tries.get(timer, 0) <= HEARD_TRIES:
        turn.state = replace(turn.state, tries={**turn.state.tries, timer: HEARD_TRIES + 1})
        turn.wake(timer, FIRST_PAUSE_S)


def acknowledged(turn: Turn, ack: DirectiveAck) -> None:
    """An acknowledgement of an earlier directive says nothing about the current one."""
    directed = turn.ledger.directives.get(ack.resource)
    if directed is None or directed.issued.fence != ack.fence or directed.is_obeyed:
        return
    obeyed = ack.outcome in {"applied", "already"}
    if obeyed or not directed.outcome:
        turn.record(
            DirectiveAnswered(
                resource=ack.resource,
                fence=ack.fence,
                outcome=ack.outcome,
                error=ack.error,
                events_through=ack.events_through,
            )
        )
    if obeyed:
        turn.forget(timer_of(ack.resource))
        doubts.obeyed(turn, ack.resource)
    elif ack.outcome == "failed":
        doubts.disobeyed(turn, ack.resource, ack.error or "it said no")
    mode = turn.state.book.modes.get(ack.resource)
    if ack.outcome == "stale" and ack.seen >= ack.fence and mode is not None:
        conflicts.conflict(
            turn,
            ConflictClass.AUTHORITY,
            ack.resource,
            (mode.workstream, COORDINATOR),
            f"{mode.workstream} has seen fence {ack.seen} of {ack.resource}, and was told {ack.fence}.",
            outcome="fence raised",
            winner=COORDINATOR,
            closed=f"There is no other coordinator now: it is told again, with fence {ack.seen + 1}.",
        )
        # Its memory reaches further than ours: go above it.  What has changed since is another directive.
        _issue_above(turn, directed.issued, ack.seen)
        settle(turn)


def _issue_above(turn: Turn, issued: DirectiveIssued, seen: int) -> None:
    """The same again, with a fence above one that was seen."""
    fence = seen + 1
    parameters = {**issued.parameters, "fence": fence}
    again = issued.model_copy(update={"fence": fence, "parameters": parameters, "round": turn.ledger.round})
    led = turn.ledger.chains.led.get(chains.directive_key(issued))
    if led is not None and led.rules:
        turn.record(DirectiveLed(key=chains.directive_key(again), chain=led.rules, root=led.root))
    turn.record(again)
    turn.forget(timer_of(issued.resource))
    say(turn, issued.resource, committed=issued.loosens)
    workstream = issued.resource.partition("/")[0]
    if why_not := turn.unreachable(workstream, PATIENCE_S):
        fail(turn, issued.resource, why_not)


def refusal(turn: Turn, use: str, *, of_round: bool) -> tuple[str, Ruling]:
    """Why ``use``, such as ``ws4/trading:open``, is not permitted now, empty if it is; and the ruling on it.  What is
    decided in a round looks at doubts about directives only when rounds no longer wait for them."""
    resource, _, name = use.partition(":")
    mode = turn.state.book.modes[resource]
    ruling = turn.ruling(mode)
    if not permits(ruling, name):
        return f"{resource} is {ruling.rung}, which {_permitted(mode, ruling.rung)}", ruling
    told = turn.ledger.directives.get(resource)
    if told is not None and told.issued.rung in {rung.name for rung in mode.rungs[mode.height(ruling.rung) + 1 :]}:
        stays = mode.rungs[mode.height(told.issued.rung)]
        if name not in stays.uses:
            return f"{resource} stays {stays.name} until people agree, which {_permitted(mode, stays.name)}", ruling
    is_open = told is not None and not told.is_obeyed and doubts.open_on(turn, resource) is not None
    if told is not None and (told.is_in_doubt or (is_open and not of_round)):
        safe = mode.fail_safe or mode.rungs[-1].name
        if name not in mode.rungs[mode.height(safe)].uses:
            answer = told.error or told.outcome or "no answer"
            return (
                f"{mode.workstream} did not confirm that {resource} is {ruling.rung} ({answer}), "
                f"so it counts as {safe}, which {_permitted(mode, safe)}"
            ), ruling
    return "", ruling


def _permitted(mode: Mode, rung: str) -> str:
    uses = mode.rungs[mode.height(rung)].uses
    return f"permits only {', '.join(uses)}" if uses else "permits nothing"
