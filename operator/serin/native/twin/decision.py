"""The whole decision by reading: what srn_decide, srn_retry and srn_done do, over values instead of shared memory.

One TwinWorker stands for all processes together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from serin.native.layout import AlgorithmCode
from serin.native.twin.balance import Pick, pick
from serin.native.twin.blocks import EndpointBlock, PoolBlock, SplitBlock
from serin.native.twin.draw import draw, share_out
from serin.native.twin.endpoints import EndpointState
from serin.native.twin.hashing import endpoint_ident
from serin.native.twin.trials import TrialState
from serin.rollout.facts import FAILED
from serin.routing.user_split import choose

BY_DEFAULT, BY_CALLER, BY_WEIGHT = range(3)
MAX_TRIED = 8


@dataclass(slots=True)
class TwinChoice:
    version: int
    reason: int
    pool: PoolBlock
    endpoint: EndpointBlock | None = None
    exact: bool = False
    key: int = 0
    keyed: bool = False
    sticky: bool = False
    wants_exact: bool = False
    started: int = 0
    attempt: int = 0
    tried: list[int] = field(default_factory=list)
    in_flight: bool = False
    drawn: bool = False
    user: int = 0
    split: SplitBlock | None = None


@dataclass(slots=True)
class TwinWorker:
    """`names`: addresses (family, 16 bytes) of each external name, as the parent resolved them."""

    pools: Mapping[int, PoolBlock]
    random: Callable[[], int]
    names: Mapping[bytes, list[tuple[int, bytes]]] = field(default_factory=dict)
    endpoints: EndpointState = field(default_factory=EndpointState)
    counters: dict[int, int] = field(default_factory=dict)
    trials: TrialState = field(default_factory=TrialState)

    def count_up(self, counter: int) -> int:
        value = self.counters.get(counter, 0)
        self.counters[counter] = value + 1
        return value

    def listed(self, pool: PoolBlock) -> tuple[EndpointBlock, ...]:
        if not pool.name:
            return pool.endpoints
        addresses = enumerate(self.names.get(pool.name, []))
        return tuple(
            EndpointBlock(
                endpoint_ident(family, address, pool.port), address, pool.port, family, pool.base_cell + place
            )
            for place, (family, address) in addresses
        )

    def decide(
        self,
        split: SplitBlock,
        now: int,
        *,
        forced: int = -1,
        excluded: int = 0,
        key: int = 0,
        keyed: bool = False,
        sticky: bool = False,
        exact: bool = False,
        user: int = 0,
    ) -> TwinChoice | None:
        """None: nothing left that has an endpoint."""
        user, drawn = user if split.salts else 0, False
        if forced >= 0:
            version, reason = forced, BY_CALLER
            if split.suspended >> forced & 1:
                return None
        else:
            version, reason, drawn = self._version(split, excluded, user)
        if not 0 <= version < len(split.versions):
            return None
        pool = self.pools.get(split.versions[version].pool)
        if pool is None:
            return None
        choice = TwinChoice(version, reason, pool, key=key, keyed=keyed, sticky=sticky, wants_exact=exact, started=now)
        choice.drawn, choice.user, choice.split = drawn, user, split
        return choice if self._endpoint(choice, now) else None

    def _version(self, split: SplitBlock, excluded: int, user: int) -> tuple[int, int, bool]:
        """Index, reason, and whether all that have a weight could be chosen."""
        present, gone = [], excluded | split.suspended
        for index, block in enumerate(split.versions):
            pool = self.pools.get(block.pool)
            present.append(not gone >> index & 1 and pool is not None and bool(self.listed(pool)))
        weights = [v.weight for v in split.versions]
        drawn = len(weights) > 1 and not excluded and all(p for w, p in zip(weights, present, strict=True) if w)
        shares = share_out(weights, split.total, rest=split.rest, present=present)
        total = sum(shares)
        if total == 0:
            return -1, BY_DEFAULT, False
        if total in shares:
            version = shares.index(total)
            return version, BY_WEIGHT if version and present[0] else BY_DEFAULT, drawn
        if user and split.salts:
            return choose(user, split.salts, weights, split.first, present), BY_WEIGHT, drawn
        return draw(shares, self.count_up(split.counter), split.seed, split.first), BY_WEIGHT, drawn

    def _endpoint(self, choice: TwinChoice, now: int) -> bool:
        pool = self.pools[choice.pool.id]
        listed = self.listed(pool)
        idents = [e.ident for e in listed]
        choice.exact = choice.sticky and choice.wants_exact and choice.key in idents and choice.key not in choice.tried
        place = idents.index(choice.key) if choice.exact else self._pick(pool, idents, choice, now)
        if place is None:
            return False
        choice.pool, choice.endpoint = pool, listed[place]
        choice.attempt, choice.in_flight = now, True
        self.endpoints.enter(listed[place].ident)
        return True

    def _pick(self, pool: PoolBlock, idents: list[int], choice: TwinChoice, now: int) -> int | None:
        keyed = choice.keyed or choice.sticky
        hashed = choice.sticky or (keyed and pool.by_client)
        algorithm = AlgorithmCode.HASH if hashed else pool.algorithm
        how = Pick(
            idents,
            frozenset(choice.tried),
            self.endpoints,
            now,
            self.random,
            lambda: self.count_up(pool.counter),
            choice.key if keyed else None,
            pool.subset,
        )
        return pick(how, algorithm)

    def retry(self, choice: TwinChoice, now: int) -> bool:
        """The attempt failed; whether there is another endpoint."""
        if not choice.in_flight or choice.endpoint is None:
            return False
        choice.in_flight = False
        self.endpoints.leave(choice.endpoint.ident)
        self.endpoints.note_failure(choice.endpoint.ident, now)
        if len(choice.tried) >= MAX_TRIED:
            return False
        choice.tried.append(choice.endpoint.ident)
        return choice.pool.id in self.pools and self._endpoint(choice, now)

    def done(self, choice: TwinChoice, status: int, now: int, *, failed: bool = False) -> None:
        if choice.split is not None:
            answered = FAILED if failed and status != 101 else status
            took = max(now - choice.started, 0)
            split, drawn, user = choice.split, choice.drawn, choice.user
            by_itself = bool(split.salts) and not user
            self.trials.count(split.trial, choice.version, answered, took, drawn=drawn, user=user, by_itself=by_itself)
        if not choice.in_flight or choice.endpoint is None:
            return
        choice.in_flight = False
        ident = choice.endpoint.ident
        self.endpoints.leave(ident)
        if failed:
            self.endpoints.note_failure(ident, now)
        elif status > 0:
            paced = {AlgorithmCode.EWMA, AlgorithmCode.SHORTEST_EXPECTED_DELAY, AlgorithmCode.NEVER_QUEUE}
            took = max(now - choice.attempt, 0)
            self.endpoints.note_answer(ident, took, now, pace=choice.pool.algorithm in paced)
