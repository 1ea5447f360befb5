"""Hashes by the C routine: idents, keys and checksums that are the same in every process and plane.

The pure Python twin of these is serin.native.twin.hashing.
"""

from serin.native._ffi import lib


def hash64(data: bytes) -> int:
    """64 bits over `data`; what SplitHandle.decide takes as `key`."""
    return int(lib.srn_hash(data, len(data)))


def hash_more(seed: int, data: bytes) -> int:
    return int(lib.srn_hash_more(seed, data, len(data)))


def shape_of(idents: tuple[int, ...]) -> int:
    """The digest by which a caller's version list and a split block recognise each other."""
    return int(lib.srn_shape(idents, len(idents)))


def endpoint_ident(family: int, packed: bytes, port: int) -> int:
    """The ident of an endpoint: over its family (4 or 6), its address in 16 bytes and its port."""
    return hash64(bytes((family,)) + packed + port.to_bytes(2, "big"))
