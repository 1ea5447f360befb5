"""How many copies of requests may be on their way at a time."""

import asyncio
from typing import Any

from serin.dataplane.proxy.connection_settings import UpstreamSettings
from serin.dataplane.proxy.mirroring import MOST_AT_ONCE, MOST_BODIES, MOST_BODY, Mirrors
from serin.dataplane.proxy.subrequest import ReadyBeside, SubrequestFailedError


class Slow:
    """In the place of Subrequests: answers when told to, with a failure."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.asked = 0

    async def ask(self, *arguments: Any, **more: Any) -> None:
        self.asked += 1
        await self.go_on.wait()
        raise SubrequestFailedError(502, "nobody")


def mirrors_of(slow: Slow) -> tuple[Mirrors, ReadyBeside]:
    return Mirrors(slow), ReadyBeside(None, UpstreamSettings(), "x")  # type: ignore[arg-type]


async def test_so_many_copies_at_a_time() -> None:
    slow = Slow()
    mirrors, to = mirrors_of(slow)
    tasks = [mirrors.send(to, "GET", b"/", b"h", b"", b"") for _ in range(MOST_AT_ONCE + 1)]
    assert [task is None for task in tasks] == [False] * MOST_AT_ONCE + [True]
    slow.go_on.set()
    await asyncio.gather(*(task for task in tasks if task is not None))
    assert mirrors.send(to, "GET", b"/", b"h", b"", b"") is not None


async def test_so_many_bytes_of_bodies_at_a_time() -> None:
    slow = Slow()
    mirrors, to = mirrors_of(slow)
    most = MOST_BODIES // MOST_BODY
    tasks = [mirrors.send(to, "POST", b"/", b"h", b"", b"x" * MOST_BODY) for _ in range(most)]
    assert all(task is not None for task in tasks)
    assert mirrors.send(to, "POST", b"/", b"h", b"", b"x") is None
    assert mirrors.send(to, "GET", b"/", b"h", b"", b"") is not None
    slow.go_on.set()
    await asyncio.gather(*(task for task in tasks if task is not None))
    assert mirrors.send(to, "POST", b"/", b"h", b"", b"x") is not None


async def test_nothing_is_sent_before_there_are_connections() -> None:
    assert Mirrors().send(mirrors_of(Slow())[1], "GET", b"/", b"h", b"", b"") is None
