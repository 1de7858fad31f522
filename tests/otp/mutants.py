"""Bugs that a supervisor may have, planted one at a time into the hub's own.

Each is a change of a few words in the source of one module.  The modules of the core are loaded anew with it, beside
the real ones, and the scenarios are run on what comes out.
"""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from alluse_hub.protocols.effects import Core
from tests.otp.compare import differences
from tests.otp.recordings import scenarios, traces
from tests.otp.runner import trace_of

FLOOR = "alluse_hub.supervision"

CORE = (
    "restarts",
    "roster",
    "specs",
    "supervisor_state",
    "supervisor_orders",
    "supervisor_origins",
    "supervisor_end",
    "supervisor_plans",
    "supervisor_hung",
    "supervisor_restarts",
    "supervisor_told",
    "supervisor_shown",
    "supervisor",
)
"""The modules of the core, each after those it imports."""


@dataclass(frozen=True)
class Mutant:
    """``old`` stands once in the source of ``module``; ``new`` takes its place."""

    bug: str
    module: str
    old: str
    new: str


PLANTED = """
restarts
  a transient child is restarted after an orderly end
    - return not is_orderly(cause)
    + return True
  a temporary child is restarted
    -             return False
    +             return True
  shutdown:TEXT is taken for a failure
    -  or cause.startswith(ORDERLY_PREFIX)
  the limit lets one restart too many pass
    - len(counted) > intensity.restarts
    + len(counted) > intensity.restarts + 1
  the limit strikes one restart too early
    - len(counted) > intensity.restarts
    + len(counted) >= intensity.restarts
  old restarts are never forgotten
    - if now - at <= period_s
    + if now >= at
  rest_for_one leaves those after the failed child alone
    - return order[place:]
    + return order[place : place + 1]
  one_for_all leaves those before the failed child alone
    - case Strategy.ONE_FOR_ALL:
    -             return order
    + case Strategy.ONE_FOR_ALL:
    +             return order[place:]
  a permanent child may end normally when it is stopped
    - restart is not RestartType.PERMANENT and is_orderly(cause)
    + is_orderly(cause)
  one killed by brutal_kill is reported
    - KILLED if shutdown is Shutdown.BRUTAL_KILL else SHUTDOWN
    + SHUTDOWN
specs
  a permanent child may be significant
    - if spec.get("significant") and spec.get("restart"
    + if not spec and spec.get("restart"
  a significant child needs no auto_shutdown
    - and auto_shutdown is AutoShutdown.NEVER
    + and not auto_shutdown
  any shutdown is taken
    - (("shutdown",), "invalid_shutdown"),
    + (("shutdown",), ""),
supervisor_state
  a group restart leaves those down that had ended normally
    - c.name for c in children if c.state is not ChildState.PARKED
    + c.name for c in children if c.last_exit != "normal"
  a group restart brings temporary members back
    - and not (c.is_temporary and c.life > 0)
  a failed start is tried again before anything that waits
    - waiting=(*self.waiting, matter)
    + waiting=(matter, *self.waiting)
  what waits is taken up while a plan is in hand
    - if self.waiting and not self.plans else None
    + if self.waiting else None
supervisor_orders
  a child that is known but down may be added again
    - if known is not None:
    -         return Decision(state, (refuse_for_namesake(order, known),))
    -     born = Child(ChildSpec.model_validate(spec))
    -     return Decision(state.add(born)
    + if known is not None and known.runs:
    +         return Decision(state, (refuse_for_namesake(order, known),))
    +     born = Child(ChildSpec.model_validate(spec))
    +     return Decision((state.put(born) if known else state.add(born))
  a running child may be removed
    - case RemoveActor() if not child.runs:
    + case RemoveActor():
  a child between two tries may be removed
    - case _ if child.is_restarting:
    + case StartActor() if child.is_restarting:
  a child between two tries is listed as stopped
    - return Standing.RESTARTING
    + return Standing.STOPPED
  a member that is not there cannot be stopped
    - return Decision(state, (answer(order, f"{order.name} is not there"),))
    + return not_found(state, order)
  of a pool's members those between two tries count as active
    - sum(not child.is_restarting if is_pool
    + sum(child.life > 0 if is_pool
  supervisors are counted as workers
    - supervisors=supervisors,
    + supervisors=0,
supervisor_restarts
  a group is stopped in the order of its start
    - for name in reversed(group) if
    + for name in group if
  a child's limit is kept for each child by itself
    - state = replace(state, restart_times=times)
    + state = replace(state, restart_times=times[: child.restarts])
  giving up is not reported
    - said = (report, *budget
    + said = (*(), *budget
  a supervisor that gives up ends with an error
    - give_up(state.put(child), child, cause, SHUTDOWN)
    + give_up(state.put(child), child, cause, "error: limit")
  children are stopped in the order of their start
    - Ending(reason, cause, state.order[::-1]
    + Ending(reason, cause, state.order
supervisor_plans
  a child found dead while the group stops is not reported
    - stop_reported(child, child.last_exit) if child.is_unjudged else ()
    + ()
  a child found dead while the group stops costs a restart of its own
    - replace(child.cleared, awaits=plan.awaits)
    + child
  a temporary child stopped by order is kept
    - or (child.is_temporary and child.life > 0)
  brutal_kill asks first
    - effects += (Kill(child.name),)
    + effects += (Stop(child.name, reason, 0.3), Wake(child.stop_timer, 0.3))
  every child is given the default time to stop
    - grace_s = child.spec.grace_s
    + grace_s = 5.0
  infinity is five seconds
    - Stop(child.name, reason, None)
    + Stop(child.name, reason, 0.2)
  members of a pool are stopped one after the other
    - if state.template is not None:
    -         return pool_advanced
    + if not state.name:
    +         return pool_advanced
supervisor
  an ignored child counts as failed
    - if cause == IGNORE:
    + if not cause:
  an ignored temporary child is kept
    - state.forget(child.name) if child.is_temporary or state.template is not None else state
    -     if isinstance
    + state
    +     if isinstance
  a child that fails to be added is kept
    - after = state.drop(plan) if is_known else state.drop(plan).forget(child.name)
    + after = state.drop(plan)
  a failed restart by order is tried again
    - after = state.drop(plan) if is_known
    + after = retry(state.drop(plan), child, cause) if is_known
  a failed start is not reported
    - return Decision(retry(passed(state, plan), child, cause), (report,))
    + return Decision(retry(passed(state, plan), child, cause))
  a failed restart is not tried again
    - if child.is_temporary:
    -         return state.forget(child.name)
    -     return state.put
    + if child.life > 0:
    +         return state
    +     return state.put
  a failed child does not stop its supervisor's start
    - case None if state.escalates:
    + case None if not state.escalates:
  the path of a failed start is lost
    - f"failed_to_start_child: {child.name}: {cause}"
    + cause
  tries of a failed restart cost nothing
    - return restarted(state, child.cleared, matter, at)
    + return restarted(replace(state, restart_times=state.restart_times[1:]), child.cleared, matter, at)
  an ordinary end of a permanent child is not reported
    - child.spec.restart is RestartType.PERMANENT or not is_orderly
    + not is_orderly
  an ended transient child is forgotten
    - is_forgotten = child.is_temporary or state.template is not None
    + is_forgotten = True
  a member that ended stays in its pool
    - is_forgotten = child.is_temporary or state.template is not None
    + is_forgotten = child.is_temporary and state.template is None
  significant children are not heeded
    - if not child.spec.significant or
    + if child.spec.significant or
  all_significant does not wait for the others
    - is AutoShutdown.ALL_SIGNIFICANT and any(left)
    + is AutoShutdown.ALL_SIGNIFICANT and not state
  any_significant waits for all
    - state.spec.auto_shutdown is AutoShutdown.ALL_SIGNIFICANT and any
    + any
  a supervisor is up before its children are
    - ready=lambda state: state.has_started,
    + ready=None,
"""
"""By module: the bug, and as in a diff what goes and what comes."""


def planted(text: str) -> Iterator[Mutant]:
    module = bug = ""
    old: list[str] = []
    new: list[str] = []
    for line in [*text.splitlines(), ""]:
        if old and not line.startswith("    "):
            yield Mutant(bug, module, "\n".join(old), "\n".join(new))
            old, new = [], []
        if line.startswith("    - "):
            old.append(line[6:])
        elif line.startswith("    + "):
            new.append(line[6:])
        elif line.startswith("  "):
            bug = line.strip()
        else:
            module = line or module


MUTANTS = tuple(planted(PLANTED))


def core_with(mutant: Mutant | None) -> Core[Any]:
    """The supervisor's core with that bug; without one, the same as the real one."""
    names = [f"{FLOOR}.{name}" for name in CORE]
    sources = {name: _source(importlib.import_module(name)) for name in names}
    if mutant is not None:
        place = f"{FLOOR}.{mutant.module}"
        assert sources[place].count(mutant.old) == 1, f"{mutant.bug}: {mutant.old!r} does not stand once in {place}"
        sources[place] = sources[place].replace(mutant.old, mutant.new)
    with patch.dict(sys.modules):
        for name in names:
            module = sys.modules[name] = ModuleType(name)
            exec(compile(sources[name], name, "exec"), vars(module))
        found = sys.modules[names[-1]].SUPERVISOR
    assert isinstance(found, Core)
    return found


def _source(module: ModuleType) -> str:
    assert module.__file__ is not None, "it was loaded from a file"
    return Path(module.__file__).read_text(encoding="utf-8")


def first_difference(core: Core[Any]) -> str:
    """The first scenario whose trace is not as recorded, and how; empty if all are."""
    for name, scenario in scenarios().items():
        try:
            found = differences(traces()[name], trace_of(scenario, core))
        except Exception as error:  # noqa: BLE001  # whatever a planted bug may lead to
            found = [f"cannot be run: {type(error).__name__}: {error}"]
        if found:
            return f"{name}: {found[0]}"
    return ""
