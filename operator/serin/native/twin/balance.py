"""The choice of an endpoint by reading. `Pool` is what a choice is made from; randomness and counters come in.

Each way chooses among the endpoints that were not tried yet; when the choice falls on an ejected endpoint and at least
half of the pool is not ejected, it is made again among those; but for the one request that tries it again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serin.native.layout import MAX_SUBSET, AlgorithmCode
from serin.native.twin.endpoints import EndpointState
from serin.native.twin.hashing import mix64


@dataclass(frozen=True, slots=True)
class Pick:
    """One choice: idents in the pool's order, those tried, and where numbers come from."""

    idents: Sequence[int]
    tried: frozenset[int]
    state: EndpointState
    now: int
    random: Callable[[], int]
    count_up: Callable[[], int]
    """The pool's round-robin counter: its value before adding one."""
    key: int | None = None
    subset: int = 0


def pick(p: Pick, algorithm: AlgorithmCode) -> int | None:
    """Index of the endpoint, or None when all were tried."""
    left = [i for i, ident in enumerate(p.idents) if ident not in p.tried]
    chosen = _choose(p, algorithm, left)
    if chosen is None or not p.state.is_ejected(p.idents[chosen], p.now):
        return chosen
    sound = [i for i, ident in enumerate(p.idents) if not p.state.is_ejected(ident, p.now)]
    left_sound = [i for i in left if i in sound]
    if not left_sound or 2 * len(sound) < len(p.idents) or p.state.may_try(p.idents[chosen], p.now):
        return chosen
    return _choose(p, algorithm, left_sound)


def _choose(p: Pick, algorithm: AlgorithmCode, among: list[int]) -> int | None:
    match algorithm:
        case AlgorithmCode.ROUND_ROBIN:
            return _spread(p, p.count_up(), among) if p.idents else None
        case AlgorithmCode.LEAST_CONN:
            return _of_two(p, among, pace=False)
        case AlgorithmCode.EWMA:
            return _of_two(p, among, pace=True)
        case AlgorithmCode.SHORTEST_EXPECTED_DELAY:
            return _least_delay(p, among, idle_first=False)
        case AlgorithmCode.NEVER_QUEUE:
            return _least_delay(p, among, idle_first=True)
        case AlgorithmCode.HASH if p.key is not None:
            return max(among, key=lambda i: _score(p, i), default=None)
        case AlgorithmCode.HASH_SUBSET if p.key is not None:
            best = sorted(among, key=lambda i: _score(p, i), reverse=True)[: min(max(p.subset, 1), MAX_SUBSET)]
            return best[p.random() % len(best)] if best else None
    return _spread(p, p.random(), among) if p.idents else None


def _score(p: Pick, i: int) -> int:
    assert p.key is not None
    return mix64(p.key ^ p.idents[i])


def _spread(p: Pick, x: int, among: list[int]) -> int | None:
    """Endpoint for a running or random number; what falls on one that is out is shared evenly by the others."""
    rounds, i = divmod(x, len(p.idents))
    if i in among:
        return i
    return among[rounds % len(among)] if among else None


def _of_two(p: Pick, among: list[int], *, pace: bool) -> int | None:
    if not p.idents:
        return None
    a = _spread(p, p.random(), among)
    if a is None or len(among) < 2:
        return a
    k = p.random() % (len(among) - 1)
    # all there: counted on from a; else from the first that is left
    b = (a + 1 + k) % len(p.idents) if len(among) == len(p.idents) else [i for i in among if i != a][k]
    cost_a, cost_b = p.state.waiting(p.idents[a]) + 1, p.state.waiting(p.idents[b]) + 1
    if pace:
        pace_a, pace_b = p.state.pace(p.idents[a], p.now), p.state.pace(p.idents[b], p.now)
        if pace_a and pace_b:
            cost_a, cost_b = cost_a * pace_a, cost_b * pace_b
    return b if cost_b < cost_a else a


def _least_delay(p: Pick, among: list[int], *, idle_first: bool) -> int | None:
    if not p.idents:
        return None
    start = p.random() % len(p.idents)
    paces = [p.state.pace(ident, p.now) for ident in p.idents]
    fallback = min((pace for pace in paces if pace), default=1)
    in_turn = sorted(among, key=lambda i: (i - start) % len(p.idents))
    waiting = {i: p.state.waiting(p.idents[i]) for i in in_turn}
    if idle_first:
        idle = [i for i in in_turn if waiting[i] == 0]
        if idle:
            return idle[0]
    return min(in_turn, key=lambda i: (waiting[i] + 1) * (paces[i] or fallback), default=None)
