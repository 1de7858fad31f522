"""The tree against the definition of RFC 9162, the vectors of certificate transparency, and altered proofs."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.actors.auditor.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    TILE_BYTES,
    Nodes,
    Tree,
    consistency,
    extends,
    nodes_of,
    root_at,
)
from tests.actors.auditor.proofs import includes, inclusion, leaf_hash

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of the first leaves, by how many: the known vectors of certificate transparency."""

LEAF_0_OF_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]


def naive(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162 section 2.1.1, word for word."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + naive(leaves[:k]) + naive(leaves[k:])).digest()


class Grown:
    """A tree that keeps its tiles."""

    def __init__(self, leaves: list[bytes], step: int = 1_000) -> None:
        self.tree = Tree()
        self.tiles: dict[tuple[int, int], bytes] = {}
        for at in range(0, len(leaves), step):
            self.tree, tiles = self.tree.grown(leaves[at : at + step])
            self.tiles |= {(level, place): hashes for level, place, hashes in tiles}
        self.nodes: Nodes = nodes_of(lambda level, place: self.tiles[level, place])


def some(count: int) -> list[bytes]:
    return [leaf_hash(n.to_bytes(4, "big")) for n in range(count)]


MANY = some(2_000)
BIG = Grown(MANY, 7)


@pytest.mark.parametrize("count", range(9))
def test_the_known_roots_are_met(count: int) -> None:
    leaves = [leaf_hash(bytes.fromhex(text)) for text in LEAVES[:count]]

    assert Grown(leaves).tree.root().hex() == ROOTS[count]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert Tree().root() == EMPTY_ROOT == sha256(b"").digest()


def test_the_known_proofs_are_met() -> None:
    nodes = Grown([leaf_hash(bytes.fromhex(text)) for text in LEAVES]).nodes

    assert [step.hex() for step in inclusion(0, 8, nodes)] == LEAF_0_OF_8
    assert [step.hex() for step in consistency(1, 8, nodes)] == LEAF_0_OF_8
    assert consistency(8, 8, nodes) == []


@given(st.integers(0, 700), st.integers(1, 300))
def test_growing_in_any_steps_gives_the_defined_root(count: int, step: int) -> None:
    assert Grown(MANY[:count], step).tree.root() == naive(MANY[:count])


@given(st.integers(0, 2_000))
def test_the_stored_hashes_give_the_root_of_every_size_there_was(size: int) -> None:
    assert root_at(size, BIG.nodes) == naive(MANY[:size])


@given(st.integers(0, 1_500), st.integers(0, 500))
def test_a_tree_brought_back_from_its_last_tiles_grows_on(count: int, more: int) -> None:
    whole = Grown(MANY[:count])

    again = Tree.of(count, whole.tree.edges)

    assert again.grown(MANY[count : count + more])[0].root() == naive(MANY[: count + more])


def test_a_tree_is_not_brought_back_from_tiles_of_another_size() -> None:
    with pytest.raises(ValueError, match="not the last tiles"):
        Tree.of(301, Grown(MANY[:300]).tree.edges)


def test_a_tile_is_full_once_and_then_left_alone() -> None:
    tree, first = Tree().grown(MANY[:300])
    _, second = tree.grown(MANY[300:600])

    assert [(level, place, len(hashes)) for level, place, hashes in first] == [
        (0, 0, TILE_BYTES), (0, 1, 44 * HASH_BYTES), (1, 0, HASH_BYTES),
    ]  # fmt: skip
    assert [(level, place) for level, place, _ in second] == [(0, 1), (0, 2), (1, 0)]


@given(st.data())
def test_every_leaf_is_proved_and_nothing_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 600))
    index = data.draw(st.integers(0, size - 1))
    root = naive(MANY[:size])

    proof = inclusion(index, size, BIG.nodes)

    assert includes(MANY[index], index, size, proof, root)
    assert not includes(leaf_hash(b"another"), index, size, proof, root)
    assert not includes(MANY[index], index, size, [*proof, root], root)
    assert not includes(MANY[index], size, size, proof, root)
    if size > 1:
        other = data.draw(st.integers(0, size - 1).filter(lambda other: other != index))
        altered = data.draw(st.integers(0, len(proof) - 1))
        assert not includes(MANY[index], other, size, proof, root)
        assert not includes(MANY[index], index, size, proof[:-1], root)
        assert not includes(MANY[index], index, size, [*proof[:altered], leaf_hash(b"x"), *proof[altered + 1 :]], root)


@given(st.data())
def test_every_growth_is_proved_and_nothing_else(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 600))
    old = data.draw(st.integers(1, new))
    roots = naive(MANY[:old]), naive(MANY[:new])

    proof = consistency(old, new, BIG.nodes)

    assert extends(old, new, proof, *roots)
    assert not extends(old, new, proof, leaf_hash(b"another"), roots[1])
    assert not extends(old, new, proof, roots[0], leaf_hash(b"another"))
    assert not extends(old, new, [*proof, roots[0]], *roots)
    if old < new:
        altered = data.draw(st.integers(0, len(proof) - 1))
        assert not extends(new, old, proof, *roots[::-1])
        assert not extends(old, new, proof[:-1], *roots)
        assert not extends(old, new, [*proof[:altered], leaf_hash(b"x"), *proof[altered + 1 :]], *roots)


def test_every_tree_extends_the_empty_one_without_a_proof() -> None:
    root = naive(MANY[:5])

    assert consistency(0, 5, BIG.nodes) == []
    assert extends(0, 5, [], EMPTY_ROOT, root)
    assert extends(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)
    assert not extends(0, 0, [], EMPTY_ROOT, root)
    assert not extends(0, 5, [root], EMPTY_ROOT, root)
    assert not extends(0, 5, [], root, root)


def test_proofs_of_what_is_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="has no leaf 5"):
        inclusion(5, 5, BIG.nodes)
    with pytest.raises(ValueError, match="never had 6"):
        consistency(6, 5, BIG.nodes)


def test_a_tile_that_is_cut_short_gives_no_node() -> None:
    nodes = nodes_of(lambda level, place: BIG.tiles[level, place][:64])

    with pytest.raises(ValueError, match="tile 0 of level 0 is cut short"):
        nodes(2, 0)
