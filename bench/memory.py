"""Memory a thousand Ingresses cost, in the controller and in a data-plane process.

Bars: at most 50 MiB each for 1,000 Ingresses. Measured as the difference of private memory between two sizes, so that
the interpreter and the libraries do not count, after every host was asked once.
"""

import argparse
import http.client
import tempfile
from pathlib import Path

from rig import backend, children, manifest, resident_mib, rig, serin, verdict


def measure(count: int) -> tuple[float, float, float]:
    """MiB of the controller, the data plane's parent and its one worker."""
    with tempfile.TemporaryDirectory(prefix="serin-bench-") as name, rig(Path(name)) as machine:
        folder = Path(name) / "manifests"
        folder.mkdir()
        port = backend(machine)
        for n in range(count):
            (folder / f"i{n}.yaml").write_text(manifest(f"i{n}", f"h{n}.example.com", port))
        served = serin(machine, folder, seconds=300)
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
        for n in range(count):
            connection.request("GET", "/", headers={"Host": f"h{n}.example.com"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"h{n}.example.com answered {answer.status}")
        (parent,) = children(served.process.pid)
        (worker,) = children(parent)
        return resident_mib(served.process.pid), resident_mib(parent), resident_mib(worker)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--small", type=int, default=10)
    arguments.add_argument("--large", type=int, default=3000)
    given = arguments.parse_args()
    small, large = measure(given.small), measure(given.large)
    thousands = (given.large - given.small) / 1000
    print(f"private memory, {given.small} and {given.large} Ingresses (each with a Service and an EndpointSlice)")
    for role, before, after in zip(("controller", "data-plane parent", "data-plane worker"), small, large, strict=True):
        print(f"  {role:18s} {before:6.1f} MiB → {after:6.1f} MiB")
        verdict(f"{role}, MiB for 1,000 Ingresses", (after - before) / thousands, 50, at_most=True)


if __name__ == "__main__":
    main()
