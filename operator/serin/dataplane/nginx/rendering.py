"""The templates as the applier calls them, with this data plane's settings.

What nginx without Lua cannot serve is told when a host is rendered, and not again before it is another thing.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

from serin.render.nginx import stock
from serin.render.nginx.host import render_host
from serin.render.nginx.main import HostFile, host_file, render_main
from serin.render.nginx.settings import NginxSettings
from serin.render.nginx.streams import Endpoints
from serin.render.nginx.weights import Weights
from serin.routing.plan import Globals, Host
from serin.telemetry import log

_log = logging.getLogger(__name__)


class Streams(Protocol):
    """What the stream part is made of beside the plan: serin.dataplane.nginx.streams.StreamState."""

    def endpoints(self, globals_: Globals, passed: frozenset[str]) -> Endpoints: ...


class Templates:
    """An apply.Renderer.

    `streams`: None where nobody knows endpoints, and the stream part has none.
    """

    def __init__(self, settings: NginxSettings, streams: Streams | None = None) -> None:
        self._settings = settings
        self._streams = streams
        self._told: dict[str, tuple[str, ...]] = {}
        self._unwritable: frozenset[str] = frozenset()

    def host(self, host: Host, globals_: Globals, weights: Weights | None) -> str:
        if self._settings.lua is None:
            self._tell(host)
        return render_host(host, self._settings, globals_, weights)

    def _tell(self, host: Host) -> None:
        closed, told = stock.closed(host), self._told.pop(host.name, ())
        if closed:
            self._told[host.name] = closed
        for text in closed:
            if text not in told:
                log.event(_log, log.NGINX_CLOSED, level=logging.WARNING, host=host.name, text=text)

    def include(self, host: Host, file: str) -> object:
        return host_file(host, file)

    def _with_log(self, globals_: Globals) -> Globals:
        """nginx refuses everything for a log that it cannot write: it is then where it would be without a path."""
        logs = globals_.logs
        found = {path for path in (logs.path, logs.stream_path) if path and not is_writable(Path(path))}
        for path in sorted(found - self._unwritable):
            log.event(_log, log.NGINX_LOG_PATH, level=logging.WARNING, path=path)
        self._unwritable = frozenset(found)
        if not found:
            return globals_
        path, stream_path = ("" if path in found else path for path in (logs.path, logs.stream_path))
        return replace(globals_, logs=replace(logs, path=path, stream_path=stream_path))

    def main(self, globals_: Globals, hosts: Sequence[object], certified: Mapping[str, str], digest: str) -> str:
        globals_ = self._with_log(globals_)
        files = cast("Sequence[HostFile]", hosts)
        endpoints = None
        if self._streams is not None:
            passed = frozenset(file.passthrough.pool for file in files if file.passthrough is not None)
            endpoints = self._streams.endpoints(globals_, passed)
        return render_main(globals_, files, certified, self._settings, digest, endpoints)


def is_writable(path: Path) -> bool:
    """Whether a file is there to be written, or could be made."""
    return os.access(path if path.exists() else path.parent, os.W_OK) and not path.is_dir()
