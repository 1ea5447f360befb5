"""The worker's access log: made as flags say, and then as the plan's ConfigMap options do (disable-access-log,
access-log-path, log-format-upstream, skip-access-log-urls).

A log that a flag has put out stays out. A file that cannot be opened leaves the log where it is, and is told.
"""

import time
from asyncio import AbstractEventLoop
from collections.abc import Callable

from serin.dataplane.proxy.completed import Completed
from serin.routing.wide import Logs
from serin.telemetry.access_log import AccessLog, LogFormat
from serin.telemetry.log_format import compile_format
from serin.telemetry.log_variables import reader
from serin.telemetry.sink import MovingSink

_request_uri = reader("request_uri")


class LogLines:
    """One for a worker. `form` and `path` are the flags'."""

    def __init__(self, form: LogFormat, path: str, loop: AbstractEventLoop) -> None:
        self._form = form
        self._path = path
        self._off = form is LogFormat.OFF
        self._skip: frozenset[bytes] = frozenset()
        self._sink = MovingSink(path)
        self._lines = AccessLog(self._sink.write, loop.call_later, log_format=form, clock=time.time)
        self._logs = Logs()
        self.add: Callable[[Completed], None] = self._add_some
        """Log an exchange that is over."""
        self._choose()

    def follow(self, logs: Logs) -> None:
        """What a plan says of them; nothing is done where that is as before."""
        if logs == self._logs:
            return
        self._logs = logs
        self._off = self._form is LogFormat.OFF or logs.off
        self._skip = frozenset(url.encode() for url in logs.skip)
        self._lines.use(compile_format(logs.format, escape_json=logs.escape_json) if logs.format else None)
        self._choose()
        self._sink.move(logs.path or self._path, self._lines.flush)

    def _choose(self) -> None:
        """Who takes records: most logs have every line."""
        self.add = self._add_some if self._off or self._skip else self._lines.add

    def _add_some(self, record: Completed) -> None:
        if self._off or (self._skip and _request_uri(record) in self._skip):
            return
        self._lines.add(record)

    def reopen(self) -> None:
        self._sink.reopen()

    def close(self) -> None:
        self._lines.flush()
        self._sink.close()
