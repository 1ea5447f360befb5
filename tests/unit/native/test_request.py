"""Choices kept under a request's address: the same as Worker.split's, whatever happens to pools.bin in between."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from harness.shared_memory import Rig, make_pool, make_split
from hypothesis import given, settings
from hypothesis import strategies as st
from serin.native._ffi import ffi, lib

from serin.native import layout
from serin.native.epochs import oldest_epoch
from serin.native.hashing import hash64
from serin.native.layout import ENDPOINT_CELL, ROW, STATS_CELL
from serin.native.worker import KEYED, STICKY, VERSION_ONLY, Choice, Worker
from serin.routing.plan import Algorithm, Split

MASK = (1 << 64) - 1
EXACT, ASK_KEY = lib.SRN_EXACT, lib.SRN_ASK_KEY
ANY_ROW = lib.SRN_ANY_ROW


def attach_any(rig: Rig) -> Any:
    error = ffi.new("char[256]")
    pointer = lib.srn_attach(os.fsencode(rig.path), ANY_ROW, 1, error, len(error))
    assert pointer != ffi.NULL, ffi.string(error)
    return pointer


class Requests:
    """The functions for nginx over one worker; requests are numbers."""

    def __init__(self, pointer: Any) -> None:
        self.pointer = pointer

    def route(self, split: Split, order: list[int] | None = None) -> Any:
        idents = [int(s.ident, 16) for s in split.shares]
        if order is not None:
            idents = [idents[i] for i in order]
        route = ffi.new("srn_route *")
        lib.srn_route_init(route, self.pointer, int(split.id, 16), idents, len(idents))
        return route

    def decide(
        self, request: int, route: Any, forced: int = -1, excluded: int = 0, key: bytes | None = None, flags: int = 0
    ) -> int:
        text = ffi.NULL if key is None else key
        address = ffi.cast("void *", request)
        return int(lib.srn_request_decide(self.pointer, address, route, forced, excluded, text, len(key or b""), flags))

    def endpoint(self, request: int, route: Any, key: bytes, flags: int = KEYED) -> int:
        return int(lib.srn_request_endpoint(self.pointer, ffi.cast("void *", request), route, key, len(key), flags))

    def choice(self, request: int) -> Any:
        found = lib.srn_request_choice(self.pointer, ffi.cast("void *", request))
        return None if found == ffi.NULL else found

    def retry(self, request: int) -> int:
        return int(lib.srn_request_retry(self.pointer, ffi.cast("void *", request)))

    def grant(self, request: int, tries: int = 0) -> bool:
        granted = bool(lib.srn_request_grant(self.pointer, ffi.cast("void *", request), tries))
        assert bool(lib.srn_request_granted(self.pointer, ffi.cast("void *", request))) is granted
        return granted

    def done(self, request: int, status: int = 200, *, failed: bool = False) -> None:
        lib.srn_request_done(self.pointer, ffi.cast("void *", request), status, failed)


@pytest.fixture
def requests(rig: Rig) -> Iterator[Requests]:
    made = Requests(attach_any(rig))
    yield made
    lib.srn_detach(made.pointer)


def told(found: Any) -> tuple[int, int, int, int]:
    return found.version, found.reason, found.endpoint, found.port


def rows(rig: Rig) -> list[tuple[int, int]]:
    """pid and epoch of each row."""
    with (rig.path / "state" / "state.bin").open("rb") as f:
        f.seek(4096)
        return [(pid, epoch) for pid, epoch, *_ in ROW.iter_unpack(f.read(64 * ROW.size))]


def in_flight(pointer: Any, rig: Rig, cell: int, row: int = 0) -> int:
    with (rig.path / "state" / "state.bin").open("rb") as f:
        f.seek(rig.state._flight_offset + (row * layout.ENDPOINTS + cell) * layout.FLIGHT_CELL)
        return int.from_bytes(f.read(4), "little")


PACED = {Algorithm.EWMA, Algorithm.SHORTEST_EXPECTED_DELAY, Algorithm.NEVER_QUEUE}
"""They look at how long answers took, so that asking twice may give two endpoints."""
UNPACED = [algorithm for algorithm in Algorithm if algorithm not in PACED]


def random_split(rig: Rig, rnd: Random, number: int) -> Split:
    pools = [
        make_pool(number * 16 + i, rnd.choice([0, 1, 2, 5]), rnd.choice(UNPACED), subset=rnd.randrange(4))
        for i in range(rnd.choice([1, 2, 4]))
    ]
    return rig.put(make_split(number, [(p, rnd.choice([0, 5, 40])) for p in pools]), *pools)


numbers = iter(range(1, 1_000_000))


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, MASK), steps=st.integers(1, 120))
def test_as_split_handles_decide(shared_rig: Rig, seed: int, steps: int) -> None:
    """Two workers with the same random source, one asked through Python's handle; counters are put back between."""
    rnd, rig = Random(seed), shared_rig
    number = next(numbers)
    split = random_split(rig, rnd, number)
    order = rnd.sample(range(len(split.shares)), len(split.shares))
    a = Worker.attach(rig.path, 40, seed=seed)
    error = ffi.new("char[256]")
    b = Requests(lib.srn_attach(os.fsencode(rig.path), 41, seed, error, len(error)))
    handle = a.split(split.id, tuple(split.shares[i].ident for i in order))
    route = b.route(split, order)
    counters, start = rig.state._words, rig.state._counters_offset
    open_requests: list[int] = []
    try:
        for request in range(64, 64 * (steps + 1), 64):
            forced = rnd.choice([-1, -1, -1, 0, len(order) - 1])
            excluded = rnd.choice([0, 0, 1, 2, 5])
            key = rnd.choice([None, b"", b"x", b"1.2.3.4"])
            flags = 0 if key is None else rnd.choice([KEYED, STICKY, STICKY | EXACT])
            before = counters.read(start, 8 * 1024)
            wanted = handle.decide(forced, excluded, hash64(key or b""), flags & ~EXACT)
            if not isinstance(wanted, int):
                wanted.done(0)
            counters.write(start, before)
            result = b.decide(request, route, forced, excluded, key, flags)
            if isinstance(wanted, int):
                assert (result, b.choice(request)) == (wanted, None)
                continue
            assert result == 0
            found = b.choice(request)
            assert (found.version, found.reason, found.endpoint) == (wanted.version, wanted.reason, wanted.endpoint)
            open_requests.append(request)
            if rnd.random() < 0.5:
                gone = open_requests.pop(rnd.randrange(len(open_requests)))
                b.done(gone)
                assert b.choice(gone) is None
    finally:
        a.close()
        lib.srn_detach(b.pointer)
        rig.pools.drop(split.id)
        for share in split.shares:
            rig.pools.drop(share.pool)
        rig.clock.now += 3600


def test_many_requests_at_once(rig: Rig, requests: Requests) -> None:
    """The table grows, entries stay where they are, removal leaves no gap that hides another."""
    pool = make_pool(1, 3, Algorithm.RANDOM)
    route = requests.route(rig.put(make_split(1, [(pool, 0)]), pool))
    rnd = Random(3)
    kept: dict[int, tuple[Any, tuple[int, ...]]] = {}
    for step in range(30_000):
        if kept and rnd.random() < 0.3:
            request = rnd.choice(list(kept)) if step % 500 == 0 else next(iter(kept))
            requests.done(request)
            assert requests.choice(request) is None
            del kept[request]
        request = rnd.randrange(1, 1 << 40) * 16
        assert requests.decide(request, route) == 0
        found = requests.choice(request)
        kept[request] = found, told(found)
    for request, (pointer, was) in kept.items():
        assert requests.choice(request) == pointer
        assert told(pointer) == was
        requests.done(request)


def test_a_full_table_is_said(rig: Rig, requests: Requests) -> None:
    for request in range(1, 131073):
        lib.srn_request_refuse(requests.pointer, ffi.cast("void *", request * 64), 503)
    pool = make_pool(1, 1)
    route = requests.route(rig.put(make_split(1, [(pool, 0)]), pool))
    assert requests.decide(64 * 200_000, route) == lib.SRN_FULL
    lib.srn_request_refuse(requests.pointer, ffi.cast("void *", 64 * 200_000), 503)
    assert lib.srn_request_refused(requests.pointer, ffi.cast("void *", 64 * 200_000)) == 0
    requests.done(64)
    assert requests.decide(64 * 200_000, route) == 0


def test_what_was_never_ended_is_ended_by_the_next(rig: Rig, requests: Requests) -> None:
    pool = make_pool(1, 1, Algorithm.LEAST_CONN)
    route = requests.route(rig.put(make_split(1, [(pool, 0)]), pool))
    for _ in range(3):
        assert requests.decide(64, route) == 0
        assert in_flight(requests.pointer, rig, requests.choice(64).endpoint_cell) == 1
    cell = requests.choice(64).endpoint_cell
    requests.done(64)
    requests.done(64)
    assert in_flight(requests.pointer, rig, cell) == 0


def test_retries_and_grants(rig: Rig, requests: Requests) -> None:
    pool = make_pool(1, 3)
    route = requests.route(rig.put(make_split(1, [(pool, 0)]), pool))
    assert not requests.grant(64)
    assert requests.retry(64) == lib.SRN_NO_ENDPOINT
    assert requests.decide(64, route) == 0
    asked = {requests.choice(64).endpoint}
    assert not requests.grant(64, 1)
    assert requests.grant(64, 2)
    assert requests.retry(64) == 0
    asked.add(requests.choice(64).endpoint)
    assert not requests.grant(64, 2)
    assert requests.grant(64, 3)
    assert requests.grant(64, 0)
    assert requests.retry(64) == 0
    asked.add(requests.choice(64).endpoint)
    assert len(asked) == 3
    assert not requests.grant(64, 0)
    assert requests.retry(64) == lib.SRN_NO_ENDPOINT
    assert not requests.grant(64, 0)
    requests.done(64, 502, failed=True)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_key_is_asked_for_where_it_counts(rig: Rig, requests: Requests, algorithm: Algorithm) -> None:
    pool = make_pool(1, 5, algorithm, subset=2)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    route = requests.route(split)
    hashes = algorithm in (Algorithm.HASH, Algorithm.HASH_SUBSET)
    result = requests.decide(64, route, flags=ASK_KEY)
    assert result == (lib.SRN_KEY_WANTED if hashes else 0)
    assert requests.choice(64).version == 0
    if hashes:
        assert requests.endpoint(64, route, b"10.0.0.1") == 0
        worker = rig.worker(60)
        if algorithm is Algorithm.HASH:
            wanted = worker.split(split.id, (split.shares[0].ident,)).decide(key=hash64(b"10.0.0.1"), flags=KEYED)
            assert isinstance(wanted, Choice)
            assert requests.choice(64).endpoint == wanted.endpoint
    requests.done(64)
    assert requests.endpoint(64, route, b"10.0.0.1") == lib.SRN_NO_ENDPOINT


def test_a_forced_version_without_endpoints_wants_no_key(rig: Rig, requests: Requests) -> None:
    pools = make_pool(1, 1, Algorithm.HASH), make_pool(2, 0, Algorithm.HASH)
    route = requests.route(rig.put(make_split(1, [(pools[0], 0), (pools[1], 50)]), *pools))
    assert requests.decide(64, route, 1, flags=ASK_KEY) == lib.SRN_NO_ENDPOINT
    assert requests.decide(64, route, -1, 2, flags=ASK_KEY) == lib.SRN_KEY_WANTED
    requests.done(64)


def test_the_version_first_then_its_endpoint(rig: Rig, requests: Requests) -> None:
    pools = make_pool(1, 2), make_pool(2, 2)
    split = rig.put(make_split(1, [(pools[0], 0), (pools[1], 100)]), *pools)
    route = requests.route(split, [1, 0])
    assert requests.decide(64, route, flags=VERSION_ONLY) == 0
    assert (requests.choice(64).version, requests.choice(64).endpoint) == (0, 0)
    assert requests.endpoint(64, route, b"k", STICKY) == 0
    assert (requests.choice(64).version, requests.choice(64).reason) == (0, lib.SRN_BY_WEIGHT)
    ident = requests.choice(64).endpoint
    requests.done(64)
    for _ in range(4):
        assert requests.decide(128, route, 0, 0, b"%016x" % ident, STICKY | EXACT) == 0
        assert (requests.choice(128).endpoint, requests.choice(128).exact) == (ident, 1)
        requests.done(128)
    for bad in (b"%016X" % 0xABCDEF, b"12", b"%017x" % ident):
        assert requests.decide(128, route, 0, 0, bad, STICKY | EXACT) == 0
        assert requests.choice(128).exact == 0
        assert requests.choice(128).key == hash64(bad)


def test_a_split_that_is_not_there(rig: Rig, requests: Requests) -> None:
    split = make_split(9, [(make_pool(9, 1), 0)])
    route = requests.route(split)
    assert requests.decide(64, route) == lib.SRN_GONE
    rig.put(split, make_pool(9, 1))
    assert requests.decide(64, route) == 0


def test_a_larger_file_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serin.native.pools.MIN_HEAP", 1 << 16)
    rig = Rig(tmp_path)
    requests = Requests(attach_any(rig))
    pool = make_pool(1, 2)
    route = requests.route(rig.put(make_split(1, [(pool, 0)]), pool))
    assert requests.decide(64, route) == 0
    before = (rig.path / "plan" / "pools.bin").stat().st_ino
    number = 100
    while (rig.path / "plan" / "pools.bin").stat().st_ino == before:
        rig.pools.put_pool(make_pool(number, 80))
        number += 1
    assert requests.retry(64) == 0
    assert requests.decide(128, route) == 0
    requests.done(64)
    requests.done(128)
    lib.srn_detach(requests.pointer)
    rig.close()


def test_a_note_of_our_own_answer(requests: Requests) -> None:
    address = ffi.cast("void *", 64)
    assert lib.srn_request_refused(requests.pointer, address) == 0
    lib.srn_request_refuse(requests.pointer, address, 503)
    assert lib.srn_request_refused(requests.pointer, address) == 503
    assert requests.choice(64) is None
    requests.done(64, 503)
    assert lib.srn_request_refused(requests.pointer, address) == 0
    lib.srn_request_refuse(requests.pointer, ffi.NULL, 503)


def test_an_ending_process_holds_nothing(rig: Rig, requests: Requests) -> None:
    pool = make_pool(1, 2)
    route = requests.route(rig.put(make_split(1, [(pool, 0)]), pool))
    assert requests.decide(64, route) == 0
    held = oldest_epoch(rig.path / "state" / "state.bin")
    assert held is not None
    assert held < 1 << 32
    lib.srn_leaving(requests.pointer)
    for call in (
        lambda: None,
        lambda: requests.decide(128, route),
        lambda: requests.grant(128),
        lambda: requests.retry(128),
        lambda: requests.done(128),
        lambda: requests.done(64),
    ):
        call()
        assert oldest_epoch(rig.path / "state" / "state.bin") == MASK


def test_rows_are_taken_and_given_back(rig: Rig) -> None:
    first, second = attach_any(rig), attach_any(rig)
    assert [pid for pid, _ in rows(rig)[:3]] == [os.getpid(), os.getpid(), 0]
    lib.srn_leaving(first)
    lib.srn_detach(first)
    assert rows(rig)[0] == (0, 0)
    third = attach_any(rig)
    assert [pid for pid, _ in rows(rig)[:3]] == [os.getpid(), os.getpid(), 0]
    for pointer in (second, third):
        lib.srn_detach(pointer)
    assert not any(pid for pid, _ in rows(rig))


def test_requests_of_a_detached_worker_are_in_flight_no_more(rig: Rig) -> None:
    pool = make_pool(1, 1, Algorithm.LEAST_CONN)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    one = Requests(attach_any(rig))
    route = one.route(split)
    assert one.decide(64, route) == 0
    cell = one.choice(64).endpoint_cell
    assert in_flight(one.pointer, rig, cell) == 1
    lib.srn_detach(one.pointer)
    assert in_flight(None, rig, cell) == 0


def test_every_row_taken(rig: Rig) -> None:
    taken = [attach_any(rig) for _ in range(len(rig.state.pids()))]
    error = ffi.new("char[256]")
    assert lib.srn_attach(os.fsencode(rig.path), ANY_ROW, 1, error, len(error)) == ffi.NULL
    assert b"every row is taken" in ffi.string(error)
    for pointer in taken:
        lib.srn_detach(pointer)


CLAIM = """
import os, sys
from serin.native._ffi import ffi, lib
sys.stdin.readline()
for _ in range(200):
    w = lib.srn_attach(os.fsencode(sys.argv[1]), lib.SRN_ANY_ROW, 1, ffi.NULL, 0)
    assert w != ffi.NULL
    lib.srn_detach(w)
w = lib.srn_attach(os.fsencode(sys.argv[1]), lib.SRN_ANY_ROW, 1, ffi.NULL, 0)
print(os.getpid(), flush=True)
sys.stdin.readline()
"""


def test_processes_claim_rows_at_the_same_time(rig: Rig) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(rig.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    try:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for process in processes:
            assert process.stdout is not None
            assert int(process.stdout.readline()) == process.pid
        assert sorted(pid for pid, _ in rows(rig) if pid) == sorted(p.pid for p in processes)
    finally:
        for process in processes:
            process.communicate("\n", timeout=45)


def test_addresses_as_text(rig: Rig) -> None:
    choice, out = ffi.new("srn_choice *"), ffi.new("char[64]")
    for address, text in (
        (bytes((1, 2, 3, 4)), b"1.2.3.4"),
        (bytes((255, 10, 0, 199)), b"255.10.0.199"),
        (bytes(15) + b"\1", b"[::1]"),
        (bytes(range(16)), b"[1:203:405:607:809:a0b:c0d:e0f]"),
    ):
        choice.family = 4 if len(address) == 4 else 6
        choice.address = list(address.ljust(16, b"\0"))
        assert ffi.buffer(out, lib.srn_peer_text(choice, out, 64))[:] == text
        assert lib.srn_peer_text(choice, out, len(text) - 1) == 0


class FakeNginx:
    """The functions that the routine calls in nginx; `end` is what nginx does with a request's cleanup list."""

    def __init__(self, requests: Requests) -> None:
        self.cleanups: dict[int, Any] = {}
        self.state: dict[int, tuple[int, bytes | None]] = {}
        self._kept: list[Any] = []
        made = ffi.new("srn_nginx *")
        made.add_cleanup = self._keep(ffi.callback("void *(void *, size_t)", self._add))
        made.status = self._keep(ffi.callback("int (void *)", self._status))
        made.variable = self._keep(
            ffi.callback("int (void *, char *, size_t, char *, int, char **, size_t *, char **)", self._variable)
        )
        lib.srn_follow(requests.pointer, made)

    def _keep(self, value: Any) -> Any:
        self._kept.append(value)
        return value

    def _add(self, request: Any, size: int) -> Any:
        cleanup = self._keep(ffi.new("void *[3]"))
        self.cleanups[int(ffi.cast("uintptr_t", request))] = cleanup
        return cleanup

    def _status(self, request: Any) -> int:
        return self.state[int(ffi.cast("uintptr_t", request))][0]

    def _variable(
        self, request: Any, name: Any, length: int, lower: Any, capture: int, value: Any, n: Any, err: Any
    ) -> int:
        assert ffi.buffer(name, length)[:] == b"upstream_header_time"
        text = self.state[int(ffi.cast("uintptr_t", request))][1]
        if text is None:
            return -5
        value[0] = self._keep(ffi.new("char[]", text))
        n[0] = len(text)
        return 0

    def end(self, request: int, status: int, times: bytes | None) -> None:
        self.state[request] = status, times
        handler, data, _ = self.cleanups.pop(request)
        ffi.cast("void (*)(void *)", handler)(data)


@pytest.mark.parametrize(
    ("status", "times", "counted", "failures"),
    [
        (200, b"0.001", 2, 0),
        (502, b"0.001", 5, 0),
        (502, b"-", 5, 1),
        (504, b"0.001, -", 5, 1),
        (504, None, 5, 1),
        (499, b"-", 0, 0),
        (499, b"0.100", 4, 0),
        (-101, None, 0, 0),
    ],
)
def test_nginx_tells_the_end(
    rig: Rig, requests: Requests, status: int, times: bytes | None, counted: int, failures: int
) -> None:
    pool = make_pool(1, 1)
    route = requests.route(rig.put(make_split(1, [(pool, 0)]), pool))
    nginx = FakeNginx(requests)
    assert requests.decide(64, route) == 0
    found = requests.choice(64)
    endpoint_cell, stats_cell = found.endpoint_cell, found.stats_cell
    nginx.end(64, status, times)
    assert requests.choice(64) is None
    with (rig.path / "state" / "stats.bin").open("rb") as f:
        f.seek(rig.state._stats_cells_offset + stats_cell * STATS_CELL.size)
        words = STATS_CELL.unpack(f.read(STATS_CELL.size))
    assert [i for i, n in enumerate(words[2:8]) if n] == [counted]
    with (rig.path / "state" / "state.bin").open("rb") as f:
        f.seek(rig.state._endpoints_offset + endpoint_cell * ENDPOINT_CELL.size)
        assert ENDPOINT_CELL.unpack(f.read(ENDPOINT_CELL.size))[3] == failures
