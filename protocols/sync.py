"""Syncs: a data set of one workstream kept equal at others, and proved equal there.

For each target and each version that is due there is one *delivery*.  It goes

    changed → offered → sent → received → applied → acknowledged → verified

or ends as *superseded* (a newer version took its place), *diverged* (the target has something that this version does
not contain, or stored something else), *refused* (by the target, with its reason) or *expired* (not done in time).  It
is *verified* only when the target, after storing it, has worked out the digest of what it stored, and that is the
digest of the version.  That the source has sent it proves nothing.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from alluse_hub.protocols.claims import ConflictShown
from alluse_hub.protocols.lifecycle import ActorName
from alluse_hub.protocols.message import Fact, Json, Message
from alluse_hub.protocols.versions import DatasetName, EventAsked, Version

WINDOW_S = 3_600.0
"""What the figures of a sync are over; they are counted by the minute."""

LATENCIES_KEPT = 256
"""Verified deliveries of a sync over which percentiles are taken, the latest."""

P95_FROM = 20
P99_FROM = 100
"""With fewer readings than that the percentile would be the largest of them, and is not told."""


class SyncMode(StrEnum):
    LIVE = "live"  # each change, as fast as the targets take it
    PERIODIC = "periodic"  # what is the newest, every so often
    ON_EVENT = "on_event"  # what is the newest, when the source tells the event


class Divergence(StrEnum):
    """What becomes of two versions that have not seen each other."""

    SOURCE_WINS = "source_wins"
    TARGET_WINS = "target_wins"
    NEWEST = "newest"  # of the later session; of two of one session, the source's
    MERGE = "merge"  # by field: whoever changed it since both were equal; where both did, the source
    HUMAN = "human"  # a person says


Seconds = Annotated[float, Field(gt=0, le=604_800)]


class Sync(Message):
    """``[[sync]]``: ``dataset`` of ``source``, kept equal at ``targets``.

    ``every_s`` is for *periodic*, ``event`` for *on_event*, and ``when``: only if that is true of the event.
    ``objective_s``: a version that is due should be verified within this time.  ``pace_s``: the source is heard at most
    so often.  ``window``: deliveries to one target that may be unacknowledged; what changes meanwhile waits, and only
    its newest version goes.  ``deadline_s``: then a delivery has expired.  ``anti_entropy_s``: how often digests are
    compared though nothing changed.  ``needs``: what carrying it to a target uses, as ``{target}/trading:cancel``; a
    rung that does not permit that use holds it back.  ``verify``: by what a target proves what it holds: the digest of
    all of it, that and the number of its records, or the digest of a sample of so many.
    """

    id: DatasetName
    name: Annotated[str, Field(max_length=80)] = ""
    source: ActorName
    dataset: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_-]{0,63})?$")] = ""  # empty: as the sync is called
    targets: tuple[ActorName, ...]
    mode: SyncMode = SyncMode.LIVE
    every_s: Seconds = 3_600.0
    event: Annotated[str, Field(max_length=64)] = ""
    when: Annotated[str, Field(max_length=4_000)] = ""
    verify: Annotated[str, Field(pattern=r"^(digest|count\+digest|sample\([1-9][0-9]{0,5}\))$")] = "digest"
    divergence: Divergence = Divergence.SOURCE_WINS
    objective_s: Seconds = 30.0
    pace_s: Annotated[float, Field(ge=0, le=3_600)] = 1.0
    window: Annotated[int, Field(ge=1, le=64)] = 2
    deadline_s: Annotated[float, Field(gt=0, le=3_600)] = 60.0
    anti_entropy_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    needs: Annotated[str, Field(max_length=200)] = ""

    def needed_of(self, target: str) -> tuple[str, str]:
        """The resource and its use that carrying it to ``target`` needs; empty if nothing."""
        resource, _, use = self.needs.replace("{target}", target).rpartition(":")
        return resource, use

    @property
    def sample(self) -> int:
        """Records in the sample that it is verified by; 0: all of it."""
        return int(self.verify[7:-1]) if self.verify.startswith("sample(") else 0

    @property
    def content(self) -> str:
        """The data set that it carries."""
        return self.dataset or self.id


class Permit(Message):
    """``rungs`` of ``resource`` permit what a sync needs there; the others hold it back."""

    resource: str
    rungs: tuple[str, ...]


class ReplicatorSpec(Message):
    """``permits`` by ``sync>target``, for those that need one."""

    syncs: tuple[Sync, ...] = ()
    permits: dict[str, Permit] = {}


class ClaimOnData(Message):
    """A live claim on a data set of a target; without ``versions`` on what stands there, whatever that is."""

    holder: str
    versions: dict[str, NonNegativeInt] = {}


class RungsShown(Message):
    """The coordinator tells the replicator which rungs are in force, of the resources that syncs need, and who claims
    the data sets that syncs carry, by resource."""

    rungs: dict[str, str]
    claims: dict[str, tuple[ClaimOnData, ...]] = {}


class Play(StrEnum):
    """``stopped``: also what is under way is given up, and nothing is compared."""

    PLAYING = "playing"
    PAUSED = "paused"
    STOPPED = "stopped"


class Stage(StrEnum):
    """Of a delivery."""

    CHANGED = "changed"
    OFFERED = "offered"
    WANTED = "wanted"  # by the target; its content is to be sent
    SENT = "sent"
    RECEIVED = "received"
    APPLIED = "applied"
    ACKNOWLEDGED = "acknowledged"
    VERIFIED = "verified"
    SUPERSEDED = "superseded"
    DIVERGED = "diverged"
    REFUSED = "refused"
    EXPIRED = "expired"


ENDS = frozenset({Stage.VERIFIED, Stage.SUPERSEDED, Stage.DIVERGED, Stage.REFUSED, Stage.EXPIRED})


# --- facts ---------------------------------------------------------------------------------------------------------


class Move(Message):
    """One step of one delivery.  ``version`` only where it begins; ``cause``: *live*, *periodic*, *event*, *force*,
    *catch-up*, *anti-entropy* or *resolved*.  ``again``: letters of it that were said again.  Of a verified one,
    ``late_s``: for how long beyond the objective something due was missing until then; ``sampled``: by how many records
    it was verified, 0 for all."""

    sync: str
    target: str
    serial: PositiveInt  # counts the deliveries of a sync to a target
    to: Stage
    at: float  # hub time in seconds
    version: Version | None = None
    cause: str = ""
    why: str = ""
    again: NonNegativeInt = 0
    late_s: NonNegativeFloat = 0.0
    sampled: NonNegativeInt = 0


class DeliveriesMoved(Fact):
    """What became of deliveries in one turn, in order."""

    moves: tuple[Move, ...]


class SyncSwitched(Fact):
    sync: str
    play: Play
    by: str
    reason: str = ""


class DriftFound(Fact):
    """A comparison showed that a target does not have what was verified there."""

    sync: str
    target: str
    verified: Version
    found: Version


class Diverged(Fact):
    """From now on nothing goes to the target until the conflict is closed."""

    sync: str
    target: str
    conflict: str
    source_has: Version
    target_has: Version


class Reconciled(Fact):
    """The conflict is closed: ``version`` contains both, and the target will get it as any other."""

    sync: str
    target: str
    conflict: str
    version: Version
    winner: str


# --- people --------------------------------------------------------------------------------------------------------


class SwitchSync(Message):
    """Play, pause or stop; ``sync`` is ``all`` for all of them."""

    sync: str
    play: Play
    by: str
    reason: str = ""
    request: str = ""  # comes back with the answer


class ForceSync(Message):
    """Have all targets hold the newest version now; ``keep``: of a divergence that waits for a person, whose version
    wins, *source* or *target*."""

    sync: str
    by: str
    reason: str = ""
    keep: Annotated[str, Field(pattern="^(source|target)?$")] = ""
    request: str = ""


class SyncOrderDone(Message):
    """Answer to the two orders above."""

    sync: str
    ok: bool
    text: str
    request: str = ""


# --- to the board ----------------------------------------------------------------------------------------------------


class EdgeState(StrEnum):
    """Of a sync to one target.  The first that fits counts."""

    STOPPED = "stopped"  # or paused: nothing is due
    DIVERGED = "diverged"  # a conflict is open
    HELD = "held"  # a rung does not permit it
    DARK = "dark"  # the program is down, or did not answer in time
    NEW = "new"  # nothing was verified yet, and nothing is late
    LATE = "late"  # a due version is not verified within the objective
    ALIVE = "alive"  # verified within the objective
    QUIET = "quiet"  # no change since, and the last comparison found it equal


class Percentiles(Message):
    """Over the last ``count`` verified deliveries, in ms; None of too few to tell."""

    count: NonNegativeInt = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class Counts(Message):
    """Of deliveries that ended.  ``sampled``: verified by a sample alone, and not among ``verified``.  ``success``: of
    all that were due, those that were verified by what their sync asks for; superseded stands beside it."""

    verified: NonNegativeInt = 0
    refused: NonNegativeInt = 0
    diverged: NonNegativeInt = 0
    expired: NonNegativeInt = 0
    superseded: NonNegativeInt = 0
    sampled: NonNegativeInt = 0

    @property
    def due(self) -> int:
        return self.verified + self.sampled + self.refused + self.diverged + self.expired

    @property
    def success(self) -> float | None:
        """0 to 1; None if nothing was due."""
        return (self.verified + self.sampled) / self.due if self.due else None


class EdgeShown(Message):
    """A sync to one target; times in hub seconds."""

    target: str
    state: EdgeState
    why: str = ""
    open: NonNegativeInt = 0  # deliveries under way
    verified: Version = Version()
    verified_at: float | None = None
    sampled: NonNegativeInt = 0  # records by which it was verified, until a comparison shows that all of it is equal
    compared_at: float | None = None  # last found equal
    changed_at: float | None = None  # when the verified version was first heard of from its source
    freshness_s: float | None = None
    lag: NonNegativeInt | None = None
    within: float | None = None  # share of time within the objective
    hour: Counts = Counts()
    ever: Counts = Counts()
    success: float | None = None
    bytes_per_s: NonNegativeFloat = 0.0
    records_per_s: NonNegativeFloat = 0.0
    again: NonNegativeInt = 0  # letters said again
    doubles: NonNegativeInt = 0  # versions sent that the target had already


class SyncShown(Message):
    sync: str
    name: str
    source: str
    dataset: str
    mode: SyncMode
    play: Play
    status: Annotated[str, Field(pattern="^(active|paused|stopped|error|completed)$")]
    version: Version = Version()  # the newest that the source told of
    hour: Counts = Counts()
    ever: Counts = Counts()
    success: float | None = None  # over the last hour
    latency_ms: dict[str, Percentiles] = {}
    last_at: float | None = None  # of the last verified delivery
    next_at: float | None = None  # of the next one that is planned: periodic ones
    targets: tuple[EdgeShown, ...] = ()
    asked: EventAsked | None = None  # of its condition, if it has one that was asked
    config: Json = {}


class DisputesShown(Message):
    """Conflicts about data sets, the oldest first; ``conflicts``: how many there ever were; ``unshown``: of the open
    ones, those beyond what is shown."""

    open: tuple[ConflictShown, ...] = ()
    closed: tuple[ConflictShown, ...] = ()
    conflicts: NonNegativeInt = 0
    unshown: NonNegativeInt = 0


class SyncsShown(Message):
    """From the replicator to the board: the syncs that have changed, and conflicts about data sets if they have.
    ``afresh``: the first letter of all of it, and what was shown before is forgotten; ``config`` of a sync comes only
    with all of it."""

    syncs: tuple[SyncShown, ...] = ()
    afresh: bool = False
    disputes: DisputesShown | None = None
