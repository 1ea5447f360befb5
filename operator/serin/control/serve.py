"""Control and a data plane of its own on one machine, until told to end; then the data plane drains."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from serin.control.lasting import lasting as lasting_work
from serin.control.lasting import together
from serin.control.loop import Control
from serin.control.planes import OwnPlane, Plane
from serin.dataplane import lock
from serin.render.rundir import RunDirectory

LOOK_EVERY = 0.02
"""Seconds between two looks for the ports of a data plane that is starting."""


class Serve:
    """`listening` is told the data plane's ports (`http`, `https`, `healthz`) once they are open.

    `lasting`: the data plane serves on, should this process be killed; the next one takes it over, where it would start
    it with the same flags. `works` go on beside control, by name.
    """

    def __init__(
        self,
        control: Control,
        command: Sequence[str],
        run_dir: RunDirectory,
        listening: Callable[[Mapping[str, int]], None],
        *,
        lasting: bool,
        works: Mapping[str, Callable[[], Coroutine[Any, Any, None]]] | None = None,
    ) -> None:
        self._control = control
        self._run_dir = run_dir
        self._listening = listening
        self._works = works or {}
        self._plane: Plane = OwnPlane(command, run_dir, lasting=lasting, takes_over=_same_command)

    async def run(self) -> int:
        """0 after SIGTERM or SIGINT and an orderly end; otherwise what the data plane that could not start said."""
        works = (lasting_work(name, work) for name, work in self._works.items())
        control = asyncio.create_task(together(self._control.run(), *works))
        child = asyncio.create_task(self._plane.run())
        told = asyncio.create_task(self._tell())
        try:
            with self._signals():
                await asyncio.wait((control, child), return_when=asyncio.FIRST_COMPLETED)
                if control.done():
                    self._plane.end()
                return await child
        finally:
            told.cancel()
            control.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await control

    async def _tell(self) -> None:
        while (ports := self._ports()) is None:
            await asyncio.sleep(LOOK_EVERY)
        self._listening(ports)

    def _ports(self) -> Mapping[str, int] | None:
        """What the data plane that runs has said; it says it again at each start."""
        with contextlib.suppress(OSError, ValueError):
            ports: dict[str, int] = json.loads((self._run_dir.state / "ports.json").read_bytes())
            return ports if ports.get("pid") == lock.holder(self._run_dir.path) else None
        return None

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._plane.end)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


def _same_command(pid: int, command: Sequence[str]) -> bool:
    """Whether that process was started as ours would be: one with other flags would serve otherwise than was asked."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b"".join(os.fsencode(part) + b"\0" for part in command)
    return False
