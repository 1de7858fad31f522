"""Other rules tried on a recorded trail: which letters, from where to where, and whether the trail can be trusted for
it.

``actors.coordinator.whatif`` decides, ``actors.auditor.history`` has the letters; neither knows the other, so they meet
here.  Before anything is tried, the same letters are decided on with the rules that were in force: where that differs
from the record, whatever a trial gave would mean nothing, and it is refused.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from alluse_hub.actors.auditor.history import Bounds, History
from alluse_hub.actors.auditor.past import live_at
from alluse_hub.actors.auditor.rerun import Progress, rerun
from alluse_hub.actors.auditor.turns import facts_of
from alluse_hub.actors.catalog import core_of
from alluse_hub.actors.coordinator.checks import check_rules
from alluse_hub.actors.coordinator.core import COORDINATOR
from alluse_hub.actors.coordinator.rules import listened
from alluse_hub.actors.coordinator.state import Coordinator
from alluse_hub.actors.coordinator.unshown import Rounds, settled_in
from alluse_hub.actors.coordinator.whatif import Trial, shown
from alluse_hub.configuration import read
from alluse_hub.protocols import names
from alluse_hub.protocols.config_rules import World, parse_rules
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.flow import RoundSettled
from alluse_hub.protocols.lifecycle import Booted
from alluse_hub.protocols.message import EntryId
from alluse_hub.protocols.rules import CoordinatorSpec, Rule
from alluse_hub.protocols.whole import NotWholeError
from alluse_hub.supervision.relive import relived
from alluse_hub.supervision.replay import recovered_by

Doc = dict[str, Any]  # Any: JSON
Candidates = Callable[[CoordinatorSpec, tuple[Rule, ...]], tuple[Rule, ...]]
"""The rules to try, from the specification and the rules at the fork."""


def candidates_in(file: Path, *, is_whole: bool) -> Candidates:
    """Of a file, laid over those at the fork.  Raises ConfigError when it is called."""

    def made(spec: CoordinatorSpec, running: tuple[Rule, ...]) -> tuple[Rule, ...]:
        world = World(spec.resources, spec.workstreams, check_rules, spec.events, spec.emitted)
        beside = () if is_whole else running
        rules = parse_rules(*read(file), world, beside=beside)
        ids = {rule.id: rule for rule in rules}
        kept = tuple(ids.pop(rule.id, rule) for rule in beside)
        return (*kept, *ids.values())

    return made


def tried(history: History, candidates: Candidates, bounds: Bounds, progress: Progress | None = None) -> Doc:
    """The report of ``whatif``, with how long it took.  Raises CallerError for a trail that it cannot rest on, and
    ConfigError for rules that are wrong."""
    trial = _begun(history, candidates, bounds)
    began = time.monotonic()
    _reproduced(history, bounds, progress)
    checked = time.monotonic()
    lives = history.incarnations(names.COORDINATOR)
    triggers = frozenset(listened(trial.rules))
    rounds = Rounds(
        settled_in(facts_of(history, names.ROUTER, RoundSettled.__name__, bounds.last)), triggers, history.event
    )
    try:
        for life in lives:
            entries = (history.unsealed(life, entry) for piece in history.pieces(life, bounds.last) for entry in piece)
            booted = Booted.model_validate_json(history.born(EntryId(life.actor, life.number, 1)))
            fresh: Coordinator = COORDINATOR.start(life.actor, COORDINATOR.spec.model_validate(booted.spec))
            state, _ = recovered_by(COORDINATOR, fresh, partial(history.left_before, life))
            trial.begin(fresh, state)
            letters = relived(life.actor, life.number, entries, COORDINATOR.accepts, history)
            for one in rounds.with_all(letters, trial.since):
                trial.hear(one)
    except (NotWholeError, LookupError) as missing:
        raise CallerError(f"the trail does not hold all that was heard: {missing}") from missing
    trial.end()
    took_s = time.monotonic() - checked
    if not trial.is_forked:
        raise CallerError("nothing was heard there to try the rules on; see `trail tail --actor coordinator`")
    return {
        **shown(trial),
        "shown_anew": rounds.added,
        "checked_s": round(checked - began, 3),
        "took_s": round(took_s, 3),
    }


def _begun(history: History, candidates: Candidates, bounds: Bounds) -> Trial:
    """With the rules as they were at the fork."""
    last = None if bounds.first is None else bounds.first - 1
    if bounds.first is None:
        first = history.incarnations(names.COORDINATOR)
        if not first:
            raise CallerError("the trail has nothing of a coordinator")
        through, since = EntryId(names.COORDINATOR, first[0].number, 1), 0.0
    else:
        try:
            through, _, since = history.through(names.COORDINATOR, last)
        except CallerError:
            return _begun(history, candidates, bounds._replace(first=None))
    state: Coordinator = live_at(history, through, core_of)
    return Trial(candidates(state.book.spec, state.book.running), since)


def _reproduced(history: History, bounds: Bounds, progress: Progress | None) -> None:
    """Raises CallerError unless the rules of then decide what was decided then."""
    for judged in rerun(history, core_of, names.COORDINATOR, Bounds(last=bounds.last), progress):
        if judged.difference is not None:
            found = judged.difference
            why = f"at {found.entry} the same rules decide otherwise than was recorded: {found.why}"
            raise CallerError(f"{why}; a trial would mean nothing, see `trail rerun --actor {names.COORDINATOR}`")
        if judged.unknown:
            raise CallerError(f"from {judged.unknown_from} on it cannot be decided again: {judged.unknown}")
