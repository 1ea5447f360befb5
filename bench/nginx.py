"""The nginx plane beside a hand-written nginx.conf and HAProxy, one worker each, in one run.

Bar: 0.95 of the hand-written nginx at 1, 32 and 512 connections. Everything is on: access log, statistics, decisions by
the C routine through Lua. Other rows: a canary by weight, one by header, HTTP/2 over TLS.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import nginx_peers
from nginx_peers import RULED, WEIGHTED
from rig import (
    HOST,
    Load,
    Rig,
    Served,
    backend,
    certified,
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


def start(machine: Rig, log: str) -> tuple[dict[str, tuple[int, int]], Served]:
    """Ports of each contender, and Serin."""
    target = backend(machine)
    certificate = write_manifests(machine.folder / "manifests", target)
    served = serin(machine, machine.folder / "manifests", "--plane", "nginx")
    found = {
        "serin": (served.port, served.https),
        "hand-written": nginx_peers.hand_written(machine, target, certificate, log),
    }
    if (peer := nginx_peers.haproxy(machine, target, certificate)) is not None:
        found["haproxy"] = peer
    return found, served


def compare(title: str, runs: dict[str, Callable[[], Load]], rounds: int, bar: float | None) -> None:
    seen = interleaved(runs, rounds=rounds)
    base = seen["hand-written"].rate
    print(title)
    for name, result in seen.items():
        print(
            f"  {name:14s} {result.rate:9.0f} req/s  {result.rate / base:5.2f} of hand-written"
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
        ports, _ = start(machine, given.log)

        def runs(connections: int, host: str, *headers: str) -> dict[str, Callable[[], Load]]:
            def one(port: int) -> Callable[[], Load]:
                url = f"http://127.0.0.1:{port}/"
                return lambda: wrk(url, host=host, connections=connections, seconds=given.seconds, headers=headers)

            return {contender: one(http) for contender, (http, _) in ports.items()}

        for connections in given.connections:
            compare(f"plain route, {connections} connections", runs(connections, HOST), given.rounds, BAR)
        compare("canary by weight (10), 32 connections", runs(32, WEIGHTED), given.rounds, BAR)
        compare("canary by header, which has it, 32 connections", runs(32, RULED, "X-Version: v2"), given.rounds, BAR)

        def over_tls(port: int) -> Callable[[], Load]:
            return lambda: h2load(port, HOST, connections=8, streams=8, seconds=given.seconds)

        try:
            compare(
                "HTTP/2 over TLS, 8 connections of 8 streams",
                {contender: over_tls(https) for contender, (_, https) in ports.items()},
                given.rounds,
                None,
            )
        except FileNotFoundError as error:
            print(f"  LEFT OUT  HTTP/2: {error}")


if __name__ == "__main__":
    main()
