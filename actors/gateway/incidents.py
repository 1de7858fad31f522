"""Incidents: what one crash, or one order, led to, put together from the facts of its chain.

All that is stopped, started and tried for it carries its correlation, up through supervisors that give up and down
again to the last child that is ready.  So the facts of one correlation, in their order, are the whole story; here they
become steps, and a summary that says what a person asks first: what it was, who went down with it, how often it was
tried and after what pauses, who gave up, and after how long all were back.

Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from alluse_hub.protocols.admin import Asked, ShutDown
from alluse_hub.protocols.children import AutoShutdownBegun, PlatformStopped
from alluse_hub.protocols.lifecycle import (
    ChildEnded,
    ChildParked,
    ChildRestarted,
    ChildStarted,
    ChildUp,
    Exited,
    Failed,
    GaveUp,
    Started,
)
from alluse_hub.protocols.liveness import ChildHung, Hung
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.program import ProgramGone, WentSilent
from alluse_hub.protocols.trail import Entry, EntryKind
from alluse_hub.protocols.workstream import ProgramEnded, ProgramGreeted, ProgramParked, ProgramStarted

STEPS_MAX = 500
"""Steps of one incident that are shown; those of a platform that is restarted as a whole are some dozens."""

TOLD = tuple(
    kind.__name__
    for kind in (
        Failed, ChildHung, ChildEnded, ChildRestarted, ChildStarted, ChildUp, ChildParked, GaveUp, AutoShutdownBegun,
        PlatformStopped, ProgramEnded, ProgramStarted, ProgramGreeted, ProgramParked,
    )
)  # fmt: skip
"""What is read of a chain."""

BEGINNINGS = {
    Exited.__name__: "crash",
    Failed.__name__: "crash",
    Hung.__name__: "hang",
    ProgramGone.__name__: "crash",
    WentSilent.__name__: "hang",
    Asked.__name__: "order",
    ShutDown.__name__: "order",
    Started.__name__: "start",
}
"""By the message of its first entry: what kind of incident it is; anything else is an ``event``."""

DOWN, TRIED, UP, PARKED = "down", "starting", "ready", "parked"


@dataclass(slots=True)
class _Story:
    """In the making.  ``standing``: how each actor or program stands after the last step."""

    began: float
    steps: list[JsonValue] = field(default_factory=list)
    standing: dict[str, str] = field(default_factory=dict)
    down: list[str] = field(default_factory=list)  # who went down, in order
    tries: dict[str, int] = field(default_factory=dict)
    pauses: list[JsonValue] = field(default_factory=list)
    gave_up: list[JsonValue] = field(default_factory=list)
    last_up: float = 0.0

    def step(self, entry: Entry, what: str, name: str, **more: JsonValue) -> None:
        after_s = round(entry.at - self.began, 6)
        said: Json = {"after_s": after_s, "what": what, "name": name, "by": entry.actor, "entry": entry.id}
        self.steps.append(said | more)

    def fell(self, name: str) -> None:
        self.standing[name] = DOWN
        if name not in self.down:
            self.down.append(name)

    def tried(self, name: str) -> None:
        self.standing[name] = TRIED
        self.tries[name] = self.tries.get(name, 0) + 1

    def rose(self, entry: Entry, name: str) -> None:
        self.standing[name] = UP
        self.last_up = entry.at


def incident(first: Entry, entries: Sequence[Entry]) -> Json:
    """``first``: of the chain.  ``entries``: those of it that are ``TOLD``, in their order."""
    story = _Story(first.at)
    for entry in entries:
        _tell(story, entry)
    trigger = _trigger(first, entries)
    is_over = not any(standing in {DOWN, TRIED} for standing in story.standing.values())
    name = str(trigger["name"])
    return {
        "correlation": first.id,
        "wall": first.wall,
        "trigger": trigger,
        "with_it": [other for other in story.down if other != name],
        "tries": story.tries.get(name, max(story.tries.values(), default=0)),
        "pauses_s": story.pauses,
        "gave_up": story.gave_up,
        "parked": [other for other, standing in story.standing.items() if standing == PARKED],
        "missing": [other for other, standing in story.standing.items() if standing in {DOWN, TRIED}],
        "is_over": is_over,
        "took_s": round(story.last_up - story.began, 6) if is_over and story.last_up else None,
        "steps": story.steps[:STEPS_MAX],
    }


def is_an_incident(first: Entry, entries: Sequence[Entry]) -> bool:
    """A start of the hub in which nothing ended is none."""
    ends = {ChildEnded.__name__, ProgramEnded.__name__}
    return BEGINNINGS.get(first.message) != "start" or any(entry.message in ends for entry in entries)


def _trigger(first: Entry, entries: Sequence[Entry]) -> Json:
    kind = BEGINNINGS.get(first.message, "event")
    body = first.body
    found: Json = {"kind": kind, "name": first.actor, "cause": "", "entry": first.id}
    match first.message:
        case "Exited":
            return found | {"name": body.get("name", ""), "cause": body.get("cause", ""), "letter": first.cause}
        case "Failed":
            lines = str(body.get("error", "")).strip().splitlines()
            return found | {"cause": lines[-1] if lines else "", "letter": body.get("letter", "")}
        case "Hung":
            return found | {"name": body.get("name", ""), "cause": body.get("why", "")}
        case "ProgramGone" | "WentSilent":
            cause = str(body.get("cause") or body.get("why") or f"silent for {body.get('age_s', 0)} s")
            return found | {"name": program_of(first.actor), "cause": cause}
        case "Asked":
            args = body.get("args")
            args = args if isinstance(args, dict) else {}
            name = str(args.get("name", ""))
            is_program = any(entry.message == ProgramEnded.__name__ and entry.actor == name for entry in entries)
            cause = f"{body.get('ask', '')} by {body.get('user', '')}"
            reason = str(args.get("reason", ""))
            said = f"{cause}: {reason}" if reason else cause
            return found | {"name": program_of(name) if is_program else name, "cause": said}
        case _:
            return found | {"cause": first.message}


def program_of(workstream: str) -> str:
    return f"{workstream}'s program"


def _tell(story: _Story, entry: Entry) -> None:
    body = entry.body
    name = str(body.get("name") or body.get("child") or entry.actor)
    cause = body.get("cause") or body.get("why") or ""
    program = program_of(entry.actor)
    if entry.kind is EntryKind.HEARD and entry.message == ChildUp.__name__:
        story.rose(entry, name)
        story.step(entry, UP, name, incarnation=body.get("incarnation", 0))
    if entry.kind is not EntryKind.FACT:
        return
    match entry.message:
        case "Failed":
            story.step(entry, "failed", entry.actor, letter=body.get("letter", ""))
        case "ChildHung":
            story.step(entry, "hung", name, cause=cause)
        case "ChildEnded":
            story.fell(name)
            story.step(entry, "ended", name, cause=cause)
        case "ChildRestarted":
            pause_s = body.get("pause_s", 0.0)
            if pause_s:
                story.pauses.append(pause_s)
            story.step(entry, "restarts", name, count=body.get("count", 0), pause_s=pause_s)
        case "ChildStarted":
            if name not in story.standing:
                story.fell(name)  # it went with its supervisor, and nobody was left to say so
            story.tried(name)
            story.step(entry, "starts", name, life=body.get("life", 0))
        case "ChildParked":
            story.standing[name] = PARKED
            story.step(entry, PARKED, name, cause=cause)
        case "GaveUp":
            story.gave_up.append(entry.actor)
            story.step(entry, "gave up", entry.actor, cause=f"{name}: {cause}")
        case "AutoShutdownBegun" | "PlatformStopped":
            story.step(entry, "ends", entry.actor, cause=f"{name}: {cause}")
        case "ProgramEnded":
            story.fell(program)
            story.step(entry, "ended", program, cause=cause)
        case "ProgramStarted":
            story.tried(program)
            if body.get("adopted"):  # it ran all the time, and need not say hello again
                story.rose(entry, program)
            story.step(entry, "found again" if body.get("adopted") else "starts", program, pid=body.get("pid", 0))
        case "ProgramGreeted":
            story.rose(entry, program)
            story.step(entry, UP, program)
        case "ProgramParked":
            story.standing[program] = PARKED
            story.step(entry, PARKED, program, cause=cause)
