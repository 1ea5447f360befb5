"""The worker's access log of TCP and UDP, as flags and the plan's ConfigMap options say (log-format-stream,
disable-stream-access-log, stream-access-log-path).

A log that a flag has put out stays out. A file that cannot be opened leaves the log where it is, and is told.
"""

from asyncio import AbstractEventLoop
from typing import Any

from serin.dataplane.proxy.stream_session import StreamSession
from serin.routing.stream_log import stream_format
from serin.routing.wide import Logs
from serin.telemetry.access_log import AccessLog, LogFormat
from serin.telemetry.log_format import compile_format
from serin.telemetry.sink import MovingSink
from serin.telemetry.stream_variables import stream_reader


class StreamLines:
    """One for a worker. `form` and `path` are the flags'."""

    def __init__(self, form: LogFormat, path: str, loop: AbstractEventLoop) -> None:
        self._form = form
        self._path = path
        self._off = form is LogFormat.OFF
        self._sink = MovingSink(path)
        self._lines = AccessLog(self._sink.write, loop.call_later)
        self._logs = Logs()
        self._use(self._logs)

    def follow(self, logs: Logs) -> None:
        """What a plan says of them; nothing is done where that is as before."""
        if logs == self._logs:
            return
        self._logs = logs
        self._off = self._form is LogFormat.OFF or logs.stream_off
        self._use(logs)
        self._sink.move(logs.stream_path or logs.path or self._path, self._lines.flush)

    def add(self, session: StreamSession) -> None:
        """A session that is over."""
        record: Any = session  # no Exchange: the line is always made by `use`
        if not self._off:
            self._lines.add(record)

    def reopen(self) -> None:
        self._sink.reopen()

    def close(self) -> None:
        self._lines.flush()
        self._sink.close()

    def _use(self, logs: Logs) -> None:
        text, escape_json = stream_format(logs, json=self._form is LogFormat.JSON)
        self._lines.use(compile_format(text, escape_json=escape_json, readers=stream_reader))
