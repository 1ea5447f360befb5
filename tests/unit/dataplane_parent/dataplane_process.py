"""Runs a data plane's parent as a process; arguments: `standin` or `real`, the worker, and the settings' JSON."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from serin.dataplane import parent
from serin.dataplane.settings import DataPlaneSettings
from serin.native import state
from serin.telemetry import log
from serin.telemetry.access_log import LogFormat


class Rows:
    """In place of the shared memory: notes in a file what is done to it."""

    def __init__(self, run_dir: Path, workers: int, *, keep: bool = False) -> None:
        self._file = run_dir / "rows"
        self._file.write_text(f"{workers} rows\n")

    def release_worker(self, index: int) -> None:
        self._note(f"released {index}")

    def pids(self) -> Sequence[int]:
        return ()

    def put_name(self, cell: int, name: str, addresses: Sequence[str]) -> None:
        self._note(f"name {cell} {name} {','.join(addresses)}")

    def close(self) -> None:
        self._note("closed")

    def _note(self, text: str) -> None:
        with self._file.open("a") as file:
            file.write(text + "\n")


def main(worker: str, settings: DataPlaneSettings) -> int:
    log.configure("debug")
    if worker == "real":
        return asyncio.run(parent.run(settings, state.create))
    command = (sys.executable, str(Path(__file__).with_name("standin_worker.py")))
    return asyncio.run(parent.run(settings, Rows, command=command))


if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    given |= {"run_dir": Path(given["run_dir"]), "access_log": LogFormat(given["access_log"])}
    sys.exit(main(sys.argv[1], DataPlaneSettings(**given)))
