"""Compile at 50, 500 and 5,000 Ingresses: the first time, one Ingress changed, one EndpointSlice changed.

Bars: first compile of 5,000 at most 10 s; one change beside 5,000 at most 3 times one change beside 50.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import yaml
from rig import manifest, verdict

from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.objects.parse import parse_object
from serin.objects.store import Store


def accepted(text: str, ignore_case: bool) -> str | None:
    return None


def fill(store: Store, text: str, order: int) -> None:
    for document in yaml.load_all(text, Loader=yaml.CSafeLoader):
        view = parse_object(document, order=order, version=str(time.monotonic_ns())).view
        if view is not None:
            store.apply(view)


def seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def measure(count: int, changes: int) -> tuple[float, float, float]:
    """Seconds of the first compile; medians of an Ingress change and of an EndpointSlice change."""
    store, options = Store(), Options(standalone=True)
    for n in range(count):
        fill(store, manifest(f"i{n}", f"h{n}.example.com", 8080), n)
    fill(store, manifest("canary", "h1.example.com", 8081, canary_weight=10), count)
    compiled: Compiled | None = None

    def run() -> None:
        nonlocal compiled
        compiled = compile_snapshot(store.snapshot(), options, accepted, compiled)

    first = seconds(run)
    weights, endpoints = [], []
    for change in range(changes):
        fill(store, manifest("canary", "h1.example.com", 8081, canary_weight=change % 100).split("---")[0], count)
        weights.append(seconds(run))
        fill(store, manifest("i2", "h2.example.com", 9000 + change).split("---")[2], 2)
        endpoints.append(seconds(run))
    return first, statistics.median(weights), statistics.median(endpoints)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--changes", type=int, default=50)
    given = arguments.parse_args()
    print("compile   Ingresses      first   one weight   one EndpointSlice")
    seen = {count: measure(count, given.changes) for count in (50, 500, 5000)}
    for count, (first, weight, endpoint) in seen.items():
        print(f"          {count:9d} {first * 1000:7.0f} ms {weight * 1000:9.2f} ms {endpoint * 1000:12.2f} ms")
    verdict("first compile of 5,000 in s", seen[5000][0], 10, at_most=True)
    verdict("a weight at 5,000 beside 50", seen[5000][1] / seen[50][1], 3, at_most=True)
    verdict("endpoints at 5,000 beside 50", seen[5000][2] / seen[50][2], 3, at_most=True)


if __name__ == "__main__":
    main()
