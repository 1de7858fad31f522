"""What a workstream's program says of claims, and what it is told of them.

A program claims with a line ``claim`` and withdraws with a line ``withdraw`` (``protocols/workstream.py``).  Both count
among its events, under the names below: numbered, in the trail once, heard once over any death.  So a claim leads back
to the event that said it, and that to the command in whose handling it was said.

In a workstream in *lockstep* they go the way of its events, and are decided on with the round that shows them; so two
runs claim alike.  Of any other the monitor says them to the coordinator at once, one after the other, each again until
it is answered.  What becomes of them the program is told by one command, ``TOLD``, which it answers like any other.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError

from alluse_hub.protocols.claims import (
    Claim,
    ClaimVerdict,
    Clock,
    ConflictClass,
    Lease,
    PlaceClaim,
    Resource,
    Tier,
    WithdrawClaim,
)
from alluse_hub.protocols.meant import meant
from alluse_hub.protocols.message import Fact, Json, Message

CLAIM_SAID = "claim_said"
WITHDRAWAL_SAID = "withdrawal_said"
SAID = frozenset({CLAIM_SAID, WITHDRAWAL_SAID})
"""Names of the events that the two lines become; no line ``event`` may bear one of them."""

TOLD = "claims_told"
"""The command by which a program hears of its claims: ``{"claims": [ClaimNews, ...], "epoch": 3}``."""

PROGRAM = "program:"
"""How the ids of programs' claims begin; nobody else may use such."""

ALL = "*"
"""In the place of a program's own id, to withdraw: all of its claims."""

LIVE_MAX = 32
"""Claims that one program may have live."""

LIVE_OF_ALL_MAX = 125
"""Claims that all programs together may have live: half of what the coordinator takes, so that people and rules never
find it full of them."""

WORDS_MAX = 64
"""Claims and withdrawals of one program that are looked at in a round, or may wait at its monitor."""

LEASE_MAX_S = 31_536_000.0
SESSIONS_MAX = 10_000
PRIORITY_MAX = 1_000
BASIS_MAX = 32


class ClaimRights(Message):
    """What a program may claim as, by its workstream's configuration.  Never as a person, nor as a rule; and for safety
    only where that is said, for what is held so is lowered by two people alone."""

    tier: Literal[Tier.WORKFLOW, Tier.SCHEDULE, Tier.SYNC] = Tier.WORKFLOW
    safety: bool = False


OwnId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
"""The program's own name of a claim; the hub's is ``program:ws5/gpu``."""

OneOrAll = Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9_.:-]{0,63})$")]

Writer = Annotated[str, Field(max_length=64)]


class ClaimWords(Message):
    """What a line ``claim`` has under ``claim``.  What is taken or wanted depends on the resource: an ``amount`` of a
    pool, a rung or value to ``want``, ``versions`` of a data set.  ``lease_s`` in seconds of hub time, or ``sessions``
    of the market, of a workstream in lockstep; neither: until it is withdrawn.  ``yields``: the command that has the
    program let go; ``basis``: the fence, or token, of each resource as it stood when the claim was made up; ``epoch``:
    as the program was told it last.
    """

    resource: Resource
    want: Annotated[str, Field(max_length=1_000)] = ""
    amount: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    versions: Annotated[dict[Writer, NonNegativeInt], Field(max_length=200)] = {}
    exact: bool = False
    safety: bool = False
    lease_s: Annotated[float, Field(gt=0, le=LEASE_MAX_S)] | None = None
    sessions: Annotated[int, Field(ge=1, le=SESSIONS_MAX)] | None = None
    priority: Annotated[int, Field(ge=0, le=PRIORITY_MAX)] = 0
    max_wait_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    yields: Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_.-]{0,63})?$")] = ""
    basis: Annotated[dict[Resource, NonNegativeInt], Field(max_length=BASIS_MAX)] = {}
    epoch: NonNegativeInt = 0
    reason: Annotated[str, Field(min_length=1, max_length=500)]


def words_of(payload: Json) -> ClaimWords | str:
    """Of an event ``CLAIM_SAID``; or what is wrong with it, and what would be right."""
    try:
        words = ClaimWords.model_validate(payload.get("claim"), strict=True)
    except ValidationError as error:
        return _wrong(error)
    if words.lease_s is not None and words.sessions is not None:
        return "'lease_s' and 'sessions' are both given; a lease counts one of them, or neither"
    return words


def _wrong(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{place!r} is no key of a claim; {meant(place, tuple(ClaimWords.model_fields))}"
    if first["type"] == "missing":
        return f"{place!r} is missing"
    if first["type"] == "string_pattern_mismatch" and place.startswith(("resource", "basis")):
        return f"{place!r} must be a path such as ws5/gpu"
    what = first["msg"].removeprefix("Input ").replace("should", "must", 1)
    return f"{place!r}: {what}" if place else f"'claim': {what}"


def refused_words(words: ClaimWords, rights: ClaimRights, *, in_rounds: bool) -> str:
    """Why the program may not claim so, and what it may; empty if it may."""
    if words.safety and not rights.safety:
        return "it may not claim for safety; leave 'safety' out, or give the workstream `claims = { safety = true }`"
    if words.sessions is not None and not in_rounds:
        return "only a workstream in lockstep counts a lease in sessions; give 'lease_s'"
    return ""


def claim_of(words: ClaimWords, workstream: str, own: str, *, rights: ClaimRights, event: str, lease: Lease) -> Claim:
    """``event``: id of the one that said it.  ``lease``: as ``words`` have it, from now on."""
    return Claim(
        id=claim_id(workstream, own),
        resource=words.resource,
        want=words.want,
        amount=words.amount,
        versions=words.versions,
        exact=words.exact,
        safety=words.safety,
        tier=rights.tier,
        priority=words.priority,
        lease=lease,
        holder=workstream,
        subject=own,
        reason=words.reason,
        cause=event,
        max_wait_s=words.max_wait_s,
        at=workstream,
        yields=words.yields,
        basis=words.basis,
        epoch=words.epoch,
    )


def lease_of(words: ClaimWords, at: float, ordinal: int = 0) -> Lease:
    """``at``: hub time; ``ordinal``: of the session that the market is in."""
    if words.sessions is not None:
        return Lease(clock=Clock.MARKET, until=float(ordinal + words.sessions))
    return Lease(until=None if words.lease_s is None else at + words.lease_s)


def claim_id(workstream: str, own: str) -> str:
    return f"{PROGRAM}{workstream}/{own}"


def own_id(id_: str) -> tuple[str, str]:
    """Workstream and own id of a program's claim; two empty ones of any other."""
    workstream, _, own = id_.removeprefix(PROGRAM).partition("/")
    return (workstream, own) if id_.startswith(PROGRAM) else ("", "")


class Outcome(StrEnum):
    """What a program hears of a claim: the verdicts, and what becomes of it later."""

    GRANTED = "granted"
    COVERED = "covered"  # it stands, but something else decides at present
    QUEUED = "queued"
    NEEDS_RULING = "needs_ruling"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"


class ClaimNews(Message):
    """``id``: the program's own.  ``fence``: of the resource, or the token of the grant; what is done under it can be
    told from what was done under an earlier one.  ``how``: of one that ended, as in ``ClaimEnded``."""

    id: str
    outcome: Outcome
    why: str
    position: NonNegativeInt = 0  # in the queue, from 1
    fence: NonNegativeInt = 0
    klass: ConflictClass | None = None
    how: str = ""


# --- a monitor's durable facts ---------------------------------------------------------------------------------------


class ClaimAsked(Fact):
    """What its program has said is to be said to the coordinator, and again until it is answered.  ``at``: hub time."""

    word: PlaceClaim | WithdrawClaim
    at: float

    @property
    def mark(self) -> tuple[int, bool]:
        return mark_of(self.word)


class ClaimSettled(Fact):
    """The coordinator has answered it, or it was given up."""

    serial: PositiveInt
    outcome: str


class ClaimUnanswered(Fact):
    """A finding: nobody has answered a claim for ``waited_s``, so the program is told that it is refused.  If it was
    said at all, that it is withdrawn is said from now on, for the coordinator may have it all the same."""

    workstream: str
    id: str
    serial: PositiveInt
    tries: NonNegativeInt
    waited_s: float


def mark_of(word: PlaceClaim | WithdrawClaim) -> tuple[int, bool]:
    """The order in which a monitor's words count: a withdrawal may take back the claim of the same number."""
    return word.serial, isinstance(word, WithdrawClaim)


# --- the coordinator's ----------------------------------------------------------------------------------------------


class ProgramAnswered(Fact):
    """What became of one word of a program.  ``serial`` 0: it came with a round.  ``event``: that said it."""

    workstream: str
    news: ClaimNews
    serial: NonNegativeInt = 0
    withdraws: bool = False
    event: str = ""

    @property
    def mark(self) -> tuple[int, bool]:
        return self.serial, self.withdraws

    @property
    def verdict(self) -> ClaimVerdict:
        news = self.news
        return ClaimVerdict(
            id=claim_id(self.workstream, news.id),
            outcome=VERDICTS.get(news.outcome, news.outcome.value),
            why=news.why,
            position=news.position,
            fence=news.fence,
            klass=news.klass,
            serial=self.serial,
            withdraws=self.withdraws,
        )


VERDICTS: Mapping[Outcome, str] = {Outcome.WITHDRAWN: "granted"}
"""Where the answer to a monitor has another word for it."""


class ClaimsTold(Fact):
    """A program is being told; its answer is awaited, and said again until it comes.  ``round``: the one that waits."""

    key: str
    workstream: str
    round: NonNegativeInt
    news: tuple[ClaimNews, ...]


class ClaimsHeard(Fact):
    """``ok``: the program has been told, whatever it thinks of it.  Else nobody was there to listen, and it is told
    when somebody is."""

    key: str
    workstream: str
    ok: bool
    error: str = ""
    events_through: NonNegativeInt = 0
