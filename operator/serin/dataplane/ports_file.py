"""state/ports.json: the ports in force, for whoever asked for free ones; there as long as the data plane runs."""

import json
import os
from pathlib import Path

NAME = "ports.json"


def write(run_dir: Path, *, http: int, https: int, healthz: int) -> None:
    path = run_dir / "state" / NAME
    fresh = path.with_suffix(".new")
    ports = {"http": http, "https": https, "healthz": healthz, "pid": os.getpid()}
    fresh.write_text(json.dumps(ports) + "\n")
    fresh.replace(path)


def remove(run_dir: Path) -> None:
    (run_dir / "state" / NAME).unlink(missing_ok=True)
