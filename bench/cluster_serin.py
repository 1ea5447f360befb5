"""`serin controller` with a data plane of one worker, and a client that asks it."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rig import Rig, free_port

READY_WITHIN = 180.0
PAUSE = 0.001
"""Seconds between two requests of a client that waits for a change: one that never rests takes a core from what it
measures."""
Answer = tuple[int, str]


@dataclass(frozen=True)
class Controller:
    process: subprocess.Popen[bytes]
    port: int
    health: int
    run_dir: Path
    began: float

    @property
    def data_plane(self) -> tuple[int, int]:
        """Process ids of its parent and its worker."""
        (parent,) = children(self.process.pid)
        (worker,) = children(parent)
        return parent, worker

    def figures(self, name: str) -> float:
        """Sum of one of the controller's figures, as it told them last."""
        text = (self.run_dir / "plan" / "metrics").read_text()
        found = re.findall(rf"^serin_controller_{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, found))


def launch(rig: Rig, kubeconfig: Path, name: str) -> Controller:
    """Not waited for."""
    port, https, health = free_port(), free_port(), free_port()
    run_dir = rig.folder / f"{name}.run"
    began = time.monotonic()
    process = rig.start(
        *(sys.executable, "-m", "serin", "controller", "--kubeconfig", kubeconfig, "--plane", "proxy"),
        *("--run-dir", run_dir, "--workers", "1", "--bind", "127.0.0.1", "--http-port", str(port)),
        *("--https-port", str(https), "--healthz-port", str(health), "--publish-status-address", "192.0.2.1"),
        name=name,
    )
    return Controller(process, port, health, run_dir, began)


class Client:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, host: str, path: str = "/") -> Answer:
        """Status and body; status 0 when there is no answer."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"\r\ncontent-length: (\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            if b"\r\nconnection: close" in head:  # a connection has an end after so many requests
                self.close()
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0, ""
        return int(head[9:12]), body.decode(errors="replace")

    async def until(self, host: str, right: Callable[[Answer], bool], since: float, *, seconds: float = 60.0) -> float:
        """Milliseconds from `since` to the start of the first request that was answered right; at least 0."""
        last: Answer = (0, "")
        while time.monotonic() - since < seconds:
            started = time.monotonic()
            last = await self.ask(host)
            if right(last):
                return max(0.0, started - since) * 1000
            await asyncio.sleep(PAUSE)
        raise RuntimeError(f"{host} answers {last[0]} {last[1][:60]!r} after {seconds} s")

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def is_from(address: str) -> Callable[[Answer], bool]:
    return lambda answer: answer == (200, address)


async def ready(controller: Controller) -> float:
    """Seconds from its start until /readyz is 200."""
    client = Client(controller.health)
    while time.monotonic() - controller.began < READY_WITHIN:
        if (await client.ask("localhost", "/readyz"))[0] == 200:
            client.close()
            return time.monotonic() - controller.began
        if controller.process.poll() is not None:
            break
        await asyncio.sleep(0.02)
    raise RuntimeError(f"not ready; see {controller.run_dir.name}.log")


def children(pid: int) -> list[int]:
    return [int(c) for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()]


def cpu_seconds(pid: int) -> float:
    """Of all its threads, from its start (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> float:
    """Its largest resident size up to now."""
    (found,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found) / 1024


def told(log: Path, event: str) -> list[dict[str, object]]:
    """The controller's log lines of one name."""
    lines = [line for line in log.read_text().splitlines() if f'"{event}"' in line]
    return [json.loads(line) for line in lines if line.startswith("{")]
