import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import merkle
from governance.errors import IntegrityError, UsageError

# certificate-transparency reference vectors: merkletree/merkle_tree_test.cc, and github.com/transparency-dev/merkle, testonly/constants.go
LEAVES = [bytes.fromhex(h) for h in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]
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
INCLUSION = {  # (index, size): path
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {  # (old, new): proof
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


# --- the definitions of RFC 6962, 2.1, word for word


def mth(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = split(len(leaves))
    return hashlib.sha256(b"\1" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    return [*path(m, leaves[:k]), mth(leaves[k:])] if m < k else [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m, leaves, whole):
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def split(n):
    k = 1
    while 2 * k < n:
        k *= 2
    return k


# --- ours


def grow(leaves):
    """Hashes of every complete subtree, and where to find them."""
    rows = {(0, index): merkle.leaf_hash(data) for index, data in enumerate(leaves)}
    for level in range(len(leaves).bit_length()):
        for index in range(len(leaves) >> level + 1):
            rows[level + 1, index] = merkle.node_hash(rows[level, 2 * index], rows[level, 2 * index + 1])
    return rows, lambda *name: rows[name]


def numbers(size):
    return [str(i).encode() for i in range(size)]


sizes = st.integers(1, 200)


@pytest.mark.parametrize("size", range(9))
def test_roots_of_certificate_transparency(size):
    _, hash_at = grow(LEAVES)
    assert merkle.root(size, hash_at).hex() == ROOTS[size]


@pytest.mark.parametrize("index, size", INCLUSION)
def test_inclusion_proofs_of_certificate_transparency(index, size):
    _, hash_at = grow(LEAVES)
    proof = merkle.inclusion(index, size, hash_at)
    assert [h.hex() for h in proof] == INCLUSION[index, size]
    merkle.verify_inclusion(proof, bytes.fromhex(ROOTS[size]), leaf=merkle.leaf_hash(LEAVES[index]), index=index, size=size)


@pytest.mark.parametrize("old, new", CONSISTENCY)
def test_consistency_proofs_of_certificate_transparency(old, new):
    _, hash_at = grow(LEAVES)
    proof = merkle.consistency(old, new, hash_at)
    assert [h.hex() for h in proof] == CONSISTENCY[old, new]
    merkle.verify_consistency(proof, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]), old=old, new=new)


def test_every_root_and_proof_up_to_33_leaves_is_the_recursive_one():
    leaves = numbers(33)
    _, hash_at = grow(leaves)
    for size in range(34):
        root = merkle.root(size, hash_at)
        assert root == mth(leaves[:size])
        for index in range(size):
            proof = merkle.inclusion(index, size, hash_at)
            assert proof == path(index, leaves[:size])
            merkle.verify_inclusion(proof, root, leaf=merkle.leaf_hash(leaves[index]), index=index, size=size)
        for old in range(size + 1):
            proof = merkle.consistency(old, size, hash_at)
            assert proof == (subproof(old, leaves[:size], True) if old else [])
            merkle.verify_consistency(proof, mth(leaves[:old]), root, old=old, new=size)


@given(sizes, st.data())
@settings(max_examples=50, deadline=None)
def test_large_trees_too(size, data):
    leaves = numbers(size)
    _, hash_at = grow(leaves)
    assert sum(1 << level for level, _ in merkle.peaks(size)) == size
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    root = merkle.root(size, hash_at)
    assert root == mth(leaves)
    merkle.verify_inclusion(merkle.inclusion(index, size, hash_at), root, leaf=merkle.leaf_hash(leaves[index]), index=index, size=size)
    merkle.verify_consistency(merkle.consistency(old, size, hash_at), mth(leaves[:old]), root, old=old, new=size)


@given(st.lists(st.integers(0, 700), max_size=6), st.data())
@settings(max_examples=40, deadline=None)
def test_an_edge_however_it_grew_has_the_root_and_the_tiles_of_its_leaves(counts, data):
    """Across the borders of tiles, and with a third level of them from 65,536 leaves on."""
    start = data.draw(st.sampled_from([0, 250, 65_000, 65_536]))
    hashes = [merkle.leaf_hash(each) for each in numbers(start + sum(counts))]
    edge, tiles, size = merkle.Edge(), {}, 0
    for count in [start, *counts]:
        full = edge.add(hashes[size : size + count])
        size += count
        tiles.update({(level, index): each for level, index, each in [*full, *edge.partial()]})
        assert (edge.size, edge.root()) == (size, merkle.fold(hashes[:size]))
        again = merkle.Edge.of(size, lambda *name: tiles[name])
        assert (again.size, again.root(), again.partial(), again.tiles) == (size, edge.root(), edge.partial(), edge.tiles)
    level, row = 0, hashes
    while row:
        cuts = range(0, len(row), 256)
        assert b"".join(row) == b"".join(tiles.pop((level, at // 256)) for at in cuts)
        row = [merkle.fold(row[at : at + 256]) for at in cuts if at + 256 <= len(row)]
        level += 1
    assert not tiles


@given(st.integers(0, 40), st.integers(0, 2**40))
def test_a_subtree_lies_in_one_tile(level, index):
    up, tile, first, count = merkle.place(level, index)
    assert first + count <= 256 and count == 2 ** (level - 8 * up) and (tile * 256 + first) << 8 * up == index << level


def forgeries(hashes):
    """Every list of hashes that differs from *hashes* in one bit, one hash more or one hash less."""
    for at, digest in enumerate(hashes):
        yield hashes[:at] + hashes[at + 1 :]
        yield [*hashes[:at], digest, *hashes[at:]]
        yield [*hashes[:at], digest[:-1], *hashes[at + 1 :]]
        yield [*hashes[:at], digest + b"\0", *hashes[at + 1 :]]
        for bit in range(0, 256, 17):
            flipped = bytearray(digest)
            flipped[bit // 8] ^= 1 << bit % 8
            yield [*hashes[:at], bytes(flipped), *hashes[at + 1 :]]
    yield [*hashes, bytes(32)]
    yield [bytes(32), *hashes]


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 13])
def test_every_other_inclusion_proof_is_refused(size):
    leaves = numbers(size)
    _, hash_at = grow(leaves)
    root = merkle.root(size, hash_at)
    for index in range(size):
        leaf, proof = merkle.leaf_hash(leaves[index]), merkle.inclusion(index, size, hash_at)
        for forged in forgeries(proof):
            with pytest.raises(IntegrityError):
                merkle.verify_inclusion(forged, root, leaf=leaf, index=index, size=size)
        for wrong in set(range(-1, size + 2)) - {index}:
            with pytest.raises(IntegrityError):
                merkle.verify_inclusion(proof, root, leaf=leaf, index=wrong, size=size)
        with pytest.raises(IntegrityError):
            merkle.verify_inclusion(proof, root, leaf=merkle.leaf_hash(b"other"), index=index, size=size)
        with pytest.raises(IntegrityError):
            merkle.verify_inclusion(proof, merkle.leaf_hash(b"other"), leaf=leaf, index=index, size=size)


@pytest.mark.parametrize("new", [1, 2, 3, 6, 7, 8, 13])
def test_every_other_consistency_proof_is_refused(new):
    leaves = numbers(new)
    _, hash_at = grow(leaves)
    new_root = merkle.root(new, hash_at)
    for old in range(1, new + 1):
        old_root, proof = merkle.root(old, hash_at), merkle.consistency(old, new, hash_at)
        for forged in forgeries(proof):
            with pytest.raises(IntegrityError):
                merkle.verify_consistency(forged, old_root, new_root, old=old, new=new)
        forked = mth([b"forged", *leaves[1:old]])
        with pytest.raises(IntegrityError):
            merkle.verify_consistency(proof, forked, new_root, old=old, new=new)
        with pytest.raises(IntegrityError):
            merkle.verify_consistency(proof, old_root, mth([b"forged", *leaves[1:]]), old=old, new=new)
        with pytest.raises(IntegrityError):
            merkle.verify_consistency(proof, old_root, new_root, old=new + 1, new=new)


def test_the_empty_tree_is_the_beginning_of_every_tree():
    merkle.verify_consistency([], merkle.EMPTY, merkle.leaf_hash(b"x"), old=0, new=1)
    merkle.verify_consistency([], merkle.EMPTY, merkle.EMPTY, old=0, new=0)
    with pytest.raises(IntegrityError):
        merkle.verify_consistency([], merkle.leaf_hash(b"x"), merkle.leaf_hash(b"x"), old=0, new=1)
    with pytest.raises(IntegrityError):
        merkle.verify_consistency([bytes(32)], merkle.EMPTY, merkle.leaf_hash(b"x"), old=0, new=1)


@pytest.mark.parametrize("index, size", [(0, 0), (1, 1), (-1, 4)])
def test_proofs_of_leaves_that_are_not_there(index, size):
    _, hash_at = grow(LEAVES)
    with pytest.raises(UsageError):
        merkle.inclusion(index, size, hash_at)


@pytest.mark.parametrize("old, new", [(2, 1), (-1, 1)])
def test_consistency_of_sizes_that_make_no_sense(old, new):
    _, hash_at = grow(LEAVES)
    with pytest.raises(UsageError):
        merkle.consistency(old, new, hash_at)


def test_a_proof_of_a_deeper_tree_is_refused():
    """Leaf 3 of 4 is reached by two left siblings; leaf 1 of 2 would be too, were the second not one too many."""
    leaves = numbers(4)
    _, hash_at = grow(leaves)
    proof, leaf = merkle.inclusion(3, 4, hash_at), merkle.leaf_hash(leaves[3])
    with pytest.raises(IntegrityError, match="too long"):
        merkle.verify_inclusion(proof, mth(leaves), leaf=leaf, index=1, size=2)
    with pytest.raises(IntegrityError, match="too short"):
        merkle.verify_inclusion(proof[:1], merkle.node_hash(proof[0], leaf), leaf=leaf, index=3, size=4)


def test_hashes_of_other_lengths_are_refused():
    """31 and 33 bytes side by side hash like 32 and 32."""
    leaves = numbers(2)
    left, right = map(merkle.leaf_hash, leaves)
    with pytest.raises(IntegrityError, match="32 bytes"):
        merkle.verify_inclusion([left[31:] + right], mth(leaves), leaf=left[:31], index=0, size=2)
    with pytest.raises(IntegrityError, match="32 bytes"):
        merkle.verify_consistency([left[31:] + right], left[:31], mth(leaves), old=1, new=2)


def test_an_empty_tree_is_consistent_with_itself_alone():
    merkle.verify_consistency([], merkle.EMPTY, merkle.EMPTY, old=0, new=0)
    for pair in ((merkle.EMPTY, bytes(32)), (bytes(32), bytes(32))):
        with pytest.raises(IntegrityError, match="not consistent"):
            merkle.verify_consistency([], *pair, old=0, new=0)
