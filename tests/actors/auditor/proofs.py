"""What a third party proves with the tree and the hub does not: that a leaf is in it.  RFC 9162 section 2.1.3."""

from collections.abc import Sequence
from hashlib import sha256

from alluse_hub.actors.auditor.merkle import Hash, Nodes, node_hash, subtree


def leaf_hash(entry: bytes) -> Hash:
    return sha256(b"\x00" + entry).digest()


def inclusion(index: int, size: int, node: Nodes) -> list[Hash]:
    """PATH of RFC 9162 section 2.1.3.1: that the leaf ``index``, counted from 0, is in the tree of ``size`` leaves."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path: list[Hash] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if index < middle:
            path.append(subtree(middle, end, node))
            end = middle
        else:
            path.append(subtree(start, middle, node))
            start = middle
    return path[::-1]


def includes(leaf: Hash, index: int, size: int, proof: Sequence[Hash], root: Hash) -> bool:
    """RFC 9162 section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    place, last = index, size - 1
    found = leaf
    for step in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(step, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, step)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root
