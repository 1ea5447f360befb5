"""Names to addresses, as the machine resolves them, in threads of their own.

The machine's resolver cannot be given up: a name whose server says nothing holds a thread long after its check has
timed out. So none of those threads is taken in which counts are read, and whoever bounds calls is told when the last
of them has really ended.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Infos = list[tuple[Any, ...]]


class Lookups:
    """Those of one call."""

    def __init__(self) -> None:
        self._under_way = 0
        self._then: Callable[[], None] | None = None

    async def look_up(self, host: str, port: int, family: int) -> Infos:
        """OSError, UnicodeError. Can be cancelled, though its thread goes on."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Infos] = loop.create_future()

        def work() -> None:
            result: Infos | Exception
            try:
                result = [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)]
            except Exception as error:  # whatever it is, it belongs to who waits
                result = error
            with suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(self._ended, found, result)

        # Daemons: the process does not wait for them at its end.
        threading.Thread(target=work, name="outside-name", daemon=True).start()
        self._under_way += 1
        return await found

    def then(self, do: Callable[[], None]) -> None:
        """Call it when none is under way any more: now, or later."""
        if self._under_way:
            self._then = do
        else:
            do()

    def _ended(self, found: "asyncio.Future[Infos]", result: Infos | Exception) -> None:
        self._under_way -= 1
        if not found.done():
            if isinstance(result, Exception):
                found.set_exception(result)
            else:
                found.set_result(result)
        if not self._under_way and self._then is not None:
            self._then()
