"""Something else tried on a recorded trail: which letters, from where to where, and whether the trail can be trusted
for it.

``actors.coordinator.whatif`` decides, ``actors.auditor.history`` has the letters; neither knows the other, so they meet
here.  Each letter is first decided on with what was in force, and held against the record; only then is it tried.
Where the two differ, whatever a trial gave would mean nothing, and all of it is refused.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from alluse_hub.actors.auditor.history import Bounds, History, Incarnation
from alluse_hub.actors.auditor.past import live_at
from alluse_hub.actors.auditor.rerun import Progress, again
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
from alluse_hub.protocols.config_trial import Candidate, parse_trial
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.flow import RoundSettled
from alluse_hub.protocols.lifecycle import Booted
from alluse_hub.protocols.message import EntryId
from alluse_hub.protocols.rules import CoordinatorSpec, Rule
from alluse_hub.protocols.whole import NotWholeError
from alluse_hub.supervision.judgement import Judgement
from alluse_hub.supervision.relive import Relived

Doc = dict[str, Any]  # Any: JSON
Candidates = Callable[[CoordinatorSpec, tuple[Rule, ...]], Candidate]
"""What to try, from the specification and the rules at the fork."""


def candidates_in(file: Path, *, is_whole: bool) -> Candidates:
    """Of a file, laid over what was in force at the fork.  Raises ConfigError when it is called."""

    def made(spec: CoordinatorSpec, running: tuple[Rule, ...]) -> Candidate:
        return parse_trial(*read(file), spec, running, check_rules, is_whole=is_whole)

    return made


def tried(history: History, candidates: Candidates, bounds: Bounds, progress: Progress | None = None) -> Doc:
    """The report of ``whatif``, with what it cost.  Raises CallerError for a trail that it cannot rest on, and
    ConfigError for a file that is wrong."""
    trial = _begun(history, candidates, bounds)
    began, cpu_began = time.monotonic(), time.process_time()
    triggers = frozenset(listened(trial.candidate.rules))
    settled = settled_in(facts_of(history, names.ROUTER, RoundSettled.__name__, bounds.last))
    rounds = Rounds(settled, triggers, history.event)
    read_so_far = 0

    def told(life: Incarnation, entries: int) -> None:
        nonlocal read_so_far
        read_so_far += entries
        if progress is not None:
            progress(life.actor, life.number, read_so_far)

    try:
        for life in history.incarnations(names.COORDINATOR):
            booted = Booted.model_validate_json(history.born(EntryId(life.actor, life.number, 1)))
            trial.begin(COORDINATOR.start(life.actor, COORDINATOR.spec.model_validate(booted.spec)))
            judgement = Judgement(life.actor, life.number)
            for one in rounds.with_all(
                _reproduced(judgement, again(history, core_of, life, bounds, told, judgement)), trial.since
            ):
                trial.hear(one)
    except (NotWholeError, LookupError) as missing:
        raise CallerError(f"the trail does not hold all that was heard: {missing}") from missing
    trial.end()
    if not trial.is_forked:
        raise CallerError("nothing was heard there to try anything on; see `trail tail --actor coordinator`")
    took_s, cpu_s = time.monotonic() - began, time.process_time() - cpu_began
    return {
        **shown(trial),
        "shown_anew": rounds.added,
        "cost": {
            "letters": trial.letters + trial.before,
            "events": trial.events,
            "entries_read": read_so_far,
            "seconds": round(took_s, 3),
            "cpu_seconds": round(cpu_s, 3),
            "events_per_s": round(trial.events / max(took_s, 1e-3)),
        },
    }


def _begun(history: History, candidates: Candidates, bounds: Bounds) -> Trial:
    """With what was in force at the fork."""
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


def _reproduced(judgement: Judgement, letters: Iterator[Relived]) -> Iterator[Relived]:
    """Each letter once it is known that it is decided now as it was then.  Raises CallerError where it is not."""
    yield from letters
    if judgement.difference is not None:
        found = judgement.difference
        why = f"at {found.entry} the same rules decide otherwise than was recorded: {found.why}"
        raise CallerError(f"{why}; a trial would mean nothing, see `trail rerun --actor {names.COORDINATOR}`")
    if judgement.unknown:
        raise CallerError(f"from {judgement.unknown_from} on it cannot be decided again: {judgement.unknown}")
