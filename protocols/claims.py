"""Claims: nobody *does* anything to a resource; a rule, an operator or a step *claims* a state of it.

A *mode* resource has a ladder of rungs from least to most restrictive.  Each live claim wants a rung, for a while,
with an authority; what is in force is a pure function of the live claims (``actors/coordinator/arbiter.py``).  Safety
claims raise a floor that no priority lowers.  A *use* is a momentary permission that a rung gives or refuses.
"""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt

from alluse_hub.protocols.message import Fact, Json, Message


class Tier(StrEnum):
    """Who claims; a higher tier wins over any priority of a lower one."""

    OPERATOR = "operator"
    RULE = "rule"
    WORKFLOW = "workflow"
    SCHEDULE = "schedule"
    SYNC = "sync"


Resource = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,47}(/[A-Za-z0-9_.-]{1,64}){1,4}$")]
"""A path such as ``ws4/trading``."""


class Policy(StrEnum):
    """Who goes first.  Of one tier: a higher tier always goes before a lower one.  Ties fall to the order of placing,
    then to that of ids, so each policy orders totally.
    """

    SAFETY_LATTICE = "safety-lattice"  # of a mode: as PRIORITY, above the floor of safety that all modes have
    PRIORITY = "priority"  # higher first, with what waiting adds to it
    SPECIFIC_FIRST = "specific-first"  # the longer path first
    RECENT = "recent"  # placed later first
    FIRST_HOLDER = "first-holder"  # placed earlier first
    FAIR_SHARE = "fair-share"  # of a pool: whose holder has least of it
    NEGOTIATE = "negotiate"  # as PRIORITY, but a holder is asked before it is displaced
    HUMAN = "human"  # a person decides; until then the most restrictive, or whoever has it


class Rung(Message):
    """One step of a ladder: ``uses`` lists what it permits; ``command`` brings the workstream to it."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    uses: tuple[str, ...] = ()
    command: str = ""


class Mode(Message):
    """A declared mode resource such as ``ws4/trading``; the first segment is the workstream that obeys."""

    resource: Resource
    policy: Literal[
        Policy.SAFETY_LATTICE,
        Policy.SPECIFIC_FIRST,
        Policy.RECENT,
        Policy.FIRST_HOLDER,
        Policy.NEGOTIATE,
        Policy.HUMAN,
    ] = Policy.SAFETY_LATTICE  # among claims that are not for safety
    rungs: Annotated[tuple[Rung, ...], Field(min_length=2)]  # from least to most restrictive; the first is the default
    fail_safe: str = ""  # the rung taken while directives go unanswered; empty: the most restrictive

    @property
    def workstream(self) -> str:
        return self.resource.partition("/")[0]

    def height(self, rung: str) -> int:
        """The place of ``rung`` on the ladder, 0 for the default.  Raises ValueError if it is not on it."""
        for height, candidate in enumerate(self.rungs):
            if candidate.name == rung:
                return height
        raise ValueError(f"{self.resource} has no rung {rung!r}; it has: {', '.join(r.name for r in self.rungs)}")


class Clock(StrEnum):
    """What a lease counts: hub time, or market time (the sessions of the data)."""

    HUB = "hub"
    MARKET = "market"


class Lease(Message):
    """How long a claim lives.  ``until`` is hub seconds or, on the market clock, the ordinal of the last session it
    covers; None lives until withdrawn.  ``until_cleared`` lives on past ``until`` until somebody clears ``subject``.
    """

    clock: Clock = Clock.HUB
    until: float | None = None
    until_cleared: bool = False


class Claim(Message):
    """It reaches down to whatever is declared below its path, unless it is ``exact``.  Of a pool it takes ``amount``,
    of a mode or value it wants ``want``, of a data set it has ``versions``.

    ``since``: hub time of the placing in seconds, 0 for claims of rules, which look at no clock.  ``max_wait_s``: after
    so long in a queue nobody goes before it any more; 0: others may as long as it does not fit.  ``at``: the workstream
    that uses what is claimed and is asked to yield it, with the command ``yields``.  ``basis``: the fence of each
    resource that it was made up from.  ``epoch``: the coordinator's, as its maker knew it; 0 if it did not.
    ``overrides``: safety claims that it lets be lowered to ``want``, for which two people stand.
    """

    id: str  # of the claim: who and what for, such as `rule:volatility-pause@ws4/trading:AAPL`
    resource: str
    want: str = ""  # a rung, or a value
    safety: bool = False
    tier: Tier = Tier.RULE
    priority: NonNegativeInt = 0
    lease: Lease = Lease()
    holder: str  # rule or operator
    subject: str = ""  # what it is about, such as a risk's scope; a clearing names the same subject
    reason: str  # a sentence
    cause: str = ""  # entry or event id
    placed: NonNegativeInt = 0  # order of placing
    amount: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    versions: Annotated[dict[str, NonNegativeInt], Field(max_length=200)] = Field(default_factory=dict)
    exact: bool = False
    latched: bool = False  # only people end it
    since: float = 0.0
    max_wait_s: Annotated[float, Field(ge=0)] = 0.0
    at: str = ""
    yields: str = ""
    basis: dict[str, NonNegativeInt] = Field(default_factory=dict)
    epoch: NonNegativeInt = 0
    overrides: tuple[str, ...] = ()


class ConflictClass(StrEnum):
    CLASH = "C1"  # two claims want different rungs or values
    OVER_COMMIT = "C2"  # more is claimed of a pool than it has
    HOLD_BREACH = "C3"  # a use that the rung in force does not permit
    DIVERGENCE = "C4"  # two versions of a data set, neither of which has seen the other
    CYCLE = "C5"  # what a rule does comes round to it again, or a rung that flaps
    STALE_BASIS = "C6"  # made up from what has changed since
    AUTHORITY = "C7"  # by somebody whose time is over
    CONTRADICTION = "C8"  # a hold by one person and its release by another, too soon after each other
    DOUBT = "C9"  # a directive, and a workstream that is not known to obey it


class PlaceClaim(Message):
    """Said again with the same id it extends the claim; a claim of another shape replaces it.  ``serial``: a monitor's,
    by which it is known again; 0 of others."""

    claim: Claim
    serial: NonNegativeInt = 0


class WithdrawClaim(Message):
    id: str
    by: str
    reason: str
    serial: NonNegativeInt = 0


class ClaimVerdict(Message):
    """Answer to the two above.  ``covered``: it stands, but something else decides at present."""

    id: str
    outcome: Annotated[str, Field(pattern="^(granted|covered|queued|needs_ruling|refused)$")]
    why: str
    position: NonNegativeInt = 0  # in the queue, from 1
    fence: NonNegativeInt = 0  # of the resource, or the token of the grant
    klass: ConflictClass | None = None  # if refused: of the conflict
    serial: NonNegativeInt = 0  # of what it answers
    withdraws: bool = False  # what it answers is a withdrawal


# --- coordinator <-> monitor ---------------------------------------------------------------------------------------


class Directive(Message):
    """Bring ``resource`` to ``rung``.  ``fence`` grows with every directive of a resource; a lower one is refused by
    the program itself.  Said again with the same fence until acknowledged; done once.  ``round``: the one that led to
    it, so that the events it causes belong to the next.
    """

    resource: str
    rung: str
    command: str
    parameters: Json = {}
    fence: PositiveInt
    reason: str
    deadline_s: float = 10.0
    round: NonNegativeInt = 0
    epoch: NonNegativeInt = 0  # the coordinator's; a lower one than was heard is refused


class DirectiveAck(Message):
    resource: str
    fence: PositiveInt
    outcome: Annotated[str, Field(pattern="^(applied|already|stale|failed)$")]
    error: str = ""
    seen: NonNegativeInt = 0  # if stale: the highest fence the program has seen
    events_through: NonNegativeInt = 0


class DirectiveHeard(Message):
    """A directive that is said again has been heard before: the monitor lives, and the program has yet to obey."""

    resource: str
    fence: PositiveInt


# --- facts ---------------------------------------------------------------------------------------------------------


class ClaimPlaced(Fact):
    """The birth of a claim; each ends in exactly one ``ClaimEnded``."""

    claim: Claim


class ClaimExtended(Fact):
    """Placed again by its holder: the lease grew; it never shrinks."""

    id: str
    lease: Lease
    cause: str
    reason: str


class ClaimCleared(Fact):
    """What it was placed for is over, but its least time is not: it lives on to the end of that."""

    id: str
    by: str
    why: str


class ClaimCut(Fact):
    """Its holder has said when it will have finished: that is the end of it, in seconds of hub time."""

    id: str
    until: float


class ClaimGranted(Fact):
    """It has what it takes of a pool, from now to its end.  ``token`` is larger than that of any earlier grant."""

    id: str
    token: PositiveInt


class ClaimEnded(Fact):
    """``released``: by two people; ``yielded``: for another claim."""

    id: str
    how: Annotated[str, Field(pattern="^(withdrawn|lapsed|cleared|replaced|released|yielded)$")]
    by: str
    why: str
    at: float = 0.0  # hub time, where a person ended it


class DirectiveIssued(Fact):
    """All that is needed to say the directive again.  ``claims`` hold the rung; ``lease`` is the longest of theirs."""

    resource: str
    rung: str
    fence: PositiveInt
    why: str
    command: str = ""
    parameters: Json = {}
    claims: tuple[str, ...] = ()
    lease: Lease | None = None
    loosens: bool = False
    round: NonNegativeInt = 0
    at: float = 0.0  # hub time, where no round led to it
    chain: tuple[str, ...] = ()  # rules that led to it, one by the other


class DirectiveAnswered(Fact):
    """``outcome``: that of the acknowledgement, or ``failed`` where none came; then it is said again all the same."""

    resource: str
    fence: PositiveInt
    outcome: str
    error: str = ""
    events_through: NonNegativeInt = 0


class FenceRaised(Fact):
    """A monitor's memory of the highest fence it has passed on, per resource."""

    resource: str
    fence: PositiveInt


class ConflictOpened(Fact):
    id: str
    klass: ConflictClass
    resource: str
    parties: tuple[str, ...]
    sentence: str


class ConflictClosed(Fact):
    id: str
    outcome: str
    winner: str
    sentence: str


# --- to the board --------------------------------------------------------------------------------------------------


class ResourceShown(Message):
    """A resource: what is in force and why, in a sentence.  ``rung``: of a pool how much is taken, of a value what it
    is, of a data set its version.  ``asks``: what waits for a second person, a sentence each.  ``doubt``: why it is not
    known whether the workstream obeys, and as what it counts meanwhile; empty if it is.
    """

    resource: str
    kind: str = "mode"
    rung: str
    fence: NonNegativeInt
    answer: str  # of the workstream to the last directive; empty while it is awaited, or if there was none
    claims: tuple[str, ...]  # ids of all live claims on it
    explanation: str
    asks: tuple[str, ...] = ()
    doubt: str = ""


class ConflictShown(Message):
    """``question`` and ``choices``: what people are asked, while it is open."""

    id: str
    klass: ConflictClass
    resource: str
    parties: tuple[str, ...]
    opened: str
    outcome: str = ""  # empty while open
    winner: str = ""
    closed: str = ""
    question: str = ""
    choices: tuple[str, ...] = ()

    @classmethod
    def of(cls, fact: ConflictOpened, question: str = "", choices: tuple[str, ...] = ()) -> Self:
        """While it is open."""
        return cls(
            id=fact.id,
            klass=fact.klass,
            resource=fact.resource,
            parties=fact.parties,
            opened=fact.sentence,
            question=question,
            choices=choices,
        )

    def ended(self, fact: ConflictClosed) -> Self:
        return self.model_copy(update={"outcome": fact.outcome, "winner": fact.winner, "closed": fact.sentence})


class ConflictsShown(Message):
    """To a board that (re)started: open conflicts, and the latest closed ones, oldest first.  After that the board
    hears each ``ConflictOpened`` and ``ConflictClosed`` as it happens.
    """

    open: tuple[ConflictShown, ...]
    closed: tuple[ConflictShown, ...]
    count: NonNegativeInt  # of all conflicts ever opened
