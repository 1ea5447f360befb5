"""nginx's workers at the run directory: rows taken and given back, files that are late, moved or damaged."""

import os
import signal
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.behind_nginx import Endpoints, MakeEndpoint, MakeNginx, Nginx, listed, once, passed, silent, tunnel
from harness.shared_memory import Rig, hex64, in_flight, make_pool, make_split
from harness.waiting import until

from serin.native import layout, stats
from serin.native.epochs import oldest_epoch
from serin.render.nginx.spec import Spec, SpecVersion
from serin.routing.plan import Algorithm, Split

HELD_NOTHING = (1 << 64) - 1


def plain(rig: Rig, *ends: Endpoints, algorithm: Algorithm = Algorithm.LEAST_CONN) -> str:
    """A route to one pool; the pool counts requests in flight."""
    pool = make_pool(1, listed(ends), algorithm)
    split = rig.put(make_split(1, [(pool, 0)]), pool)
    return spec_of(split)


def spec_of(split: Split) -> str:
    return Spec(split.id, (SpecVersion(split.shares[0].ident, "prod-web-80"),)).text()


def rows(rig: Rig) -> dict[int, int]:
    """Epochs by pid."""
    with (rig.path / "state" / "state.bin").open("rb") as f:
        f.seek(layout.HEADER_SIZE)
        found = layout.ROW.iter_unpack(f.read(64 * layout.ROW.size))
        return {pid: epoch for pid, epoch, *_ in found if pid}


def open_tunnel(server: Nginx) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert link.recv(4096).startswith(b"HTTP/1.1 101 ")
    return link


def test_each_worker_has_a_row(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    spec = plain(rig, endpoint("a"))
    server = nginx(passed(spec), workers=8)
    until(lambda: len(rows(rig)) == 8, "eight rows")
    assert sorted(rows(rig)) == sorted(server.worker_pids())
    server.stop()
    assert rows(rig) == {}


def test_a_stream_counts_in_flight_until_its_end(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    spec = plain(rig, endpoint("a", tunnel))
    server = nginx(passed(spec))
    link = open_tunnel(server)
    assert in_flight(rig) == 1
    link.close()
    until(lambda: in_flight(rig) == 0, "nothing in flight")


def test_a_client_that_leaves_is_no_failure(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    end = endpoint("a", silent)
    spec = plain(rig, end)
    server = nginx(passed(spec))
    link = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    until(lambda: len(end.heads) == 1, "the endpoint has the request")
    assert in_flight(rig) == 1
    link.close()
    until(lambda: in_flight(rig) == 0, "nothing in flight")
    with (rig.path / "state" / "state.bin").open("rb") as f:
        f.seek(rig.state._endpoints_offset)
        assert layout.ENDPOINT_CELL.unpack(f.read(layout.ENDPOINT_CELL.size))[3] == 0


def test_an_old_worker_holds_nothing_and_gives_its_row_back(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    spec = plain(rig, endpoint("a", tunnel), endpoint("b", tunnel))
    server = nginx(passed(spec))
    (old,) = server.worker_pids()
    link = open_tunnel(server)
    server.signal(signal.SIGHUP)
    until(lambda: rows(rig).get(old) == HELD_NOTHING, "the old worker lets go of the blocks")
    until(lambda: len(rows(rig)) == 2, "the new worker has a row")
    link.sendall(b"still here")
    assert link.recv(100) == b"still here"
    assert in_flight(rig) == 1
    other = open_tunnel(server)
    assert in_flight(rig) == 2
    link.close()
    until(lambda: old not in rows(rig), "the old worker's row is free")
    assert in_flight(rig) == 1
    other.close()


def test_an_idle_worker_lets_blocks_go(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    spec = plain(rig, endpoint("a"))
    server = nginx(passed(spec))
    assert server.get("/").status == 200
    before = oldest_epoch(rig.path / "state" / "state.bin")
    assert before is not None
    rig.pools.put_pool(make_pool(1, 3))
    until(lambda: (oldest_epoch(rig.path / "state" / "state.bin") or 0) > before, "the worker shows the new epoch")


def test_nothing_to_attach_to_is_503_until_there_is(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    spec = plain(rig, endpoint("a"))
    at = rig.path / "state" / "state.bin"
    hidden = at.rename(at.with_name("hidden"))
    server = nginx(passed(spec))
    found = server.get("/")
    assert (found.status, "503 Service Temporarily Unavailable" in found.text) == (503, True)
    assert server.log().count("cannot attach") == 1
    hidden.rename(at)
    until(lambda: server.get("/").status == 200, "the worker attaches")


def test_more_workers_than_rows(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    spec = plain(rig, endpoint("a"))
    pids = [rig.worker(index) for index in range(len(rig.state.pids()))]
    server = nginx(passed(spec))
    assert server.get("/").status == 503
    rig.workers.remove(pids[5])
    pids[5].close()
    until(lambda: server.get("/").status == 200, "the worker takes the row that is free")


@pytest.mark.parametrize("damage", ["header", "blocks", "length"])
def test_damaged_pools(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx, damage: str) -> None:
    """Workers that have a sound file go on with it; one that finds a damaged one waits."""
    spec = plain(rig, endpoint("a"))
    server = nginx(passed(spec))
    assert server.get("/").status == 200
    at = rig.path / "plan" / "pools.bin"
    sound = at.read_bytes()
    damaged = bytearray(sound)
    if damage == "header":
        damaged[8] ^= 255
    elif damage == "blocks":
        for offset in range(layout.HEADER_SIZE, len(damaged), 97):
            damaged[offset] ^= 85
    else:
        del damaged[-4096:]
    fresh = at.with_name("fresh")
    fresh.write_bytes(damaged)
    fresh.rename(at)
    other = nginx(passed(spec))
    assert {other.get("/").status for _ in range(5)} == {503}
    if damage != "blocks":
        assert server.get("/").status == 200
        fresh.write_bytes(sound)
        fresh.rename(at)
        until(lambda: other.get("/").status == 200, "the worker attaches")
    assert "signal" not in other.log()


def test_a_moved_pools_file_is_followed(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    spec = plain(rig, endpoint("a"), algorithm=Algorithm.ROUND_ROBIN)
    server = nginx(passed(spec))
    assert server.names("/", 2) == ["a", "a"]
    inode = (rig.path / "plan" / "pools.bin").stat().st_ino
    number = 100
    while (rig.path / "plan" / "pools.bin").stat().st_ino == inode:
        rig.pools.put_pool(make_pool(number, 80))
        number += 1
    rig.pools.put_pool(make_pool(1, listed([endpoint("b")])))
    assert server.names("/", 2) == ["b", "b"]


def test_answers_are_counted_once(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    """An endpoint's by its split; nginx's own for the worker, where the location has a log phase."""
    spec = plain(rig, endpoint("a", once))
    own = "location = /own { log_by_lua_block { serin.log() } return 404; }\n"
    none = passed(f"{hex64(255)} v={hex64(254)}:x:1:", path="/none", more="log_by_lua_block { serin.log() }")
    logged = passed(spec, path="/logged", more="log_by_lua_block { serin.log() }")
    server = nginx(passed(spec) + own + none + logged)
    for _ in range(5):
        assert server.get("/").status == 200
        assert server.get("/logged").status == 200
        assert server.get("/own").status == 404
        assert server.get("/none").status == 503
    # nginx counts an answer when it has sent it: the last one may just have come
    until(lambda: sum(stats.read(rig.path).others) >= 10, "all answers are counted")
    found = stats.read(rig.path)
    (version,) = found.versions.values()
    assert version.classes == (0, 0, 10, 0, 0, 0)
    assert found.others == (0, 0, 0, 0, 5, 5)


def test_a_killed_worker_is_replaced(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    spec = plain(rig, endpoint("a"))
    server = nginx(passed(spec))
    (pid,) = server.worker_pids()
    os.kill(pid, signal.SIGKILL)
    until(lambda: server.worker_pids() not in ([], [pid]), "another worker")
    until(lambda: server.get("/").status == 200, "it serves")
    assert pid in rows(rig)
    index = rig.state.pids().index(pid)
    rig.state.release_worker(index)
    assert sorted(rows(rig)) == server.worker_pids()


def test_a_split_is_exact_over_all_workers(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    pools = make_pool(1, listed([endpoint("main")])), make_pool(2, listed([endpoint("canary")]))
    split = rig.put(make_split(1, [(pools[0], 0), (pools[1], 10)]), *pools)
    versions = tuple(SpecVersion(s.ident, "n") for s in split.shares)
    server = nginx(passed(Spec(split.id, versions).text()), workers=4)
    until(lambda: len(rows(rig)) == 4, "four rows")
    with ThreadPoolExecutor(8) as pool:
        found = Counter(pool.map(lambda _: server.get("/").text, range(400)))
    assert found == {"main": 360, "canary": 40}
