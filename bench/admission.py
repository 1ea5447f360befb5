"""The admission webhook at 5,000 Ingresses: a review over TLS, beside a round trip that judges nothing and a compile.

Bar: the slowest of all reviews at most 200 ms.
"""

import argparse
import asyncio
import gc
import json
import ssl
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from rig import manifest, verdict

from serin.admission.certificate import CertificateFiles
from serin.admission.judge import Judge
from serin.admission.server import AdmissionServer
from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.control.patterns import check_pattern
from serin.dataplane.certificate import default_certificate
from serin.objects.parse import parse_object
from serin.objects.store import Store
from serin.objects.views import View
from serin.refs import Ref

BAR_MS = 200
PATH = "/networking/v1/ingresses"
Raw = dict[str, Any]


def documents(name: str, host: str, port: int, weight: int | None = None) -> list[Raw]:
    return list(yaml.load_all(manifest(name, host, port, canary_weight=weight), Loader=yaml.CSafeLoader))


def filled(count: int) -> Store:
    store = Store()
    for n in range(count):
        put(store, documents(f"i{n}", f"h{n}.example.com", 8080), n)
    put(store, documents("canary", "h1.example.com", 8081, 10), count)
    return store


def put(store: Store, objects: list[Raw], order: int) -> None:
    for raw in objects:
        view = parse_object(raw, order=order, version=str(order)).view
        if view is not None:
            store.apply(view)


def review(new: Raw, old: Raw | None = None, kind: str = "Ingress") -> bytes:
    request = {
        "uid": "bench",
        "kind": {"group": "networking.k8s.io", "version": "v1", "kind": kind},
        "operation": "CREATE" if old is None else "UPDATE",
        "object": new,
        "oldObject": old,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def asked(turn: int) -> dict[str, tuple[bytes, bool]]:
    """Reviews by what they are of, each with the answer that is expected."""
    main = documents("i7", "h7.example.com", 8080)[0]
    with_tls = documents("tls", f"tls{turn}.example.com", 8080)[0]
    with_tls["spec"]["tls"] = [{"hosts": [f"tls{turn}.example.com"], "secretName": "unknown"}]
    moved = json.loads(json.dumps(main).replace("h7.example.com", f"moved{turn}.example.com"))
    return {
        "nothing to judge": (review(main, kind="Pod"), True),
        "a new host": (review(documents("new", f"new{turn}.example.com", 8080)[0]), True),
        "a host moved": (review(moved, main), True),
        "a weight changed": (
            review(
                documents("canary", "h1.example.com", 8081, turn % 100)[0],
                documents("canary", "h1.example.com", 8081, 10)[0],
            ),
            True,
        ),
        "a path taken": (review(documents("thief", "h9.example.com", 8080)[0]), False),
        "a Secret to fetch": (review(with_tls), True),
    }


async def nothing(_: Ref) -> View | None:
    return None


async def measure(store: Store, compiled: Compiled, files: CertificateFiles, turns: int) -> dict[str, list[float]]:
    """Milliseconds by kind of review."""
    judge = Judge(lambda: (store.snapshot(), compiled), check_pattern, time.time)
    server = AdmissionServer(("127.0.0.1", 0), files, judge, nothing)
    running = asyncio.create_task(server.run())
    while not server.port:
        await asyncio.sleep(0.01)
    trust = ssl.create_default_context(cafile=files.certificate)
    trust.check_hostname = False
    taken: dict[str, list[float]] = {}
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
            for turn in range(turns):
                for name, (body, allowed) in asked(turn).items():
                    started = time.perf_counter()
                    async with session.post(f"https://127.0.0.1:{server.port}{PATH}", data=body) as response:
                        said = await response.json()
                    taken.setdefault(name, []).append((time.perf_counter() - started) * 1000)
                    if said["response"]["allowed"] is not allowed:
                        raise SystemExit(f"{name}: unexpected answer {said}")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return taken


def pair(folder: Path) -> CertificateFiles:
    files = CertificateFiles(folder / "tls.crt", folder / "tls.key")
    pem = default_certificate()
    chain, _, key = pem.partition(b"-----BEGIN PRIVATE KEY-----")
    files.certificate.write_bytes(chain)
    files.key.write_bytes(b"-----BEGIN PRIVATE KEY-----" + key)
    return files


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--ingresses", type=int, default=5000)
    arguments.add_argument("--turns", type=int, default=200)
    given = arguments.parse_args()
    store = filled(given.ingresses)
    started = time.perf_counter()
    compiled = compile_snapshot(store.snapshot(), Options(standalone=True), check_pattern)
    full = (time.perf_counter() - started) * 1000
    gc.collect()
    gc.freeze()  # as the controller does after its first compile
    with tempfile.TemporaryDirectory() as folder:
        taken = asyncio.run(measure(store, compiled, pair(Path(folder)), given.turns))
    alone = statistics.median(taken["nothing to judge"])
    print(f"admission at {given.ingresses} Ingresses; compile from nothing {full:.0f} ms; {given.turns} reviews each")
    print("                          median     99 %      max   beside a round trip   beside a compile")
    for name, times in taken.items():
        times.sort()
        median, late = statistics.median(times), times[int(len(times) * 0.99)]
        ratios = f"{median / alone:15.1f} ×   {median / full:13.4f} ×"
        print(f"  {name:20s} {median:8.2f} {late:8.2f} {times[-1]:8.2f} ms {ratios}")
    slowest = max(times[-1] for times in taken.values())
    verdict("slowest review at 5,000 Ingresses in ms", slowest, BAR_MS, at_most=True)


if __name__ == "__main__":
    main()
