"""Facts of windows and of the timing of rules: what functions of streams have heard, and since when conditions hold.

Times are trail time: hub seconds of the letter in whose handling it was recorded, or ordinals of market sessions.
"""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from alluse_hub.protocols.claims import Clock
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.message import Fact, Message

Heard = tuple[PositiveInt, str, int | float | str | None]
"""One event as a window keeps it: its place among all that were heard, whose it is (the field of ``by`` as JSON text,
empty without one, ``?`` where it could not be read), and its value; None where that could not be told."""


class WindowOpened(Fact):
    """From now on such events are counted.  ``window``: the stream, the length and the filter, as text.  ``opened``:
    hub seconds or the ordinal of the session; until its length has passed since, it is warming."""

    window: str
    kind: Annotated[str, Field(pattern="^(events|numbers|values)$")]
    clock: Clock
    length: Annotated[float, Field(gt=0)] | None = None  # seconds or sessions; None: only the last event counts
    opened: float


class WindowClosed(Fact):
    """No rule asks for it any more."""

    window: str


class WindowFed(Message):
    window: str
    events: tuple[Heard, ...]


class WindowsFed(Fact):
    """What a round brought to the windows.  ``late``: events of a session that was over, which changed nothing in
    windows that count sessions."""

    at: float
    ordinal: NonNegativeInt
    fed: tuple[WindowFed, ...]
    late: NonNegativeInt = 0


class WindowKeysDropped(Fact):
    """More names than a window keeps: the counts of those that were silent longest are gone, and begin anew."""

    window: str
    dropped: PositiveInt


Phase = Annotated[str, Field(pattern="^(idle|pending|firing|keeping)$")]


class RuleTimed(Message):
    """Where a rule stands in time, for one value of its ``once_per``: its condition is ``pending`` (true, not yet long
    enough), ``firing`` (it has fired and the condition is not over), ``keeping`` (over, and its holds stay until
    ``due``) or ``idle``.  ``since`` and ``due`` count as ``clock`` says, ``rests_until`` as ``rests_clock``; ``event``:
    the one it goes by.
    """

    rule: str
    key: str
    phase: Phase
    clock: Clock = Clock.HUB
    since: float = 0.0
    due: float | None = None
    rests_clock: Clock = Clock.HUB
    rests_until: float | None = None
    event: Event | None = None
    why: str = ""


class RuleTimingDropped(Message):
    """Nothing is awaited any more of these values: the rule, or its times, are no more; or so many values came that
    ``count`` of those that changed least lately were given up, ``keys`` of which had stood somewhere before."""

    rule: str
    keys: tuple[str, ...]
    count: NonNegativeInt
    why: str


class RulesTimed(Fact):
    """Where rules stand after a round or a deadline, as far as that has changed; first what is dropped."""

    dropped: tuple[RuleTimingDropped, ...] = ()
    stand: tuple[RuleTimed, ...] = ()


class RulesLooked(Fact):
    """Rules with ``every`` were looked at again; ``due``: hub seconds of the next time, by rule.  ``count`` counts all
    times that a timer led to a look."""

    due: dict[str, float]
    count: PositiveInt
