"""The C routine's hashes and the twin's are the same bit for bit."""

from hypothesis import given
from hypothesis import strategies as st
from serin.native._ffi import ffi, lib

from serin.native import hashing
from serin.native.layout import BUCKET_BOUNDS_US, pack_address, unpack_address
from serin.native.twin import hashing as twin

words = st.integers(0, 2**64 - 1)


@given(st.binary(max_size=70), words)
def test_hashes_agree(data: bytes, seed: int) -> None:
    assert hashing.hash_more(seed, data) == twin.hash_more(seed, data)
    assert hashing.hash64(data) == twin.hash64(data)


@given(st.lists(words, min_size=1, max_size=16).map(tuple))
def test_shapes_agree(idents: tuple[int, ...]) -> None:
    assert hashing.shape_of(idents) == twin.shape_of(idents)


@given(st.ip_addresses().map(str), st.integers(1, 65535))
def test_endpoint_idents_agree(address: str, port: int) -> None:
    family, packed = pack_address(address)
    assert hashing.endpoint_ident(family, packed, port) == twin.endpoint_ident(family, packed, port)
    assert pack_address(unpack_address(family, packed)) == (family, packed)


def test_order_and_length_matter() -> None:
    assert len({twin.hash64(d) for d in (b"", b"\0", b"\0\0", b"\0" * 8, b"\0" * 9, b"ab", b"ba")}) == 7


def test_bucket_bounds_agree() -> None:
    bounds = ffi.new("uint64_t[]", 64)
    count = lib.srn_bucket_bounds(bounds, 64)
    assert tuple(bounds[0:count]) == BUCKET_BOUNDS_US
    ingress_nginx = (5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000)
    assert set(ingress_nginx) | {10_000_000} <= set(BUCKET_BOUNDS_US)
