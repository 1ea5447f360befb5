"""Data planes with nginx, and an endpoint that holds requests; all processes are gone when a test is over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from unit.nginx_supervisor.nginx_driver import NginxPlane

from serin.dataplane.nginx import components
from serin.errors import UsageError


class Holding:
    """An endpoint that answers when `release` is set."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.waiting = 0
        self.address = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.waiting += 1
            await self.release.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nheld")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def holding() -> AsyncIterator[Holding]:
    made = Holding()
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.address = "{}:{}".format(*server.sockets[0].getsockname()[:2])
    yield made
    made.release.set()
    server.close()


@pytest.fixture(scope="session")
def parts() -> components.Components:
    try:
        return components.find("auto")
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture
async def make_nginx(
    tmp_path: Path, holding: Holding, parts: components.Components
) -> AsyncIterator[Callable[..., NginxPlane]]:
    made: list[NginxPlane] = []

    def make(run_dir: Path = tmp_path / "run", **settings: Any) -> NginxPlane:
        plane = NginxPlane(run_dir, holding.address, **{"nginx_lua": "off", "standalone": True, **settings})
        made.append(plane)
        return plane

    yield make
    for plane in made:
        await plane.clear()


@pytest.fixture
async def nginx(make_nginx: Callable[..., NginxPlane]) -> NginxPlane:
    """Two workers, a plan, ready."""
    plane = make_nginx()
    plane.publish(1)
    plane.start()
    await plane.ready()
    return plane
