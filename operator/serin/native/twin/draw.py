"""The stratified draw by reading: any window of W drawn requests holds W·w of a version, within 1, at random places.

Integers throughout. `n` is the split's counter before the request, `total` is below 2**32.
"""

from collections.abc import Sequence

from serin.native.twin.hashing import GOLDEN, MASK, mix64


def share_out(weights: Sequence[int], total: int, *, rest: bool, present: Sequence[bool]) -> list[int]:
    """What each version present has of the requests that nothing else decided; main is version 0.

    With `rest`, main takes what the versions left in the request leave of `total`; without main they share in
    proportion. Where nobody has a part, main has it all, or without `rest` the first version that is there: better than
    no answer.
    """
    shares = [w if there else 0 for w, there in zip(weights, present, strict=True)]
    if rest and present[0]:
        shares[0] = max(total - sum(shares[1:]), 0)
    if not any(shares):
        alone = 0 if rest or not any(present) else list(present).index(True)
        shares[alone] = int(present[alone])
    return shares


def draw_level(n: int, weight: int, total: int, seed: int) -> tuple[bool, int]:
    """Whether the n-th request of a level is drawn, and how many before it were not (the next level's n)."""
    complement = 2 * weight > total
    part = total - weight if complement else weight
    block, i = divmod(n, total)
    j = i * part // total
    first, end = -(-j * total // part), -(-(j + 1) * total // part)
    stratum = block * part + j
    place = first + mix64(seed ^ stratum) % (end - first)
    hits = stratum + (place < i)
    if complement:
        return i != place, hits
    return i == place, n - hits


def draw(shares: Sequence[int], n: int, seed: int, first: int = -1) -> int:
    """The version of the n-th drawn request: `first`, if any, then canaries in order, main last.

    Each level has a seed of its own; on the first one a share is exact whatever the others have.
    """
    total = sum(shares)
    canaries = [version for version in range(1, len(shares)) if version != first]
    for version in [first, *canaries] if first >= 0 else canaries:
        weight = shares[version]
        if weight == 0:
            continue
        if weight == total:
            return version
        hit, n = draw_level(n, weight, total, seed)
        if hit:
            return version
        total -= weight
        seed = mix64((seed + GOLDEN) & MASK)
    return 0
