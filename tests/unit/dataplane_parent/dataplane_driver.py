"""A running data plane, driven from outside as an operator of one would."""

import asyncio
import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serin.dataplane.settings import DataPlaneSettings

PROGRAM = Path(__file__).with_name("dataplane_process.py")


class DataPlane:
    """One process of dataplane_process.py; what it logs is in `events`."""

    def __init__(self, run_dir: Path, worker: str = "standin", **settings: Any) -> None:
        usual: dict[str, Any] = {"bind": "127.0.0.1", "http_port": 0, "https_port": 0, "healthz_port": 0, "workers": 2}
        self.run_dir = run_dir
        self._worker = worker
        self.settings = DataPlaneSettings(run_dir, **{**usual, **settings})
        self.stderr = run_dir.parent / f"{run_dir.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.stderr.open("ab") as log:
            given = {**dataclasses.asdict(self.settings), "run_dir": str(self.run_dir)}
            command = [sys.executable, str(PROGRAM), self._worker, json.dumps(given)]
            self.process = subprocess.Popen(command, stderr=log)

    def publish(self, generation: int) -> None:
        plan = self.run_dir / "plan"
        plan.mkdir(parents=True, exist_ok=True)
        (plan / "generation.new").write_text(f"{generation}\n")
        (plan / "generation.new").rename(plan / "generation")

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def end(self) -> int:
        assert self.process is not None
        process = self.process
        await until(lambda: process.poll() is not None)
        return process.returncode

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def events(self) -> list[dict[str, Any]]:
        """Whole lines only: the last one may be half written."""
        text = self.stderr.read_text() if self.stderr.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line[0] == "{" and line[-1] == "\n"]

    def happened(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    async def has(self, name: str, times: int = 1) -> None:
        """Wait until the event was logged that often."""
        await until(lambda: len(self.happened(name)) >= times)

    @property
    def ports(self) -> dict[str, int]:
        ports: dict[str, int] = json.loads((self.run_dir / "state" / "ports.json").read_text())
        return ports

    def rows_released(self) -> list[int]:
        lines = (self.run_dir / "rows").read_text().splitlines()
        return [int(line.split()[1]) for line in lines if line.startswith("released")]

    async def get(self, path: str = "/", port: str = "http") -> tuple[int, str]:
        """Status and body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[port])
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        if not head:
            raise ConnectionResetError
        return int(head.split()[1]), body.decode()

    async def ready(self) -> None:
        async with asyncio.timeout(90):
            while True:
                try:
                    if (await self.get("/readyz", "healthz"))[0] == 200:
                        return
                except (OSError, ValueError):
                    pass
                if self.process is not None and self.process.poll() is not None:
                    raise AssertionError(f"ended with {self.process.returncode}:\n{self.stderr.read_text()[-4000:]}")
                await asyncio.sleep(0.01)

    async def workers(self) -> set[tuple[int, int]]:
        """Process and row of the workers that answer, as found by asking often."""
        found = set()
        for _ in range(60):
            pid, row = (await self.get())[1].split()
            found.add((int(pid), int(row)))
        return found


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(90):
        while not condition():
            await asyncio.sleep(0.01)


def all_gone(pids: list[int]) -> bool:
    return not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    """Whether the process exists and is more than an entry that waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
