"""Copies of requests for whom mirror-target names: sent beside the real one, their answers dropped.

A mirror never delays or fails the request that it is a copy of: what is too much is not sent. The bounds hold for the
whole worker.
"""

import asyncio
from collections.abc import Mapping

from serin.dataplane.proxy.exchange import Client, RequestHead
from serin.dataplane.proxy.headers import one_line
from serin.dataplane.proxy.heads import HOP_BY_HOP
from serin.dataplane.proxy.subrequest import ReadyBeside, SubrequestFailedError, Subrequests
from serin.dataplane.proxy.variables import compile_parts
from serin.routing.beside import Mirror
from serin.routing.paths import normalize
from serin.routing.variables import split_variables

MOST_AT_ONCE = 256
MOST_BODY = 1 << 20
"""Bytes of a body that are copied; a request with a longer one is not mirrored."""
MOST_BODIES = 32 << 20
"""Bytes of all bodies on their way, and of those that clients are still sending."""
_NOT_COPIED = HOP_BY_HOP | {b"content-length"}


class Mirrors:
    """One for a worker. `asks` is set once its connections are made."""

    __slots__ = ("_bodies", "_tasks", "asks")

    def __init__(self, asks: Subrequests | None = None) -> None:
        self.asks = asks
        self._tasks: set[asyncio.Task[None]] = set()
        self._bodies = 0

    @property
    def held(self) -> int:
        """Bytes of all bodies."""
        return self._bodies

    def hold(self, size: int) -> bool:
        """Keep room for so many bytes of a body that is still coming in; False: there is none."""
        if self._bodies + size > MOST_BODIES:
            return False
        self._bodies += size
        return True

    def release(self, size: int) -> None:
        """Of what was held."""
        self._bodies -= size

    def send(
        self, to: ReadyBeside, method: str, target: bytes, host: bytes, headers: bytes, body: bytes
    ) -> "asyncio.Task[None] | None":
        """Send a copy on its way; None: too many are under way."""
        asks = self.asks
        if asks is None or len(self._tasks) >= MOST_AT_ONCE or self._bodies + len(body) > MOST_BODIES:
            return None

        async def ask() -> None:
            try:
                await asks.ask(to, method, target, host, headers, body, most=0)
            except SubrequestFailedError:
                pass  # nobody waits for it
            finally:
                self._bodies -= len(body)

        task = asyncio.get_running_loop().create_task(ask())
        self._bodies += len(body)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class ReadyMirror:
    """Of one route."""

    __slots__ = ("_host", "_target", "_to", "body", "mirrors")

    def __init__(self, mirror: Mirror, to: ReadyBeside, mirrors: Mirrors, constants: Mapping[str, bytes]) -> None:
        self._to = to
        self.mirrors = mirrors
        self._target = compile_parts(split_variables(mirror.target), constants)
        self._host = compile_parts(split_variables(mirror.host), constants)
        self.body = mirror.body
        """Whether the body is part of the copy."""

    def send(self, head: RequestHead, client: Client, body: bytes) -> None:
        """The client's headers go along as they are; those of the connection do not."""
        path = normalize(head.target) or b"/"
        target = self._target(head, client, path).replace(b" ", b"%20")
        if not target.startswith(b"/"):
            target = b"/" + target
        lines = [
            b"%b: %b\r\n" % pair for pair, name in zip(head.headers, head.lower, strict=True) if name not in _NOT_COPIED
        ]
        host = one_line(self._host(head, client, path))
        self.mirrors.send(self._to, head.method, one_line(target), host, b"".join(lines), body)
