"""Changes over the nginx plane, beside 10 and 5,000 Ingresses: to the next request, under load, by reload; memory.

Bars: weight and endpoint changes 99th percentile at most 50 ms without a reload and without a lost request; a new host
at most 1 s; a worker at most 50 MiB for 1,000 Ingresses.
"""

import argparse
import contextlib
import http.client
import json
import re
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from propagation import Prober, named_backend, replace, report
from rig import HOST, Served, manifest, need_nginx_with_lua, rig, serin, verdict

MOVING = "moving.example.com"
PLANE = ("--plane", "nginx")


@dataclass
class Traffic:
    """Requests on kept connections while something changes; `lost` got no answer, or not a 200."""

    port: int
    asked: int = 0
    lost: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self._stop.wait(0.002):
            self.asked += 1
            try:
                connection.request("GET", "/", headers={"Host": HOST})
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.lost.append(str(answer.status))
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                connection.close()
        connection.close()

    def stop(self) -> None:
        self._stop.set()


@contextlib.contextmanager
def traffic(port: int, connections: int = 4) -> Iterator[Traffic]:
    running = Traffic(port)
    threads = [threading.Thread(target=running.ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        running.stop()
        for thread in threads:
            thread.join()


def figures(served: Served, name: str) -> float:
    """The sum of a metric's samples."""
    with urllib.request.urlopen(f"http://127.0.0.1:{served.health}/metrics", timeout=20) as answer:
        page = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE))


def workers(served: Served) -> list[int]:
    """nginx's workers, those that only end their last requests left out."""
    master = int((served.run_dir / "state" / "nginx" / "nginx.pid").read_text())
    children = map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split())
    return [pid for pid in children if b"shutting down" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def shared_out_mib(pid: int) -> float:
    """PSS: a page that n processes have counts a n-th for each."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(size) for size in re.findall(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)) / 1024


class Field:
    """A folder of Ingresses with Serin on it."""

    def __init__(self, folder: Path, served: Served, backends: tuple[int, int]) -> None:
        self.folder, self.served = folder, served
        self.blue, self.green = backends
        self.prober = Prober(served)

    def weight(self, n: int) -> float:
        to_green = n % 2 == 0
        text = manifest("canary", HOST, self.green, canary_weight=100 if to_green else 0)
        moment = replace(self.folder / "canary.yaml", text)
        return self.prober.until(HOST, (200, "green" if to_green else "blue"), moment)

    def endpoint(self, n: int) -> float:
        port, name = ((self.blue, "blue"), (self.green, "green"))[n % 2 == 0]
        moment = replace(self.folder / "moving.yaml", manifest("moving", MOVING, port))
        return self.prober.until(MOVING, (200, name), moment)

    def host(self, n: int) -> float:
        host = f"new{n}.example.com"
        moment = replace(self.folder / f"new-{n}.yaml", manifest(f"new-{n}", host, self.blue))
        return self.prober.until(host, (200, "blue"), moment)


def measure(count: int, changes: int) -> float:
    """MiB of a worker."""
    with tempfile.TemporaryDirectory(prefix="serin-bench-") as name, rig(Path(name)) as machine:
        folder = Path(name) / "manifests"
        folder.mkdir()
        blue, green = named_backend(machine, "blue"), named_backend(machine, "green")
        for n in range(count):
            (folder / f"other-{n}.yaml").write_text(manifest(f"other-{n}", f"h{n}.example.com", blue))
        (folder / "main.yaml").write_text(manifest("main", HOST, blue))
        (folder / "canary.yaml").write_text(manifest("canary", HOST, green, canary_weight=0))
        (folder / "moving.yaml").write_text(manifest("moving", MOVING, blue))
        started = time.monotonic()
        served = serin(machine, folder, *PLANE, seconds=300)
        print(f"{count} Ingresses: ready after {time.monotonic() - started:.1f} s")
        field_ = Field(folder, served, (blue, green))
        without_reload(field_, changes)
        new_hosts(field_, max(5, changes // 10))
        memory = max(shared_out_mib(pid) for pid in workers(served))
        print(f"  a worker: {memory:.1f} MiB (PSS)")
        steps(Path(name) / "serin.log")
        return memory


def without_reload(field_: Field, changes: int) -> None:
    before = figures(field_.served, "serin_nginx_reloads_total")
    changed: tuple[tuple[str, Callable[[int], float]], ...] = (
        ("weight change", field_.weight),
        ("endpoint change", field_.endpoint),
    )
    for name, change in changed:
        report(name, [change(n) for n in range(changes)], 50)
    with traffic(field_.served.port) as running:
        for n in range(changes):
            field_.weight(n)
            field_.endpoint(n)
    print(f"  under load: {changes} changes of each, {running.asked} requests {running.lost[:3] or ''}")
    verdict("requests lost", len(running.lost), 0, at_most=True)
    verdict("reloads", figures(field_.served, "serin_nginx_reloads_total") - before, 0, at_most=True)


def new_hosts(field_: Field, count: int) -> None:
    """One after the other, the next one after a second: reloads are at least that far apart."""
    times = []
    for n in range(count):
        times.append(field_.host(n))
        time.sleep(1.2)
    report("new host", times, 1000)
    seconds = figures(field_.served, "serin_nginx_last_reload_seconds")
    print(f"  the last reload, from the signal to the first worker: {seconds * 1000:.0f} ms")


def steps(log: Path) -> None:
    """What Serin's own log says of rendering, testing and reloading: the last line of each kind that has a time."""
    found: dict[str, dict[str, object]] = {}
    for line in log.read_text(errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and any("seconds" in key for key in told):
                found[str(told.get("event"))] = told
    for event, told in found.items():
        times = {key: value for key, value in told.items() if "seconds" in key}
        print(f"  log: {event}: {times}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--changes", type=int, default=100)
    arguments.add_argument("--ingresses", type=int, nargs="*", default=[10, 5000])
    given = arguments.parse_args()
    need_nginx_with_lua()
    memory = {count: measure(count, given.changes) for count in given.ingresses}
    if len(memory) > 1:
        few, many = min(memory), max(memory)
        thousands = (many - few) / 1000
        verdict("worker, MiB for 1,000 Ingresses", (memory[many] - memory[few]) / thousands, 50, at_most=True)


if __name__ == "__main__":
    main()
