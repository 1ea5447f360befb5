"""The wire between controller and API server, a process of its own: killed it is cut, stopped it is held.

Bytes pass as they are. The API server's certificate names 127.0.0.1, whatever the port.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

INSIDE = "import cluster_wire; cluster_wire.relay({0}, {1})"


class Wire:
    """From `port` to `target`, both on 127.0.0.1."""

    def __init__(self, port: int, target: int) -> None:
        self._command = [sys.executable, "-c", INSIDE.format(port, target)]
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port
        self._target = target

    def kubeconfig(self, original: Path) -> Path:
        """A copy that goes through here."""
        copy = original.with_name(f"wired-{original.name}")
        copy.write_text(original.read_text().replace(f"127.0.0.1:{self._target}", f"127.0.0.1:{self.port}"))
        return copy

    def up(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def cut(self) -> None:
        """Open connections break, new ones are refused, until `up`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hold(self) -> None:
        """Nothing passes and nobody is told, until `release`."""
        self._send(signal.SIGSTOP)

    def release(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


def relay(port: int, target: int) -> None:
    """Until killed, or our parent is gone."""
    asyncio.run(_serve(port, target, os.getppid()))


async def _serve(port: int, target: int, parent: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
            far_writer.close()
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", port):
        sys.stdout.write("up\n")
        sys.stdout.flush()
        while os.getppid() == parent:
            await asyncio.sleep(1)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
