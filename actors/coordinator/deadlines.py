"""Deadlines of rules: armed, met, and armed again after a death, for all of them stand in the ledger.

One timer for the first of them.  Its waking is a letter, so it stands in the trail, and a replay meets each deadline at
the same place.  What is due is looked at as if an event had come: the condition is asked again of the event it goes by,
with windows as they are now.  Here also: which windows are open.
"""

from alluse_hub.actors.coordinator import claiming, directives, rounds
from alluse_hub.actors.coordinator.rules import most_urgent_first
from alluse_hub.actors.coordinator.sight import Sight
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.actors.coordinator.timing import Timed, next_due_s
from alluse_hub.protocols.claims import Clock
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.windows import RulesLooked, RulesTimed, RuleTimingDropped, WindowClosed, WindowOpened

DUE = "rules"
"""The timer."""


def meet(turn: Turn) -> None:
    """The timer woke.  What becomes of each rule is recorded behind all that this led to, so that a death in between
    lets it be met again, under the same keys."""
    turn.state = replace(turn.state, due_at=None, armed_for=None)
    if not turn.ledger.ruleset.auto:
        return
    sight = Sight(turn.state.book, turn.ledger.timing, turn.now)
    found = sight.due()
    looked = sight.looked()
    turn.moment = f"timer{looked.count}"
    claiming.lapse(turn)
    rounds.end_kept(turn, sight.ended)
    fired = rounds.fire(turn, found)
    directives.settle(turn)
    rounds.tell_for(turn, most_urgent_first(fired), f"{turn.moment}-")
    for fact in (*sight.facts(), looked):
        turn.record(fact)


def settle(turn: Turn) -> None:
    """At the end of a letter: windows and looks as the rules in force ask for them, and the timer armed."""
    if turn.state.settled is not turn.state.book:
        _windows(turn)
        _standings(turn)
        _looks(turn)
        turn.state = replace(turn.state, settled=turn.state.book)
    _arm(turn)


def _windows(turn: Turn) -> None:
    tables, feeds = turn.ledger.timing.tables, turn.state.book.watch.feeds
    for id_ in [id_ for id_ in tables if id_ not in feeds]:
        turn.record(WindowClosed(window=id_))
    for id_, feed in feeds.items():
        if id_ not in tables:
            opened = float(turn.ledger.ordinal) if feed.clock is Clock.MARKET else turn.at
            fact = WindowOpened(window=id_, kind=feed.kind, clock=feed.clock, length=feed.length, opened=opened)
            turn.record(fact)


def _timed(turn: Turn) -> dict[str, Timed]:
    compiled = (compiled for rules in turn.state.book.rules.values() for compiled in rules)
    return {one.rule.id: one.timed for one in compiled if one.timed is not None}


def _standings(turn: Turn) -> None:
    """Of rules that are gone or no longer timed nothing is awaited.  What they hold lives on until it is released."""
    timed = _timed(turn)
    why = "the rule is gone, or has no times"
    dropped = tuple(
        RuleTimingDropped(rule=rule, keys=tuple(standings), count=len(standings), why=why)
        for rule, standings in turn.ledger.timing.standings.items()
        if rule not in timed
    )
    if dropped:
        turn.record(RulesTimed(dropped=dropped))


def _looks(turn: Turn) -> None:
    timing = turn.ledger.timing
    every = {rule: timed.every_s for rule, timed in _timed(turn).items() if timed.every_s is not None}
    due = {rule: timing.looks.get(rule, turn.at + every_s) for rule, every_s in every.items()}
    if due != timing.looks:
        turn.record(RulesLooked(due=due, count=timing.looks_count + 1))


def _arm(turn: Turn) -> None:
    timing = turn.ledger.timing if turn.ledger.ruleset.auto else None
    if timing is turn.state.armed_for:
        return
    due = next_due_s(timing) if timing is not None else None
    before, turn.state = turn.state.due_at, replace(turn.state, due_at=due, armed_for=timing)
    if due == before:
        return
    if due is None:
        turn.cancel(DUE)
    else:
        turn.wake(DUE, max(0.0, due - turn.at))
