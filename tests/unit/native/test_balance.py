"""Which endpoint, told by what users see: even shares, few moved keys, failing endpoints left alone."""

from collections import Counter
from typing import Any

import pytest
from harness.shared_memory import Rig, make_pool, make_split
from serin.native._ffi import ffi, lib

from serin.native import stats
from serin.native.hashing import hash64, shape_of
from serin.native.worker import EXACT, KEYED, NO_ENDPOINT, STICKY, Choice, SplitHandle
from serin.routing.plan import Algorithm, Endpoint, Pool

COUNT = 5


def taken(result: Choice | int) -> Choice:
    assert isinstance(result, Choice), result
    return result


def serve(rig: Rig, pool: Pool, index: int = 0) -> SplitHandle:
    split = rig.put(make_split(int(pool.spec.id[-4:], 16), [(pool, 0)]), pool)
    return rig.worker(index).split(split.id, split.shape)


def addresses(h: SplitHandle, count: int, *, key: int | None = None, flags: int = KEYED) -> Counter[str]:
    found = Counter[str]()
    for _ in range(count):
        choice = taken(h.decide() if key is None else h.decide(key=key, flags=flags))
        found[choice.address] += 1
        choice.done(200)
    return found


def home(h: SplitHandle, key: int, flags: int = KEYED) -> str:
    (address,) = addresses(h, 3, key=key, flags=flags)
    return address


@pytest.fixture
def keys() -> list[int]:
    return [hash64(f"user-{n}".encode()) for n in range(400)]


def test_round_robin_is_exact_over_processes(rig: Rig) -> None:
    pool = make_pool(1, COUNT)
    a, b = serve(rig, pool), serve(rig, pool, 1)
    assert addresses(a, 33) + addresses(b, 42) + addresses(a, 25) == {e.address: 20 for e in pool.endpoints}


@pytest.mark.parametrize("algorithm", [Algorithm.RANDOM, Algorithm.LEAST_CONN, Algorithm.HASH])
def test_the_others_reach_everyone(rig: Rig, algorithm: Algorithm) -> None:
    pool = make_pool(1, COUNT, algorithm)
    found = addresses(serve(rig, pool), 1000)
    assert len(found) == COUNT
    assert min(found.values()) > 100


@pytest.mark.parametrize(
    "algorithm", [Algorithm.LEAST_CONN, Algorithm.SHORTEST_EXPECTED_DELAY, Algorithm.NEVER_QUEUE, Algorithm.EWMA]
)
def test_the_busy_are_spared(rig: Rig, algorithm: Algorithm) -> None:
    """Requests that stay open, in two processes: nobody gets many more than the others."""
    pool = make_pool(1, COUNT, algorithm)
    a, b = serve(rig, pool), serve(rig, pool, 1)
    held = [taken(h.decide()).address for _ in range(50) for h in (a, b)]
    assert max(Counter(held).values()) - min(Counter(held).values()) <= 4
    assert len(Counter(held)) == COUNT


def test_the_slow_get_less_but_are_not_forgotten(rig: Rig) -> None:
    """One endpoint takes 100 ms, the others 1 ms, a request each 20 ms; later all are alike again."""
    pool = make_pool(1, 3, Algorithm.EWMA)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    pointer, number = rig.worker().pointer, int(split.id, 16)
    slot, shape = lib.srn_find_split(pointer, number), shape_of((int(split.shape[0], 16),))
    slow, now, choice = bytes((10, 0, 1, 0)), 10**9, ffi.new("srn_choice *")
    for quick_again in (False, True):
        found = Counter[bytes]()
        for _ in range(6000):
            now += 20_000
            assert lib.srn_decide(pointer, slot, number, shape, -1, 0, 0, 0, now, choice) == 0
            address = bytes(choice.address)[:4]
            found[address] += 1
            lib.srn_done(pointer, choice, 200, 0, now + (100_000 if address == slow and not quick_again else 1000))
        assert (found[slow] > 600) is quick_again
        assert found[slow] > 0


def test_never_queue_takes_the_idle(rig: Rig) -> None:
    h = serve(rig, make_pool(1, COUNT, Algorithm.NEVER_QUEUE))
    held = [taken(h.decide()) for _ in range(COUNT)]
    assert len({c.address for c in held}) == COUNT
    held[2].done(200)
    assert taken(h.decide()).address == held[2].address


def test_a_key_keeps_its_endpoint_and_others_move_when_theirs_goes(rig: Rig, keys: list[int]) -> None:
    pool = make_pool(1, COUNT, Algorithm.HASH)
    h = serve(rig, pool)
    before = {key: home(h, key) for key in keys}
    gone = pool.endpoints[2].address
    rig.pools.put_pool(Pool(pool.spec, tuple(e for e in reversed(pool.endpoints) if e.address != gone)))
    after = {key: home(h, key) for key in keys}
    assert {k for k in keys if before[k] != after[k]} == {k for k in keys if before[k] == gone}
    assert min(Counter(before.values()).values()) > 400 / COUNT / 2


def test_a_subset_serves_a_key(rig: Rig, keys: list[int]) -> None:
    h = serve(rig, make_pool(1, COUNT, Algorithm.HASH_SUBSET, subset=2))
    assert all(len(addresses(h, 40, key=key)) == 2 for key in keys[:20])


def test_client_affinity_hashes_whatever_the_algorithm(rig: Rig, keys: list[int]) -> None:
    h = serve(rig, make_pool(1, COUNT, affinity=10800))
    assert len({home(h, key) for key in keys}) == COUNT
    assert len(addresses(h, COUNT)) == COUNT


def test_sticky_hashes_and_exact_names_the_endpoint(rig: Rig, keys: list[int]) -> None:
    h = serve(rig, make_pool(1, COUNT))
    assert len({home(h, key, STICKY) for key in keys}) == COUNT
    first = taken(h.decide())
    again = taken(h.decide(key=first.endpoint, flags=STICKY | EXACT))
    assert (again.address, again.exact) == (first.address, True)
    other = taken(h.decide(key=12345, flags=STICKY | EXACT))
    assert not other.exact


def fail(h: SplitHandle, address: str, times: int) -> None:
    """Let `times` requests to one endpoint fail, the others succeed."""
    while times:
        choice = taken(h.decide())
        choice.done(0 if choice.address == address else 200, failed=choice.address == address)
        times -= choice.address == address


def test_three_failures_in_a_row_eject(rig: Rig) -> None:
    pool = make_pool(1, COUNT)
    h, other = serve(rig, pool), serve(rig, pool, 1)
    bad = pool.endpoints[1].address
    fail(h, bad, 2)
    assert addresses(h, COUNT)[bad] == 1
    fail(h, bad, 3)
    found = addresses(other, 100)
    assert bad not in found
    assert max(found.values()) - min(found.values()) <= 2


def test_ejection_never_leaves_less_than_half(rig: Rig) -> None:
    pool = make_pool(1, 4)
    h = serve(rig, pool)
    for endpoint in pool.endpoints[:2]:
        fail(h, endpoint.address, 3)
    assert set(addresses(h, 20)) == {e.address for e in pool.endpoints[2:]}
    fail(h, pool.endpoints[2].address, 3)
    assert {taken(h.decide()).address for _ in range(8)} == {e.address for e in pool.endpoints}


class Moments:
    """Requests to a pool at moments of the test's choosing, in seconds, each answered or not as it is told."""

    def __init__(self, rig: Rig, pool: Pool) -> None:
        split = rig.put(make_split(int(pool.spec.id[-4:], 16), [(pool, 0)]), pool)
        self._worker, number = rig.worker().pointer, int(split.id, 16)
        slot, shape = lib.srn_find_split(self._worker, number), shape_of((int(split.shape[0], 16),))
        self._ref = ffi.new("srn_ref *", (self._worker, number, slot, shape))

    def ask(self, now: float) -> Any:
        choice = ffi.new("srn_choice *")
        assert lib.srn_decide_keyed(self._ref, -1, 0, 0, 0, 0, int(now * 1e6), choice) == 0
        return choice

    def end(self, choice: Any, now: float, *, failed: bool) -> None:
        lib.srn_done(self._worker, choice, 504 if failed else 200, failed, int(now * 1e6))

    def asked(self, now: float, endpoint: int) -> list[Any]:
        """Of as many requests as there are endpoints, three times over, those to this one; others are answered."""
        found = [self.ask(now) for _ in range(3 * COUNT)]
        for choice in found:
            if choice.endpoint != endpoint:
                self.end(choice, now, failed=False)
        return [choice for choice in found if choice.endpoint == endpoint]

    def eject(self, now: float) -> int:
        """The endpoint that is asked next, whose requests all fail."""
        bad = int(self.ask(now).endpoint)
        for choice in self.asked(now, bad):
            self.end(choice, now, failed=True)
        return bad


def test_one_request_tries_an_ejected_endpoint_again(rig: Rig) -> None:
    moments = Moments(rig, make_pool(1, COUNT))
    bad = moments.eject(now=100)
    assert not moments.asked(109.9, bad)
    [trial] = moments.asked(110.1, bad)
    assert not moments.asked(115, bad)
    moments.end(trial, 115.1, failed=True)
    assert not moments.asked(125, bad)
    [trial] = moments.asked(125.2, bad)
    moments.end(trial, 125.3, failed=False)
    assert len(moments.asked(125.4, bad)) == 3


def test_any_answer_ends_an_ejection(rig: Rig) -> None:
    """That of a request that was begun before it, too."""
    moments = Moments(rig, make_pool(1, COUNT))
    early = {choice.endpoint: choice for choice in (moments.ask(99) for _ in range(COUNT))}
    bad = moments.eject(now=100)
    assert not moments.asked(101, bad)
    moments.end(early[bad], 102, failed=False)
    assert len(moments.asked(103, bad)) == 3


def test_a_trial_that_does_not_end_is_followed_by_another(rig: Rig) -> None:
    moments = Moments(rig, make_pool(1, COUNT))
    bad = moments.eject(now=100)
    assert len(moments.asked(110.1, bad)) == 1
    assert not moments.asked(120, bad)
    assert len(moments.asked(120.2, bad)) == 1


def test_an_ejection_long_ago_is_forgotten(rig: Rig) -> None:
    moments = Moments(rig, make_pool(1, COUNT))
    bad = moments.eject(now=100)
    assert len(moments.asked(170.1, bad)) == 3


@pytest.fixture(params=list(Algorithm))
def algorithm(request: pytest.FixtureRequest) -> Algorithm:
    found: Algorithm = request.param
    return found


def test_retries_go_round_once(rig: Rig, algorithm: Algorithm) -> None:
    pool = make_pool(1, COUNT, algorithm, subset=COUNT)
    choice = taken(serve(rig, pool).decide(key=5, flags=KEYED))
    seen = [choice.address]
    while choice.retry() is not None:
        seen.append(choice.address)
    assert sorted(seen) == [e.address for e in pool.endpoints]
    assert choice.tried == COUNT
    choice.done(502)
    (totals,) = stats.read(rig.path).versions.values()
    assert (totals.classes, totals.failures) == ((0, 0, 0, 0, 0, 1), COUNT)


def test_a_retry_after_the_endpoints_changed(rig: Rig) -> None:
    pool = make_pool(1, 2)
    choice = taken(serve(rig, pool).decide())
    rig.pools.put_pool(Pool(pool.spec, (Endpoint(choice.address, choice.port), Endpoint("2001:db8::7", 443))))
    assert choice.retry() is choice
    assert (choice.address, choice.port) == ("2001:db8::7", 443)
    assert choice.retry() is None


def test_external_names(rig: Rig) -> None:
    base = make_pool(1, 0)
    pool = Pool(base.spec, (), external="db.example.com", external_port=5432)
    h = serve(rig, pool)
    assert h.decide() == NO_ENDPOINT
    rig.state.put_name(0, "db.example.com", ["192.0.2.1", "2001:db8::1"])
    assert addresses(h, 10) == {"192.0.2.1": 5, "2001:db8::1": 5}
    assert taken(h.decide()).port == 5432
    rig.state.put_name(0, "other.example.com", ["192.0.2.9"])
    assert h.decide() == NO_ENDPOINT
    rig.state.put_name(0, "db.example.com", [f"192.0.2.{n}" for n in range(40)])
    assert len(addresses(h, 64)) == 16
