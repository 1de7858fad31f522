"""A trail of all classes, and the hands that seal it and let it expire."""

import time
from collections.abc import Callable
from pathlib import Path

from alluse_hub.actors.auditor import keeper, keys
from alluse_hub.actors.auditor.keeper_log import say
from alluse_hub.actors.auditor.moments import moment
from alluse_hub.actors.auditor.seal import go_on, seal, sealing, unhurried
from alluse_hub.actors.auditor.sealed import segments_dir
from alluse_hub.actors.auditor.sealer import hot_of
from alluse_hub.actors.auditor.segments import within
from alluse_hub.protocols.keeping import Sealed, SegmentSealed
from alluse_hub.protocols.retention import DAYS_MIN
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import Frame
from tests.actors.auditor.conftest import SmallHub

OLD = 1_000_000_000.0
"""In September 2001: past every duty."""

DURABLE = frozenset({"ClaimPlaced", "Snapshot"})


def told(hub: SmallHub) -> None:
    """Two workstreams and a coordinator who hear each other, in two lives of one of them; every class is in it."""
    claimed = Frame(EntryKind.FACT, "ClaimPlaced", b'{"workstream":"ws9","n":1}')
    hub.say("steward", claimed, Frame(EntryKind.FACT, "Snapshot", b'{"state":{"claims":1}}'), claimed, wall=OLD)
    for turn in range(1, 5):
        for n in range(1, 41):
            wall = OLD + turn * 1_000 + n
            said = hub.say(
                "ws3", Frame(EntryKind.SENT, "Produced", b'{"workstream":"ws3","n":%d}' % n, "router"), wall=wall
            )
            own = f"ws3/{(turn + 1) // 2}/{said}"
            hub.say(
                "router",
                Frame(EntryKind.HEARD, "Produced", b"", "ws3", letter=own, cause=own, correlation=own),
                Frame(
                    EntryKind.FACT,
                    "EventsTaken",
                    b'{"taken":%d,"order":"orange %d"}' % (n, turn),
                    cause=own,
                    correlation=own,
                ),
                at=turn,
                wall=wall,
            )
            hub.say(
                "coordinator",
                Frame(EntryKind.FACT, "ClaimPlaced", b'{"workstream":"ws3","n":%d}' % n, cause=own, correlation=own),
                Frame(EntryKind.HEARD, "Woken", b'{"timer":"look"}'),
                Frame(EntryKind.FACT, "HealthChanged", b'{"workstream":"ws4","now":"up"}'),
                at=turn,
                wall=wall,
            )
        hub.say(
            "coordinator",
            Frame(EntryKind.FACT, "ChildStarted", b'{"name":"ws3"}'),
            at=turn,
            wall=OLD + turn * 1_000 + 50,
        )
        if turn == 2:
            hub.restart("ws3")
            long_body = b'{"text":"%s"}' % (b"long " * 20_000)
            hub.say(
                "coordinator", Frame(EntryKind.FACT, "OrderGiven", long_body, power=True), at=turn, wall=OLD + 2_060
            )
        hub.drain(rounds=2)
        hub.sign()


def seal_through(home: Path, through: int, step: Callable[[str], None] = unhurried) -> SegmentSealed | None:
    """As the command does: goes on with what was left, seals, and says so."""
    signer = keys.load(keys.key_of(home))
    assert signer is not None, "the trail is signed"
    with sealing(home) as store:
        go_on(home, store, step)
        keeper.finish(home, store, step)
        with moment(home) as trail:
            assert trail is not None, "it is there"
            hot = hot_of(trail, time.time())
        assert hot is not None, "the newest are never sealed"
        places = within(hot, through, 10_000_000)
        made = seal(home, store, signer, places, step) if places else None
    step("unsaid")
    for segment, _ in keeper.unsaid(home):
        fact = Sealed(first=segment.first, last=segment.last, root=segment.root, manifest=segment.manifest)
        say(home, fact)
    return made


def expire_all(home: Path, step: Callable[[str], None] = unhurried) -> list[keeper.Candidate]:
    """What was looked at, with what stays."""
    with sealing(home) as store:
        keeper.finish(home, store, step)
    found = keeper.candidates(home, DAYS_MIN, DURABLE, time.time())
    keeper.expire(home, found, DAYS_MIN, "Mira", "past their duty", step)
    return found


def folders(home: Path) -> list[Path]:
    return sorted(
        (path for path in segments_dir(home).iterdir() if path.is_dir()),
        key=lambda path: int(path.name.partition("-")[0]),
    )
