"""The verifier's own Ed25519 beside RFC 8032's vectors and OpenSSL's."""

import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.hub_verify import ORDER, P, decompress, ed25519_verifies

VECTORS = [
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
    ("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf", hashlib.sha512(b"abc").hexdigest(),
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"),
]  # fmt: skip
"""RFC 8032 section 7.1: tests 1, 2, 3 and SHA(abc)."""

SMALL_ORDER_Y = [0, 1, P - 1, 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7]
"""Of points of order 4, 1, 2 and 8."""


def openssl(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_the_vectors_of_the_rfc_verify_and_with_one_bit_changed_do_not(key: str, message: str, signature: str) -> None:
    parts = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)

    assert ed25519_verifies(*parts)
    assert not ed25519_verifies(parts[0], parts[1] + b"\x00", parts[2])
    for at in (0, 31, 32, 63):
        altered = bytearray(parts[2])
        altered[at] ^= 1
        assert not ed25519_verifies(parts[0], parts[1], bytes(altered))


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.integers(0, 95), st.integers(0, 255))
def test_it_says_what_openssl_says(seed: bytes, message: bytes, at: int, flip: int) -> None:
    secret = Ed25519PrivateKey.from_private_bytes(seed)
    both = bytearray(secret.public_key().public_bytes_raw() + secret.sign(message))
    both[at] ^= flip
    key, signature = bytes(both[:32]), bytes(both[32:])

    assert ed25519_verifies(key, message, signature) == openssl(key, message, signature) == (flip == 0)


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=40), st.integers(1, 12))
def test_a_second_form_of_s_is_refused_as_openssl_does(seed: bytes, message: bytes, times: int) -> None:
    secret = Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = secret.public_key().public_bytes_raw(), secret.sign(message)
    s = int.from_bytes(signature[32:], "little") + times * ORDER
    second = signature[:32] + s.to_bytes(32, "little")

    assert not ed25519_verifies(key, message, second)
    assert not openssl(key, message, second)


@pytest.mark.parametrize("y", SMALL_ORDER_Y)
@pytest.mark.parametrize("sign", [0, 1])
def test_a_key_of_small_order_verifies_nothing(y: int, sign: int) -> None:
    """Such a key takes one signature for many texts; OpenSSL lets it."""
    key = (y | sign << 255).to_bytes(32, "little")
    signature = (1).to_bytes(32, "little") + bytes(32)

    assert not any(ed25519_verifies(key, bytes([text]), signature) for text in range(20))


@pytest.mark.parametrize("y", [P, P + 1, 2**255 - 1])
def test_a_second_encoding_of_a_point_is_refused(y: int) -> None:
    secret = Ed25519PrivateKey.from_private_bytes(bytes(32))
    good = secret.sign(b"text")
    encoding = y.to_bytes(32, "little")

    assert not ed25519_verifies(encoding, b"text", good)
    assert not ed25519_verifies(secret.public_key().public_bytes_raw(), b"text", encoding + good[32:])


def test_no_point_is_read_from_a_second_encoding() -> None:
    """Nobody knows a secret for these, so the function inside is asked."""
    twice = [y for y in range(19) if decompress(y.to_bytes(32, "little")) is not None]

    assert len(twice) > 5
    assert [y for y in twice if decompress((P + y).to_bytes(32, "little")) is not None] == []


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=70), st.binary(max_size=70))
def test_any_bytes_are_refused(key: bytes, signature: bytes) -> None:
    assert not ed25519_verifies(key, b"text", signature)
