"""From a file's rename to the first request it decides: weights, endpoints, new hosts, beside 10 and 5,000 Ingresses.

Bars: weight and endpoint changes 99th percentile at most 50 ms at both sizes (ingress-nginx: median 850 ms and 400 ms);
a new host at 5,000 at most 1 s.
"""

import argparse
import http.client
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rig import HOST, Rig, Served, free_port, manifest, nginx, rig, serin, verdict, wait_http


def named_backend(machine: Rig, name: str) -> int:
    port = free_port()
    nginx(
        machine,
        f"named-{name}",
        f'access_log off; server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{name}"; }} }}',
    )
    wait_http(f"http://127.0.0.1:{port}/")
    return port


def replace(path: Path, text: str) -> float:
    """Write beside and rename into place; the moment of the rename."""
    new = path.with_suffix(".new")
    new.write_text(text)
    moment = time.monotonic()
    new.rename(path)
    return moment


class Prober:
    """Asks on one kept-alive connection until an answer is as wanted."""

    def __init__(self, served: Served) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)

    def ask(self, host: str) -> tuple[int, str]:
        """Once more on a new connection when the kept one was closed before an answer: nginx reloaded."""
        for _ in range(2):
            try:
                self.connection.request("GET", "/", headers={"Host": host})
                answer = self.connection.getresponse()
                return answer.status, answer.read().decode()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self.connection.close()
        raise RuntimeError("no answer on a new connection")

    def until(self, host: str, want: tuple[int, str], since: float, *, seconds: float = 20.0) -> float:
        """Milliseconds from `since` to the start of the first request that was answered as wanted."""
        while time.monotonic() - since < seconds:
            started = time.monotonic()
            if self.ask(host) == want:
                return (started - since) * 1000
        raise RuntimeError(f"{host} did not come to answer {want}")


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def report(name: str, values: list[float], bar: float) -> None:
    print(
        f"  {name:34s} median {statistics.median(values):7.1f} ms  p99 {percentile(values, 0.99):7.1f} ms"
        f"  worst {max(values):7.1f} ms  n={len(values)}"
    )
    verdict(f"{name}, p99 in ms", percentile(values, 0.99), bar, at_most=True)


def measure(count: int, changes: int) -> None:
    with tempfile.TemporaryDirectory(prefix="serin-bench-") as name, rig(Path(name)) as machine:
        folder = Path(name) / "manifests"
        folder.mkdir()
        blue, green = named_backend(machine, "blue"), named_backend(machine, "green")
        for n in range(count):
            (folder / f"other-{n}.yaml").write_text(manifest(f"other-{n}", f"h{n}.example.com", blue))
        (folder / "main.yaml").write_text(manifest("main", HOST, blue))
        canary = folder / "canary.yaml"
        canary.write_text(manifest("canary", HOST, green, canary_weight=0))
        moving = folder / "moving.yaml"
        moving.write_text(manifest("moving", "moving.example.com", blue))
        started = time.monotonic()
        served = serin(machine, folder, seconds=300)
        print(f"{count} Ingresses: ready after {time.monotonic() - started:.1f} s")
        prober = Prober(served)

        def timed(change: Callable[[int], float]) -> list[float]:
            return [change(n) for n in range(changes)]

        def weight(n: int) -> float:
            moment = replace(canary, manifest("canary", HOST, green, canary_weight=(0, 100)[n % 2 == 0]))
            return prober.until(HOST, (200, ("blue", "green")[n % 2 == 0]), moment)

        def endpoint(n: int) -> float:
            moment = replace(moving, manifest("moving", "moving.example.com", (blue, green)[n % 2 == 0]))
            return prober.until("moving.example.com", (200, ("blue", "green")[n % 2 == 0]), moment)

        def new_host(n: int) -> float:
            moment = replace(folder / f"new-{n}.yaml", manifest(f"new-{n}", f"new{n}.example.com", blue))
            return prober.until(f"new{n}.example.com", (200, "blue"), moment)

        report("weight change", timed(weight), 50)
        report("endpoint change", timed(endpoint), 50)
        report("new host", [new_host(n) for n in range(max(3, changes // 10))], 1000)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--changes", type=int, default=100)
    arguments.add_argument("--ingresses", type=int, nargs="*", default=[10, 5000])
    given = arguments.parse_args()
    for count in given.ingresses:
        measure(count, given.changes)


if __name__ == "__main__":
    main()
