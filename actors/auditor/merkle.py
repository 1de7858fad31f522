"""The Merkle tree over the trail's entries: RFC 6962 section 2, RFC 9162 section 2.1.

A leaf is hashed behind 0x00 and an inner node behind 0x01, so that neither passes for the other.  A tree over ``n``
leaves splits at the largest power of two below ``n``; its nodes over ``2**level`` leaves at a multiple of that are
*complete* and never change again.  So a log that only grows proves that it did with a few hashes.

Stored are the hashes of every eighth level, 256 a *tile*, as in C2SP tlog-tiles: ``2/255`` more than the leaves alone,
and every proof needs a few tiles only.  The last tile of a level is partial; it is all that growing needs to know.

Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, Self

HASH_BYTES = 32
TILE_LEVELS = 8
TILE_WIDTH = 1 << TILE_LEVELS
TILE_BYTES = TILE_WIDTH * HASH_BYTES

EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""

Hash = bytes
Nodes = Callable[[int, int], Hash]
"""The hash of the complete node over ``2**level`` leaves from ``index * 2**level`` on, by level and index."""


def node_hash(left: Hash, right: Hash) -> Hash:
    return sha256(b"\x01" + left + right).digest()


def parents(nodes: Sequence[Hash]) -> list[Hash]:
    """Of an even number of neighbours."""
    pair = iter(nodes)
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(pair, pair, strict=True)]


class Tile(NamedTuple):
    """Hashes of level ``8 * level`` of the tree, from the ``256 * place``-th on; 256 of them unless it is the last."""

    level: int
    place: int
    hashes: bytes


@dataclass(frozen=True, slots=True)
class Tree:
    """What growing needs.  ``stack``: by level, the hash of the complete subtree that still waits for a neighbour.

    ``edges``: the partial tile of each level of tiles.
    """

    size: int = 0
    stack: tuple[Hash | None, ...] = ()
    edges: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, size: int, edges: Sequence[bytes]) -> Self:
        """From the partial tiles, lowest first.  Raises ValueError if they are not those of a tree of this size."""
        heights = tile_levels(size)
        wanted = [(size >> TILE_LEVELS * level) % TILE_WIDTH for level in range(heights)]
        if [len(edge) for edge in edges] != [count * HASH_BYTES for count in wanted]:
            raise ValueError(f"these are not the last tiles of a tree of {size} leaves")
        stack: list[Hash | None] = [None] * (TILE_LEVELS * heights)
        for level, edge in enumerate(edges):
            nodes = split(edge)
            for step in range(TILE_LEVELS):
                if len(nodes) % 2:
                    stack[TILE_LEVELS * level + step] = nodes.pop()
                nodes = parents(nodes)
        return cls(size, tuple(stack), tuple(edges))

    def grown(self, leaves: Sequence[Hash]) -> tuple[Self, list[Tile]]:
        """With these leaf hashes behind, and the tiles that are new or longer by it.  About one hash for each leaf."""
        stack, edges, tiles = list(self.stack), list(self.edges), list[Tile]()
        nodes = list(leaves)
        level = 0
        while nodes:
            if level == len(stack):
                stack += [None] * TILE_LEVELS
                edges.append(b"")
            if level % TILE_LEVELS == 0:
                height = level // TILE_LEVELS
                place = (self.size >> level) // TILE_WIDTH
                row = edges[height] + b"".join(nodes)
                full = len(row) - len(row) % TILE_BYTES
                tiles += [
                    Tile(height, place + at // TILE_BYTES, row[at : at + TILE_BYTES])
                    for at in range(0, len(row), TILE_BYTES)
                ]
                edges[height] = row[full:]
            waiting = stack[level]
            if waiting is not None:
                nodes.insert(0, waiting)
            stack[level] = nodes.pop() if len(nodes) % 2 else None
            nodes = parents(nodes)
            level += 1
        return type(self)(self.size + len(leaves), tuple(stack), tuple(edges)), tiles

    def root(self) -> Hash:
        """About one hash for each bit of the size."""
        found: Hash | None = None
        for node in self.stack:
            if node is not None:
                found = node if found is None else node_hash(node, found)
        return EMPTY_ROOT if found is None else found


def tile_levels(size: int) -> int:
    """How many levels of tiles a tree of this size has."""
    return -(-size.bit_length() // TILE_LEVELS)


def split(hashes: bytes) -> list[Hash]:
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def nodes_of(tile: Callable[[int, int], bytes]) -> Nodes:
    """Complete nodes out of tiles; ``tile`` gives the hashes of one by level and place."""

    def node(level: int, index: int) -> Hash:
        height, step = divmod(level, TILE_LEVELS)
        width = 1 << step
        place, first = divmod(index * width, TILE_WIDTH)
        hashes = split(tile(height, place)[first * HASH_BYTES : (first + width) * HASH_BYTES])
        if len(hashes) != width:
            raise ValueError(f"the tile {place} of level {height} is cut short")
        while len(hashes) > 1:
            hashes = parents(hashes)
        return hashes[0]

    return node


# --- proofs --------------------------------------------------------------------------------------------------------


def subtree(start: int, end: int, node: Nodes) -> Hash:
    """The root over the leaves from ``start`` to before ``end``, as the tree has it."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return node(level, start >> level)
    middle = start + _half(width)
    return node_hash(subtree(start, middle, node), subtree(middle, end, node))


def root_at(size: int, node: Nodes) -> Hash:
    """The root that the tree had when it was of this size."""
    return subtree(0, size, node) if size else EMPTY_ROOT


def consistency(old: int, new: int, node: Nodes) -> list[Hash]:
    """PROOF of RFC 9162 section 2.1.4.1: that the tree of ``new`` leaves begins with that of ``old``.

    Empty for ``old`` 0, as a witness wants it.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves never had {old}")
    proof: list[Hash] = []
    if old in {0, new}:
        return proof
    start, end = 0, new
    while old != end:
        middle = start + _half(end - start)
        if old <= middle:
            proof.append(subtree(middle, end, node))
            end = middle
        else:
            proof.append(subtree(start, middle, node))
            start = middle
    if start:
        proof.append(subtree(start, end, node))
    return proof[::-1]


def extends(old: int, new: int, proof: Sequence[Hash], old_root: Hash, new_root: Hash) -> bool:
    """RFC 9162 section 2.1.4.2: whether the tree of ``new`` leaves begins with the tree of ``old``."""
    if not 0 <= old <= new or (old in {0, new} and proof):
        return False
    if old == 0:
        return old_root == EMPTY_ROOT and (new > 0 or new_root == EMPTY_ROOT)
    if old == new:
        return old_root == new_root
    steps = list(proof)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    from_old = from_new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            from_old, from_new = node_hash(step, from_old), node_hash(step, from_new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            from_new = node_hash(from_new, step)
        place, last = place >> 1, last >> 1
    return last == 0 and from_old == old_root and from_new == new_root


def _half(width: int) -> int:
    """The largest power of two below ``width``."""
    return 1 << (width - 1).bit_length() - 1
