"""Starts supervisor_process.py, publishes generations to it, asks it and its nginx over HTTP, reads its log."""

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from unit.dataplane_parent.dataplane_driver import DataPlane, until

from serin.dataplane.nginx import processes
from serin.dataplane.nginx.rows import ROWS
from serin.native import layout
from serin.native.pools import PoolsFile

PROGRAM = Path(__file__).with_name("supervisor_process.py")


class NginxPlane(DataPlane):
    """The same data plane with nginx in it. `environment` is added to what the supervisor gets."""

    def __init__(self, run_dir: Path, backend: str, *, stdout: Any = subprocess.DEVNULL, **settings: Any) -> None:
        super().__init__(run_dir, **{"plane": "nginx", **settings})
        run_dir.mkdir(parents=True, exist_ok=True)
        (run_dir / "backend").write_text(backend)
        self.stdout = stdout
        self.environment: dict[str, str] = {}
        self.groups: set[int] = set()

    def start(self) -> None:
        with self.stderr.open("ab") as log:
            given = {**dataclasses.asdict(self.settings), "run_dir": str(self.run_dir)}
            command = [sys.executable, str(PROGRAM), json.dumps(given)]
            environment = {**os.environ, **self.environment}
            self.process = subprocess.Popen(command, stdout=self.stdout, stderr=log, env=environment)

    @property
    def master(self) -> int:
        """The living nginx master's process; 0 while it is writing its number."""
        text = (self.run_dir / "state" / "nginx" / "nginx.pid").read_text()
        if not text.endswith("\n"):
            return 0
        self.groups.add(int(text))
        return int(text)

    async def answer(self) -> tuple[int, int]:
        """Generation and worker's process of one answer."""
        async with asyncio.timeout(90):
            status, text = await self.get()
        assert status == 200
        generation, pid = text.split()
        return int(generation), int(pid)

    def pools(self) -> None:
        """Leave an empty pools.bin, to which workers can attach."""
        path = self.run_dir / "plan" / "pools.bin"
        path.parent.mkdir(exist_ok=True)
        pools = PoolsFile.open(path, lambda: 7919, time.monotonic)
        pools.show()
        pools.close()

    def rows(self) -> set[int]:
        """Processes that have a row of the shared memory."""
        with (self.run_dir / "state" / "state.bin").open("rb") as file:  # which is long and mostly holes
            file.seek(layout.HEADER_SIZE)
            data = file.read(ROWS * layout.ROW.size)
        return {pid for pid, *_ in layout.ROW.iter_unpack(data) if pid}

    async def serves(self, generation: int) -> None:
        async with asyncio.timeout(90):
            while True:
                try:
                    if (await self.answer())[0] == generation:
                        return
                except OSError:
                    pass
                await asyncio.sleep(0.01)

    async def figures(self) -> dict[str, float]:
        _, text = await self.get("/metrics", "healthz")
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    async def figure(self, name: str, value: float) -> None:
        """Wait until the metrics page has it."""
        async with asyncio.timeout(90):
            while (await self.figures()).get(name) != value:
                await asyncio.sleep(0.02)

    def kill_supervisor(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    async def clear(self) -> None:
        """End what is left of it, by its own process ids."""
        if self.process is not None and self.process.poll() is None:
            self.kill_supervisor()
        self.groups |= {event["pid"] for event in self.happened("nginx-started")}
        await until(self._is_gone)

    def _is_gone(self) -> bool:
        """Kills what is not: also an nginx that its supervisor was killed before it told of."""
        left = self._left()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                if os.getpgid(pid) == pid:
                    self.groups.add(pid)
                os.kill(pid, signal.SIGKILL)
        groups = [group for group in self.groups if processes.group(group)]
        for group in groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        return not left and not groups

    def _left(self) -> list[int]:
        """nginx masters, and children of a supervisor that have not become one yet, name the folder when called."""
        found, mark = [], os.fsencode(self.run_dir)
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if mark in path.read_bytes():
                    found.append(int(path.parent.name))
        return found


class Load:
    """Requests, one after the other in each of some lanes, until it is stopped; every one has to be answered."""

    def __init__(self, plane: NginxPlane, lanes: int = 4) -> None:
        self._plane = plane
        self._done = asyncio.Event()
        self.statuses: list[int] = []
        self.failures: list[str] = []
        self._port = plane.ports["http"]
        self._tasks = [asyncio.create_task(self._lane()) for _ in range(lanes)]

    async def more(self, number: int = 50) -> None:
        wanted = len(self.statuses) + number
        await until(lambda: len(self.statuses) >= wanted)

    async def stop(self) -> None:
        self._done.set()
        await asyncio.gather(*self._tasks)

    async def _lane(self) -> None:
        while not self._done.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                try:
                    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    head = await reader.read()
                finally:
                    writer.close()
                self.statuses.append(int(head.split()[1]) if head else 0)
            except OSError as error:
                self.failures.append(repr(error))
            await asyncio.sleep(0.002)
