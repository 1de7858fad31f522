"""Poison: a command that no program survives is set aside, so that the next one is served.

A command is *in hand* from its writing to its answer.  Of several in hand a program is taken to be at the one asked
first; the others' turn to be blamed comes when that is answered, or set aside.  What a program dies of makes
no difference, nor whether it was made to end because it hung.  At ``DEATHS_MAX`` deaths in a row the command is
answered *no*, and so is whoever asks for it again, until an operator says that the workstream is to run.
"""

import json

from alluse_hub.protocols.workstream import CommandOpened, CommandSetAside

from . import commands
from .state import Monitor, Turn

DEATHS_MAX = 3
"""As many as an actor may die over a letter (supervision/inhand.py); fewer than restarts, so that it is not parked."""

EVENTS_NAMED = 20
"""Events of a delivery that are named; a delivery may carry thousands."""


def in_hand(state: Monitor) -> str:
    """The key of the command that the program is at; empty if there is none."""
    written = (key for key in state.kept.open if key in state.written)
    return state.late if state.late in state.kept.open else next(written, "")


def weigh(turn: Turn, key: str, cause: str) -> None:
    """A program has died, or was ended because it hung, with that command in hand."""
    deaths = turn.kept.deaths.get(key, 0)
    opened = turn.kept.open.get(key)
    if opened is None or deaths < DEATHS_MAX:
        return
    events, count = events_of(turn.state, opened)
    turn.record(
        CommandSetAside(
            workstream=turn.state.ws,
            key=key,
            kind=opened.kind,
            command=opened.command,
            events=events,
            count=count,
            deaths=deaths,
            cause=cause,
        )
    )
    commands.refuse(turn, opened, turn.kept.set_aside[key])


def events_of(state: Monitor, opened: CommandOpened) -> tuple[tuple[str, ...], int]:
    """Ids of the first events that a delivery carries, and how many it carries."""
    line = state.lines.get(opened.key)
    events = json.loads(line)["parameters"].get("events") or [] if line is not None else []
    return tuple(f"{event['ws']}#{event['n']}" for event in events[:EVENTS_NAMED]), len(events)
