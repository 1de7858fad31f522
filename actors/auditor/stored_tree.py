"""The Merkle tree as the store keeps it: tiles of hashes, and the checkpoints that were signed over it.

It grows in the transaction of the rows it is over, so rows and tree are never of different times.  Written by the
auditor alone; ``nodes`` and ``newest`` also serve readers.
"""

from collections.abc import Sequence
from typing import Any

from alluse_hub.actors.auditor.leaves import RowLike, leaf_hashes
from alluse_hub.actors.auditor.merkle import (
    HASH_BYTES,
    TILE_LEVELS,
    TILE_WIDTH,
    Hash,
    Nodes,
    Tree,
    nodes_of,
    root_at,
    tile_levels,
)
from alluse_hub.protocols.errors import TrailError

PUT_TILE = (
    "INSERT INTO tiles (level, place, hashes) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET hashes = excluded.hashes"
)

Connection = Any  # of whichever SQLite module is at hand; they have no class in common


class StoredTree:
    """``now``: as of the last transaction that was committed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.now = load(connection)

    def grow(self, rows: Sequence[RowLike]) -> Tree:
        """Within the caller's transaction; the caller makes it ``now`` once that is committed.

        Raises TrailError if the rows did not come to stand where the tree has them: somebody else writes as well.
        """
        tree, tiles = self.now.grown(leaf_hashes(rows))
        self._connection.executemany(PUT_TILE, tiles)
        last = last_leaf(self._connection)
        if last != tree.size:
            raise TrailError(
                f"the store has {last} entries where its tree has {tree.size}: does another auditor write to it?"
                " End one of the two, then restart"
            )
        return tree

    @property
    def nodes(self) -> Nodes:
        return nodes_in(self._connection)

    def root_at(self, size: int) -> Hash:
        return root_at(size, self.nodes)


def nodes_in(connection: Connection) -> Nodes:
    def tile(level: int, place: int) -> bytes:
        sql = "SELECT hashes FROM tiles WHERE level = ? AND place = ?"
        row = connection.execute(sql, (level, place)).fetchone()
        return bytes(row[0]) if row else b""

    return nodes_of(tile)


def load(connection: Connection) -> Tree:
    """Raises TrailError if the tiles are not those of a tree."""
    last: list[tuple[int, bytes]] = []
    while row := connection.execute(
        "SELECT place, hashes FROM tiles WHERE level = ? ORDER BY place DESC LIMIT 1", (len(last),)
    ).fetchone():
        last.append((row[0], bytes(row[1])))
    size = last[0][0] * TILE_WIDTH + len(last[0][1]) // HASH_BYTES if last else 0
    edges = [
        hashes if (size >> TILE_LEVELS * level) % TILE_WIDTH else b""
        for level, (_, hashes) in zip(range(tile_levels(size)), last, strict=False)
    ]
    try:
        return Tree.of(size, edges)
    except ValueError as error:
        raise TrailError(f"the tree in the store is damaged ({error}); bring back a backup of home/trail") from error


def last_leaf(connection: Connection) -> int:
    """The place of the newest entry, counted from 1; 0 before the first."""
    found: int | None = connection.execute("SELECT max(leaf) FROM entries").fetchone()[0]
    return found or 0


def newest(connection: Connection) -> str:
    """The last checkpoint's note, empty before the first."""
    row = connection.execute("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1").fetchone()
    return str(row[0]) if row else ""


def put_checkpoint(connection: Connection, size: int, note: str) -> None:
    connection.execute(
        "INSERT INTO checkpoints (size, note) VALUES (?, ?) ON CONFLICT DO UPDATE SET note = excluded.note",
        (size, note),
    )
