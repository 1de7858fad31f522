"""A store and its index, as the tests of the search want them."""

from collections.abc import Sequence
from pathlib import Path

from alluse_hub.actors.auditor.indexer import advance, index_of, open_index
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.supervision.spool import SpoolName

CHAIN = "ws1/1/1"
BODIES = (
    '{"rule":"hold-orders","why":"orange volume > 2","ok":false}',
    '{"symbol":"AAPL","parameters":{"password":"hunter2"}}',
    '{"events":["ws3#17","ws3#18"],"blob":"orange juice"}',
    None,
)


def row(n: int, *, wall: float) -> Row:
    return Row(
        actor=f"ws{n % 3}",
        incarnation=1,
        n=n,
        kind=("heard", "fact", "sent")[n % 3],
        message=("Rare", *("Said",) * 7, "Failed", "RuleActionDone")[n % 10],
        peer=f"ws{n % 4}",
        letter="",
        cause=CHAIN if n % 7 == 0 else "",
        correlation=CHAIN if n % 5 == 0 else "",
        at=float(n),
        wall=wall,
        power=n % 11 == 0,
        subject=f"ws{n % 6}",
        body=BODIES[n % 4],
    )


def made(home: Path, walls: Sequence[float], *, index: bool = True) -> list[Row]:
    store = Store.open(home / "trail" / "trail.db")
    rows = [row(n, wall=wall) for n, wall in enumerate(walls, 1)]
    store.commit(rows, {SpoolName("ws1", 1): Place(1, len(rows))})
    store.close()
    if index:
        build(home)
    return rows


def build(home: Path) -> None:
    connection = open_index(home / "trail" / "trail.db", index_of(home))
    while advance(connection):
        pass
    connection.close()
