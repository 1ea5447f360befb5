"""Every test here runs on uvloop, as the workers do: transports differ in what they call and when."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop
from unit.proxy_http.http_rig import Rig


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """A proxy with one endpoint that answers as the test says."""
    assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
    made = Rig()
    await made.start()
    yield made
    await made.stop()
