"""The nginx plane beside a hand-written nginx.conf and HAProxy, one worker each, in one run.

Bar: 0.95 of the hand-written nginx at 1, 32 and 512 connections. Everything is on: access log, statistics, decisions by
the C routine through Lua. Other rows: a canary by weight, one by header, HTTP/2 over TLS.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import nginx_peers
from nginx_peers import RULED, WEIGHTED, Peer
from rig import (
    HOST,
    Load,
    Rig,
    backend,
    certified,
    children,
    cpu_seconds,
    h2load,
    interleaved,
    manifest,
    need_nginx_with_lua,
    rig,
    serin,
    verdict,
    wrk,
)

BAR = 0.95
ANNOTATION = "nginx.ingress.kubernetes.io/canary"


def write_manifests(folder: Path, target: int) -> Path:
    """Three hosts: plain, with a canary by weight, with one by header. The result is the first one's certificate."""
    folder.mkdir()
    for name, host in (("main", HOST), ("weighted", WEIGHTED), ("ruled", RULED)):
        (folder / f"{name}.yaml").write_text(manifest(name, host, target))
    (folder / "canary.yaml").write_text(manifest("canary", WEIGHTED, target, canary_weight=10))
    by_header = (
        f"\n    {ANNOTATION}: 'true'\n    {ANNOTATION}-by-header: X-Version\n    {ANNOTATION}-by-header-value: v2"
    )
    text = manifest("by-header", RULED, target)
    (folder / "by-header.yaml").write_text(
        text.replace("  namespace: bench\nspec", f"  namespace: bench\n  annotations:{by_header}\nspec", 1)
    )
    return certified(folder, "main", HOST)


def start(machine: Rig, log: str) -> dict[str, Peer]:
    target = backend(machine)
    certificate = write_manifests(machine.folder / "manifests", target)
    served = serin(machine, machine.folder / "manifests", "--plane", "nginx")
    master = int((served.run_dir / "state" / "nginx" / "nginx.pid").read_text())
    found = {
        "serin": Peer(served.port, served.https, children(master)[0]),
        "hand-written": nginx_peers.hand_written(machine, target, certificate, log),
    }
    if (peer := nginx_peers.haproxy(machine, target, certificate)) is not None:
        found["haproxy"] = peer
    return found


class Comparison:
    """Runs contenders and prints what came out. CPU time is that of the one process that does the work."""

    def __init__(self, peers: dict[str, Peer], rounds: int) -> None:
        self._peers, self._rounds = peers, rounds

    def run(self, title: str, load: Callable[[Peer], tuple[Load, float]], bar: float | None) -> None:
        """`load` gives what was measured and how many requests that were."""
        costs: dict[str, list[float]] = {name: [] for name in self._peers}

        def one(name: str) -> Callable[[], Load]:
            def measured() -> Load:
                peer = self._peers[name]
                before = cpu_seconds(peer.pid)
                found, requests = load(peer)
                costs[name].append((cpu_seconds(peer.pid) - before) / requests * 1e6)
                return found

            return measured

        seen = interleaved({name: one(name) for name in self._peers}, rounds=self._rounds)
        cost = {name: statistics.median(values) for name, values in costs.items()}
        base = seen["hand-written"].rate
        print(title)
        for name, result in seen.items():
            print(
                f"  {name:14s} {result.rate:9.0f} req/s  {result.rate / base:5.2f} of hand-written"
                f"  CPU {cost[name]:6.1f} µs a request, {cost['hand-written'] / cost[name]:5.2f}"
                f"  p99 {result.p99_ms:7.2f} ms  wrong {result.bad + result.errors}"
            )
        if bar is not None:
            verdict("of the hand-written nginx", seen["serin"].rate / base, bar, at_most=False)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--connections", type=int, nargs="*", default=[1, 32, 512])
    arguments.add_argument("--seconds", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--log", default="buffer=64k flush=1s", help="how the hand-written nginx writes its log")
    given = arguments.parse_args()
    need_nginx_with_lua()
    with tempfile.TemporaryDirectory(prefix="serin-bench-") as name, rig(Path(name)) as machine:
        comparison = Comparison(start(machine, given.log), given.rounds)

        def plain(connections: int, host: str, *headers: str) -> Callable[[Peer], tuple[Load, float]]:
            def load(peer: Peer) -> tuple[Load, float]:
                url = f"http://127.0.0.1:{peer.http}/"
                found = wrk(url, host=host, connections=connections, seconds=given.seconds, headers=headers)
                return found, found.rate * given.seconds

            return load

        def over_tls(peer: Peer) -> tuple[Load, float]:
            return h2load(peer.https, HOST, connections=64, streams=4, each=900), 64 * 900

        for connections in given.connections:
            comparison.run(f"plain route, {connections} connections", plain(connections, HOST), BAR)
        comparison.run("canary by weight (10), 32 connections", plain(32, WEIGHTED), BAR)
        comparison.run("canary by header, which has it, 32 connections", plain(32, RULED, "X-Version: v2"), BAR)
        try:
            comparison.run("HTTP/2 over TLS, 64 connections of 4 streams", over_tls, None)
        except FileNotFoundError as error:
            print(f"  LEFT OUT  HTTP/2: {error}")


if __name__ == "__main__":
    main()
