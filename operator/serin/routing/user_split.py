"""Which version a user's key chooses: two keyed hashes, so that users move only to or from the version in rollout.

The first says whether the key is the candidate's, by its weight: raising that moves users one way, once. The second
says which of the others, by theirs, whatever the candidate has. Both planes have these bits from the routine
(csrc/users.c); docs/canaryroute.md has test vectors. Hashes: native.hashing.hash64 (of key and salts), and mix64.
"""

from collections.abc import Sequence

_MASK = (1 << 64) - 1


def mix64(x: int) -> int:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014), as in csrc/internal.h."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & _MASK
    return x ^ (x >> 31)


def bucket(key: int, salt: int, total: int) -> int:
    """The place of a key among `total` ones: floor(u * total) for u = mix64(key ^ salt) / 2**64."""
    return mix64(key ^ salt) * total >> 64


def choose(key: int, salts: tuple[int, int], weights: Sequence[int], first: int, present: Sequence[bool]) -> int:
    """The index of the version of a user; -1 when none can be chosen.

    `weights`: what every version has whether present or not, in the split's order; `first`: the candidate's index, or
    -1. A version that is not present leaves its users to the others, each by a third hash, so that nobody else moves.
    """
    there = [w if p else 0 for w, p in zip(weights, present, strict=True)]
    if not any(there):
        return next((i for i, p in enumerate(present) if p), -1)
    if first >= 0 and there[first] and bucket(key, salts[0], sum(weights)) < weights[first]:
        return first
    others = [0 if i == first else w for i, w in enumerate(weights)]
    if not any(w and p for w, p in zip(others, present, strict=True)):
        return first
    found = _by_weight(key, salts[1], others)
    if present[found]:
        return found
    left = [w if p else 0 for w, p in zip(others, present, strict=True)]
    return _by_weight(key, mix64(salts[1]), left)


def _by_weight(key: int, salt: int, weights: Sequence[int]) -> int:
    at = bucket(key, salt, sum(weights))
    for index, weight in enumerate(weights):
        if at < weight:
            return index
        at -= weight
    raise AssertionError("a bucket is below the sum of the weights")
