"""A cluster of 5,000 Ingresses, Services and EndpointSlices on a real API server, followed by a real controller.

Prints first sync, changes, memory, a storm of endpoint changes and outages of the API server, each beside its bar.
Everything runs in a network namespace of its own, where backends can have the addresses that EndpointSlices may name;
the API server's programs are built once from Go modules (docs/local-cluster.md). This file makes that place and goes
there; the measurements are in cluster_run.py.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSIDE = "import cluster_run; cluster_run.main()"


def main() -> None:
    if "-h" not in sys.argv and "--help" not in sys.argv:
        done = subprocess.run([sys.executable, "-m", "localkube", "build"], cwd=ROOT, stdout=subprocess.DEVNULL)
        if done.returncode:
            sys.exit("there is no API server, and none could be built: nothing measured")
    paths = [Path(__file__).parent, ROOT, ROOT / "tests", ROOT / "operator"]
    given = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, paths), *([given] if given else [])])}
    own_network = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--"]
    os.execvpe(own_network[0], [*own_network, sys.executable, "-c", INSIDE, *sys.argv[1:]], environment)


if __name__ == "__main__":
    main()
