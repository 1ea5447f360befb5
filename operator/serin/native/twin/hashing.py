"""Hashes of csrc/hash.c. Inputs and results are unsigned 64-bit integers; bytes are read little-endian."""

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 1


def mix64(x: int) -> int:
    """The finalizer of splitmix64: a bijection on 64 bits in which each bit of x moves every bit."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def hash_more(seed: int, data: bytes) -> int:
    h = mix64((seed + GOLDEN) & MASK) ^ len(data)
    for at in range(0, len(data), 8):
        h = mix64(h ^ int.from_bytes(data[at : at + 8], "little"))
    return mix64((h + GOLDEN) & MASK)


def hash64(data: bytes) -> int:
    return hash_more(_FIRST, data)


def shape_of(idents: tuple[int, ...]) -> int:
    h = hash64(b"".join(i.to_bytes(8, "little") for i in idents))
    return (h ^ (h >> 32)) & 0xFFFFFFFF


def endpoint_ident(family: int, packed: bytes, port: int) -> int:
    return hash64(bytes((family,)) + packed + port.to_bytes(2, "big"))


class Random:
    """The worker's random source: splitmix64."""

    def __init__(self, seed: int) -> None:
        self._state = seed & MASK

    def __call__(self) -> int:
        self._state = (self._state + GOLDEN) & MASK
        return mix64(self._state)
