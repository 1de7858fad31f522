"""Origins: what led to what an actor hears from nobody's letter.

Most letters carry their cause.  Those that an actor hears from its own shell do not: a timer comes up, its worker says
something, a child is up or has ended.  What the actor did before says where they come from: it set that timer, gave its
worker a job, started or stopped that child.  So a life keeps, for each of them, the letter it had in hand then.

Three rules keep a chain from growing for ever, or into another:

* a child that is up owes nothing to whoever started it: its end, unless it is told to end, begins a chain;
* of what a worker says, the first word of each kind that answers a job belongs to the job; what follows is news;
* a timer that its own waking sets again, more than ``CLOCK_TURNS`` times in a row, is a clock: what it brings from then
  on begins with it.

Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from alluse_hub.protocols.effects import Because, Effect
from alluse_hub.protocols.lifecycle import ChildUp, Exited
from alluse_hub.protocols.message import Message

CLOCK_TURNS = 8
"""More than anything is tried again in a row by the timer that failed, and few enough to keep a chain readable."""


class Origin(NamedTuple):
    """``cause``: the entry that led here; ``correlation``: the first of the chain.  Both empty: nothing is known."""

    cause: str = ""
    correlation: str = ""


UNKNOWN = Origin()


def unwrapped(effect: Effect, turn: Origin) -> tuple[Effect, Origin]:
    """The effect itself, and where it comes from: the turn it is done in, or what it says."""
    if type(effect) is Because:
        return effect.effect, Origin(effect.cause, effect.correlation)
    return effect, turn


@dataclass(slots=True)
class _Child:
    """What was last done about a child.  ``is_ordered``: it is to end, so whatever end it takes is due to that."""

    origin: Origin
    is_ordered: bool = False


@dataclass(slots=True)
class Origins:
    """``answers``: by kind of job, the kinds of words that may come of it."""

    answers: Mapping[type[Message], Iterable[type[Message]]] = field(default_factory=dict)
    _timers: dict[str, tuple[Origin, int]] = field(default_factory=dict)
    _words: dict[type[Message], Origin] = field(default_factory=dict)
    _children: dict[str, _Child] = field(default_factory=dict)
    _woken: tuple[str, int] = ("", 0)  # the timer in hand, and how often it was set by its own waking

    # --- timers ----------------------------------------------------------------------------------------------------

    def timer_set(self, timer: str, origin: Origin) -> None:
        name, turns = self._woken
        self._timers[timer] = (origin, turns + 1 if name == timer else 0)

    def timer_cancelled(self, timer: str) -> None:
        self._timers.pop(timer, None)

    def timer_woke(self, timer: str) -> Origin:
        """Its turn is to follow, and ``timer_handled`` after that."""
        origin, turns = self._timers.pop(timer, (UNKNOWN, 0))
        self._woken = (timer, turns)
        return origin if turns <= CLOCK_TURNS else origin._replace(correlation="")

    def timer_handled(self) -> None:
        self._woken = ("", 0)

    # --- jobs ------------------------------------------------------------------------------------------------------

    def job_given(self, job: type[Message], origin: Origin) -> None:
        """What an earlier job has still to bring is not waited for any more."""
        if job in self.answers:
            self._words = dict.fromkeys(self.answers[job], origin)

    # --- children --------------------------------------------------------------------------------------------------

    def child_spawned(self, name: str, origin: Origin) -> None:
        self._children[name] = _Child(origin)

    def child_ordered_to_end(self, name: str, origin: Origin) -> None:
        self._children[name] = _Child(origin, is_ordered=True)

    def of_child(self, name: str) -> Origin:
        """Of what was last done about it."""
        child = self._children.get(name)
        return UNKNOWN if child is None else child.origin

    # --- what is heard ---------------------------------------------------------------------------------------------

    def of_word(self, message: Message) -> Origin:
        """Where a word comes from that the worker or the shell says."""
        match message:
            case ChildUp(name=name):
                child = self._children.get(name)
                if child is not None and not child.is_ordered:
                    del self._children[name]
                return UNKNOWN if child is None else child.origin
            case Exited(name=name):
                child = self._children.pop(name, None)
                return UNKNOWN if child is None else child.origin
        return self._words.pop(type(message), UNKNOWN)
