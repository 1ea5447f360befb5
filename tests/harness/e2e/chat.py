"""One WebSocket that says something all the time and hears it back, until somebody ends it."""

import asyncio
import threading
import time
from collections.abc import Mapping

import aiohttp

_EVERY = 0.1


class Chat:
    """Runs in a thread of its own; from this machine, which has a route to Services."""

    def __init__(self, place: str, headers: Mapping[str, str]) -> None:
        self.heard = 0
        self.longest = 0.0
        """Seconds that the slowest echo took."""
        self.end = ""
        """How it ended: a close code or an error; empty as long as it lives."""
        self._left = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._talk(place, dict(headers))), daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Hang up, unless the other side has."""
        self._left.set()
        self._thread.join(10)

    async def _talk(self, place: str, headers: dict[str, str]) -> None:
        try:
            async with aiohttp.ClientSession() as session, session.ws_connect(f"ws://{place}/", headers=headers) as ws:
                while not self._left.is_set():
                    said = time.monotonic()
                    await ws.send_str(str(self.heard))
                    answer = await ws.receive(30)
                    if answer.type is not aiohttp.WSMsgType.TEXT:
                        self.end = f"{answer.type.name} {ws.close_code}"
                        return
                    assert answer.data == str(self.heard)
                    self.heard += 1
                    self.longest = max(self.longest, time.monotonic() - said)
                    await asyncio.sleep(_EVERY)
        except (TimeoutError, aiohttp.ClientError, OSError, AssertionError) as problem:
            self.end = repr(problem)
