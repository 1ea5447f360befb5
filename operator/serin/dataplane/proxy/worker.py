"""A worker process of the proxy plane: `python -m serin.dataplane.proxy.worker`, started by the data plane's parent.

Puts the parts together: shared memory, plan, gate, connections, certificates, access log. Serves on sockets that it
inherits, tells the parent by a pipe which plan it serves, and ends when told to, once its exchanges are over.
"""

import asyncio
import gc
import logging
import os
import resource
import signal
import ssl
import sys
from pathlib import Path

import uvloop

from serin.dataplane.generation import GenerationWatch
from serin.dataplane.proxy.auth import Authenticator
from serin.dataplane.proxy.completed import Completed
from serin.dataplane.proxy.connection_settings import ConnectionSettings, affordable_connections
from serin.dataplane.proxy.counting import Counting
from serin.dataplane.proxy.doors import Doors
from serin.dataplane.proxy.endpoints import Endpoints
from serin.dataplane.proxy.gate import Gate
from serin.dataplane.proxy.heads import TOO_LARGE
from serin.dataplane.proxy.log_lines import LogLines
from serin.dataplane.proxy.mirroring import Mirrors
from serin.dataplane.proxy.relay import Relays
from serin.dataplane.proxy.reload import PlanTaker
from serin.dataplane.proxy.runtime import Workshop, make_ready
from serin.dataplane.proxy.server import Server
from serin.dataplane.proxy.settings import VARIABLE, WorkerSettings, read_settings
from serin.dataplane.proxy.site import LoadedHosts, Site
from serin.dataplane.proxy.stream_lines import StreamLines
from serin.dataplane.proxy.stream_ports import StreamPorts
from serin.dataplane.proxy.subrequest import Subrequests
from serin.dataplane.proxy.tls import TlsContexts
from serin.errors import SerinError
from serin.native.hashing import hash64
from serin.native.limits import Limits
from serin.native.pattern import Pattern
from serin.native.worker import Worker
from serin.render.pages import Pages
from serin.render.publication import certificate_file
from serin.render.rundir import RunDirectory
from serin.telemetry import log
from serin.telemetry.access_log import LogFormat

TICK_SECONDS = 1.0
FALLBACK = "state/default.pem"
COLLECT = (20_000, 20, 50)
"""Thresholds of the cyclic collector: an exchange leaves no cycles behind, what is made at the start is frozen."""
SWITCH_SECONDS = 0.001
"""How long a thread that compares a password may hold up the event loop at a time."""

_log = logging.getLogger("serin.dataplane.proxy.worker")


class ProxyWorker:
    """One worker. To be made within its event loop; `run` returns when it has drained."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._run_dir = RunDirectory(Path(settings.run_dir))
        self._shared = Worker.attach(self._run_dir.path, settings.index)
        self._counting = Counting(self._shared)
        self._asks = Subrequests()
        workshop = Workshop(
            self._shared, Pattern, hash64, endpoints=Endpoints(self._certificate), mirrors=Mirrors(self._asks)
        )
        loaded = LoadedHosts(lambda digest: make_ready(self._run_dir.read_host(digest), workshop), workshop)
        self._taker = PlanTaker(self._run_dir, loaded, self._took, lambda: self._say(f"kept {self._newest}"))
        self._auth = Authenticator(self._run_dir.users, threads=settings.auth_threads, queue=settings.auth_queue)
        self._limits = _limits(self._run_dir.path, settings.index)
        self._pages = Pages()
        self._log_lines = LogLines(LogFormat(settings.access_log), settings.access_log_path, self._loop)
        self._stream_lines = StreamLines(LogFormat(settings.access_log), settings.access_log_path, self._loop)
        self._planned = asyncio.Event()
        self._gate: Gate | None = None
        self._newest = ""
        self._serving = False
        self._server: Server | None = None
        self._connections: ConnectionSettings | None = None
        """As they are before the plan has its say."""
        self._doors: Doors | None = None
        self._tls: TlsContexts | None = None
        self._relays: Relays | None = None
        self._streams: StreamPorts | None = None
        self._followings: set[asyncio.Task[None]] = set()
        self._counts = (0, 0, 0, 0, 0)

    async def run(self) -> None:
        """Serve until SIGTERM, then finish what is in flight."""
        for number, act in ((signal.SIGTERM, self._stop.set), (signal.SIGUSR1, self._reopen)):
            self._loop.add_signal_handler(number, act)
        watch = GenerationWatch(self._run_dir.path, self._changed)
        ticking = self._loop.create_task(self._tick())
        try:
            if await self._first_plan():
                await self._serve()
        finally:
            watch.close()
            ticking.cancel()
            self._auth.close()
            await asyncio.sleep(0)  # what was cut says so to the log first
            self._log_lines.close()
            self._stream_lines.close()

    def _reopen(self) -> None:
        self._log_lines.reopen()
        self._stream_lines.reopen()

    async def _first_plan(self) -> bool:
        """Wait for a plan that can be read; False when the end came first."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._planned, self._stop)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return not self._stop.is_set()

    async def _serve(self) -> None:
        gate = self._gate
        assert gate is not None
        most = affordable_connections(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._connections = ConnectionSettings(page=self._page, max_connections=most)
        settings = self._connections.under(gate.site.globals.connections)
        server = self._server = Server(gate, settings, self._completed)
        self._asks.pool = server.pool
        relays = self._relays = Relays(
            self._loop, self._shared.split, hash64, server.tunnels, most, self._stream_lines.add
        )
        doors = self._doors = self._make_doors(server, relays, self._tls_context(gate))
        streams = self._streams = StreamPorts(relays, self._settings.handing_fd)
        self._stream(gate.site, relays, streams)
        await doors.follow(gate.site)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT)
        self._serving = True
        self._say(f"ready {gate.site.generation}")
        await self._stop.wait()
        streams.close()
        await doors.close()
        cut = await server.drain(gate.site.globals.connections.shutdown_timeout or self._settings.shutdown_grace)
        if cut:
            log.event(_log, log.CONNECTIONS_CUT, level=logging.WARNING, connections=cut)

    def _make_doors(self, server: Server, relays: Relays, context: ssl.SSLContext | None) -> Doors:
        s = self._settings
        ports = (s.visible_http_port, s.visible_https_port)
        return Doors(server, relays, s.http_fds, s.https_fds, context, ports)

    def _tls_context(self, gate: Gate) -> ssl.SSLContext | None:
        if not self._settings.https_fds:
            return None
        fallback = Path(self._settings.default_certificate or self._run_dir.path / FALLBACK)
        contexts = self._tls = TlsContexts(self._certificate, fallback)
        contexts.apply(gate.site.globals.tls)
        return contexts.listening(lambda name: gate.site.certificate_of(name), lambda name: gate.site.ciphers_of(name))

    def _certificate(self, digest: str) -> Path:
        return self._run_dir.plan / certificate_file(digest)

    # --- plans ---

    def _changed(self, generation: str) -> None:
        self._newest = generation
        self._taker.look()

    def _took(self, site: Site) -> None:
        log.event(_log, log.PLAN_TAKEN, level=logging.DEBUG, generation=site.generation)
        self._log_lines.follow(site.globals.logs)
        self._stream_lines.follow(site.globals.logs)
        if self._gate is None:
            self._gate = Gate(site, self._page, self._auth, hash64, self._taker.doubt, self._asks, self._limits)
            self._planned.set()
            return
        self._gate.take(site)
        if self._tls is not None:
            self._tls.apply(site.globals.tls)
        if self._server is not None and self._connections is not None:
            self._server.configure(self._connections.under(site.globals.connections))
        if self._doors is not None and self._streams is not None and self._relays is not None:
            self._stream(site, self._relays, self._streams)
            following = self._loop.create_task(self._doors.follow(site))
            self._followings.add(following)
            following.add_done_callback(self._followings.discard)
        if self._serving:
            self._say(f"plan {site.generation}")

    def _stream(self, site: Site, relays: Relays, ports: StreamPorts) -> None:
        """What is passed on unread, as this plan has it."""
        relays.rules = site.globals.passing
        ports.follow(site.globals.streams, site.globals.forwarding.line_timeout)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._shared.refresh()
            self._taker.tick()
            self._tell_connections()
            self._tell_refused()

    def _tell_connections(self) -> None:
        if self._server is not None and (counts := self._server.counts) != self._counts:
            self._counts = counts
            self._say("connections {} {} {} {} {}".format(*counts))

    def _tell_refused(self) -> None:
        """Once a tick at most, however many there are."""
        if self._server is not None and self._server.refused:
            log.event(
                _log,
                log.CONNECTIONS_REFUSED,
                level=logging.ERROR,
                connections=self._server.refused,
                most=self._server.settings.max_connections,
            )
            self._server.refused = 0

    def _say(self, line: str) -> None:
        """Tell the parent. It always reads; when it is gone, so is this process soon."""
        if self._settings.status_fd >= 0:
            try:
                os.write(self._settings.status_fd, line.encode() + b"\n")
            except OSError as error:
                log.event(_log, log.WORKER_SAID, level=logging.ERROR, line=line, error=str(error))

    # --- exchanges ---

    def _page(self, status: int) -> bytes:
        return self._pages.large_headers if status == TOO_LARGE else self._pages.body(status)

    def _completed(self, record: Completed) -> None:
        if not record.counted:
            self._counting.completed(record)
        if record.log.logged:
            self._log_lines.add(record)


def _limits(run_dir: Path, index: int) -> Limits | None:
    """Counts of all workers. Without them routes that have limits are closed, and all others are served.

    Never detached: exchanges that are cut at the end still give their places back, and the parent frees the rest.
    """
    try:
        return Limits.attach(run_dir, index)
    except SerinError as error:
        log.event(_log, log.WORKER_FAILED, level=logging.ERROR, error=str(error))
        return None


def main() -> int:
    """The process. 0 when it ended in order, 1 when it could not serve."""
    settings = read_settings(os.environ.get(VARIABLE, ""))
    log.configure(settings.log_level)
    sys.setswitchinterval(SWITCH_SECONDS)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    async def work() -> None:
        await ProxyWorker(settings).run()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work())
    except (SerinError, OSError) as error:  # SSLError is an OSError
        log.event(_log, log.WORKER_FAILED, level=logging.ERROR, error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
