"""Requests that go on while something else happens, each one accounted for."""

import collections
import contextlib
import http.client
import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.wire import Door

CLOSED = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)


@dataclass(frozen=True, slots=True)
class Result:
    """Times in seconds of the monotonic clock. `status` 0: no answer came, `error` says why."""

    sent: float
    done: float
    status: int
    backend: str
    error: str = ""

    @property
    def lost(self) -> bool:
        return self.status == 0


class Load:
    """`connections` clients, each with a kept-alive connection, one request after the other with `pause` between.

    `again`: a request for which a kept connection was closed without a byte of an answer is sent anew, as clients do
    with GET (RFC 9112, 9.3.1): nginx closes idle connections when it is reloaded, and the two may cross.
    """

    def __init__(
        self,
        door: Door,
        host: str,
        *,
        path: str,
        headers: Mapping[str, str],
        connections: int,
        pause: float,
        again: bool = False,
    ) -> None:
        self._again = again
        self._pause = pause
        self._door = door
        self._headers = {"Host": host, **headers}
        self._path = path
        self._stop = threading.Event()
        self._results: list[list[Result]] = [[] for _ in range(connections)]
        self._threads = [threading.Thread(target=self._ask, args=(mine,)) for mine in self._results]
        for thread in self._threads:
            thread.start()

    @property
    def results(self) -> list[Result]:
        """In the order sent."""
        return sorted(itertools.chain(*self._results), key=lambda result: result.sent)

    @property
    def count(self) -> int:
        return sum(len(mine) for mine in self._results)

    def lost(self) -> list[Result]:
        return [result for result in self.results if result.lost]

    def since(self, moment: float) -> collections.Counter[str]:
        """`STATUS BACKEND` of the requests sent after a moment."""
        return collections.Counter(f"{r.status} {r.backend}" for r in self.results if r.sent >= moment)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, mine: list[Result]) -> None:
        connection = self._connect()
        while not self._stop.is_set():
            sent = time.monotonic()
            used = connection.sock is not None
            try:
                connection.request("GET", self._path, headers=self._headers)
                answer = connection.getresponse()
                answer.read()
                backend = answer.headers.get("X-Echo-Backend", "-")
                mine.append(Result(sent, time.monotonic(), answer.status, backend))
                if answer.will_close:
                    connection.close()
                    connection = self._connect()
            except (OSError, http.client.HTTPException) as error:
                if not (self._again and used and isinstance(error, CLOSED)):
                    mine.append(Result(sent, time.monotonic(), 0, "-", repr(error)))
                connection.close()
                connection = self._connect()
            if self._pause:
                self._stop.wait(self._pause)
        connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self._door.http, timeout=self._door.timeout)


@contextlib.contextmanager
def load(
    door: Door,
    host: str,
    *,
    path: str = "/",
    headers: Mapping[str, str] | None = None,
    connections: int = 4,
    pause: float = 0.0,
    again: bool = False,
) -> Iterator[Load]:
    running = Load(door, host, path=path, headers=headers or {}, connections=connections, pause=pause, again=again)
    try:
        yield running
    finally:
        running.stop()
