"""Rules: when an event of a workstream meets a condition, claims are placed and commands are sent."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt

from alluse_hub.protocols.approvals import APPROVERS_MAX, Level
from alluse_hub.protocols.claims import Clock, Mode, ResourceShown
from alluse_hub.protocols.emitted import EmittedFields
from alluse_hub.protocols.message import Fact, Json, Message
from alluse_hub.protocols.personal import PersonalField
from alluse_hub.protocols.program_claims import ClaimRights
from alluse_hub.protocols.resources import Dataset, Declared, Pool, Take, Value


class Priority(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Hold(Message):
    """Claim at least ``rung`` of ``resource``; with ``safety`` nothing lowers that, without it the arbiter weighs it
    against other claims.  On the market clock a hold lasts at least to the end of the session it falls in, and beyond
    that for ``for_sessions`` sessions, or one for each whole day in ``for_s`` if those are more; on the hub's clock it
    lasts ``for_s`` seconds.  With ``until_cleared`` that is its least time, and it lives on until released; without, it
    is its whole time, and a release may end it earlier.
    """

    resource: str
    rung: str
    clock: Clock = Clock.MARKET
    for_s: Annotated[float, Field(ge=0)] = 0.0
    for_sessions: NonNegativeInt = 0
    until_cleared: bool = False
    safety: bool = False
    subject: str = ""  # template, such as `{kind}/{scope}`


class Release(Message):
    """Clear the holds that the rule ``of`` placed for the same subject; nobody else's."""

    resource: str
    of: str
    subject: str = ""


class Tell(Message):
    """Send ``command`` to ``workstream``.  A string parameter ``{name}`` is taken from the event's payload with its
    type; text around it makes it text.  ``uses`` names what the command needs of a mode resource.  ``emits``: events
    of that workstream that it may lead to; ``pure``: it touches nothing that is shared.  The last two are for
    ``rules check``, and for readers.
    """

    workstream: str
    command: str
    parameters: Json = {}
    uses: tuple[str, ...] = ()  # such as `ws4/trading:open`
    takes: tuple[Take, ...] = ()  # such as `ws4/broker:1`: of a pool, until it is answered
    deadline_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    emits: tuple[str, ...] = ()  # such as `position_update`
    pure: bool = False


RuleId = Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,63}$")]


DURATION = re.compile(r"(\d{1,9}(\.\d{1,3})?[smhd]|\d{1,4} sessions?)?", re.ASCII)


def _duration(text: str) -> str:
    if DURATION.fullmatch(text) is None:
        raise ValueError("write a length of time such as '30s', '5m', '2h', '1d' or '5 sessions'")
    return text


Duration = Annotated[str, AfterValidator(_duration)]
"""``30s``, ``5m``, ``2h``, ``1d`` or ``5 sessions``; empty: none."""


class Rule(Message):
    """Without any of the five times it fires at every event of its kind for which ``when`` is true."""

    id: RuleId
    name: str
    description: str = ""
    priority: Priority = Priority.MEDIUM
    enabled: bool = True
    workstream: str
    event: str
    when: str = "true"  # a condition over the payload
    true_for: Duration = ""  # it fires once its condition has been true for so long without a break
    keep: Duration = ""  # its holds end so long after the condition is definitely over
    every: Duration = ""  # its condition is asked of the last event again and again
    cooldown: Duration = ""  # after it has fired it does not fire again for so long
    once_per: str = ""  # template, such as `{symbol}`: each value has its own times, and fires once until it is over
    hold: tuple[Hold, ...] = ()
    release: tuple[Release, ...] = ()
    tell: tuple[Tell, ...] = ()
    level: Level | None = None  # how far it is left to itself; the stricter of this and its workstream's counts
    approvers: Annotated[int, Field(ge=1, le=APPROVERS_MAX)] = 1  # so many people have to agree, where one has to

    @property
    def attached(self) -> tuple[str, ...]:
        """The workstreams that it has to do with, the one that it listens to first."""
        paths = (*(hold.resource for hold in self.hold), *(release.resource for release in self.release))
        held = (path.partition("/")[0] for path in paths)
        return tuple(dict.fromkeys((self.workstream, *held, *(tell.workstream for tell in self.tell))))


class CoordinatorSpec(Message):
    """What the coordinator decides by.  Checked as a whole by ``check_rules`` of its role.  ``events``: by workstream,
    those that flow from it, as far as is declared; ``fields``: by workstream, the fields that rules know by another
    name than its events have; ``levels``: by workstream, how far it is left to the rules, where not wholly.
    """

    rules: tuple[Rule, ...] = ()
    modes: tuple[Mode, ...] = ()
    workstreams: tuple[str, ...] = ()
    pools: tuple[Pool, ...] = ()
    values: tuple[Value, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    events: dict[str, tuple[str, ...]] = {}
    fields: dict[str, dict[str, str]] = {}
    emitted: dict[str, dict[str, EmittedFields]] = {}  # by workstream and event, as rules know them
    levels: dict[str, Level] = {}
    approvers: dict[str, PositiveInt] = {}  # by workstream, where more than one person has to agree
    personal: tuple[PersonalField, ...] = ()  # which no rule may read
    needed_by_syncs: tuple[str, ...] = ()  # mode resources whose rungs the replicator is told
    held_for_syncs: tuple[str, ...] = ()  # data set resources whose claims it is told
    lockstep: tuple[str, ...] = ()  # workstreams whose programs claim by the round
    claims: dict[str, ClaimRights] = {}  # by workstream, what its program may claim as, where more than the usual

    @property
    def resources(self) -> tuple[Declared, ...]:
        return (*self.modes, *self.pools, *self.values, *self.datasets)


# --- facts ---------------------------------------------------------------------------------------------------------


class RoundOpened(Fact):
    """The coordinator begins to decide on a round.  What it records up to ``RoundDecided`` or ``RoundClosed`` holds
    together or not at all; nothing is sent before.  ``ordinal`` counts the sessions shown to it, from 1.
    """

    round: PositiveInt
    session: str
    ordinal: NonNegativeInt


class RoundAbandoned(Fact):
    """Its death cut the deciding short: all since ``RoundOpened`` is void, and the round will be decided afresh."""

    round: PositiveInt


class RoundDecided(Fact):
    """All is decided; directives and commands of the round go out and are awaited."""

    round: PositiveInt


class ActsCommitted(Fact):
    """What follows orders or loosens: it goes out once this is safe against a power cut, and with it all before."""

    round: NonNegativeInt


class RoundClosed(Fact):
    """All that the round caused is answered.  ``through`` as in ``Considered``."""

    round: PositiveInt
    session: str
    ordinal: NonNegativeInt
    through: dict[str, NonNegativeInt] = {}


class RuleFired(Fact):
    rule: str
    event: str  # id of the event
    round: int
    why: str  # the condition with its values
    manual_by: str = ""
    version: NonNegativeInt = 0  # of the rule; 0 if it was recorded before they were counted


class RuleCurbed(Fact):
    """A rule met more events of one round than it may act on: it held and released for all of them, but told nobody
    about the last ``skipped``.
    """

    rule: str
    round: int
    skipped: PositiveInt


class CommandIssued(Fact):
    """All that is needed to say a command again until it is answered by ``RuleActionDone``."""

    key: str
    round: int
    rule: str
    event: str
    workstream: str
    command: str
    parameters: Json
    deadline_s: float
    takes: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()  # those that are looked at again when it has waited
    waits: bool = False  # for what it takes; ``CommandGranted`` ends that
    chain: tuple[str, ...] = ()  # rules that led to the event that led to it
    root: str = ""  # the event from outside behind that; empty if its own event is one


class CommandGranted(Fact):
    """There is enough now of what a waiting command takes."""

    key: str


class RuleUndecided(Fact):
    """The condition was neither true nor false: a field is missing or of the wrong type.  Nothing loosened by it."""

    rule: str
    event: str
    why: str


class RuleLed(Fact):
    """A rule fired on an event that rules had led to: it counts for the event from outside behind that, ``root``."""

    rule: str
    event: str
    root: str


class DirectiveLed(Fact):
    """Rules lead to a directive that is issued next.  ``key``: what programs name as a cause; ``root``: the first event
    from outside behind it."""

    key: str
    chain: tuple[str, ...]
    root: str


class RuleStopped(Fact):
    """It did not fire: it stands in the ``chain`` of rules that led to the event already, that is too long or no longer
    known, or it has fired too often because of one event from outside."""

    rule: str
    event: str
    chain: tuple[str, ...]
    why: str


class RuleActionDone(Fact):
    rule: str
    event: str
    key: str
    workstream: str
    command: str
    ok: bool
    error: str = ""
    events_through: NonNegativeInt = 0


class RuleActionRefused(Fact):
    """A command that the rung in force does not permit."""

    rule: str
    event: str
    workstream: str
    command: str
    why: str


# --- to the board --------------------------------------------------------------------------------------------------


class RuleShown(Message):
    """A rule and what became of it; counts over the life of the home.  ``attached``: the workstreams that it listens
    to, holds, releases or tells."""

    id: str
    name: str
    description: str = ""
    workstream: str = ""
    event: str = ""
    attached: tuple[str, ...] = ()
    version: NonNegativeInt = 0
    priority: Priority
    enabled: bool
    fired: NonNegativeInt
    undecided: NonNegativeInt
    failures: NonNegativeInt  # commands that failed or were refused
    last_event: str = ""
    last_session: str = ""
    last_result: str = ""


class RulesShown(Message):
    """From the coordinator to the board, at every change: its rules and the resources they govern.  ``revision``: of
    the set of rules; ``auto``: whether any of them fires; ``waiting``: proposals that wait for people."""

    rules: tuple[RuleShown, ...]
    revision: NonNegativeInt = 0
    auto: bool = True
    waiting: NonNegativeInt = 0
    resources: tuple[ResourceShown, ...]
    session: str
    ordinal: NonNegativeInt
    round: NonNegativeInt
    open_commands: NonNegativeInt
