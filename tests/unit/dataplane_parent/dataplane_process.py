"""Runs a data plane's parent with the stand-in worker, as a process; its argument is the settings' JSON."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from serin.dataplane import parent
from serin.dataplane.settings import DataPlaneSettings
from serin.telemetry import log


class Rows:
    """Notes each zeroed row in a file beside the run directory's own."""

    def __init__(self, run_dir: Path, rows: int) -> None:
        self._file = run_dir / "rows"
        self._file.write_text(f"{rows} rows\n")

    def release_worker(self, index: int) -> None:
        with self._file.open("a") as file:
            file.write(f"released {index}\n")

    def put_name(self, cell: int, name: str, addresses: Sequence[str]) -> None:
        with self._file.open("a") as file:
            file.write(f"name {cell} {name} {','.join(addresses)}\n")

    def close(self) -> None:
        with self._file.open("a") as file:
            file.write("closed\n")


if __name__ == "__main__":
    log.configure("debug")
    settings = DataPlaneSettings.from_json(sys.argv[1])
    command = (sys.executable, str(Path(__file__).with_name("standin_worker.py")))
    sys.exit(asyncio.run(parent.run(settings, Rows, command=command)))
