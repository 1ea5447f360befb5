"""Runs the nginx plane: finds nginx and what runs of it already, opens what is needed, and hands it to the parent.

An nginx that an earlier supervisor left running has served all the time, and goes on.
"""

import asyncio
import contextlib
import logging
import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

from serin.dataplane import lock
from serin.dataplane.low_ports import low_ports
from serin.dataplane.nginx import adoption, components, settings_file
from serin.dataplane.nginx.apply import Applier
from serin.dataplane.nginx.components import Components
from serin.dataplane.nginx.configuration import nginx_settings
from serin.dataplane.nginx.files import GOOD
from serin.dataplane.nginx.following import Applies
from serin.dataplane.nginx.pace import Pace
from serin.dataplane.nginx.plane import NginxPlane
from serin.dataplane.nginx.rendering import Templates
from serin.dataplane.nginx.rows import ROWS
from serin.dataplane.nginx.sockets import Listening, is_remembered
from serin.dataplane.nginx.status import StatusSocket, leave, socket_path
from serin.dataplane.nginx.streams import StreamState
from serin.dataplane.nginx.testing import NginxTest
from serin.dataplane.nginx.weights_file import WeightsFile
from serin.dataplane.parent import Parent, open_probes, open_state
from serin.dataplane.plane import MakeState
from serin.dataplane.refused_ports import RefusedPorts
from serin.dataplane.settings import DataPlaneSettings
from serin.errors import RunDirectoryError
from serin.render.rundir import RunDirectory
from serin.telemetry import log

JITTER_SECONDS = 0.3
"""Replicas get a plan at the same moment; they need not reload at the same moment."""
_log = logging.getLogger(__name__)

MakeApplier = Callable[[DataPlaneSettings, Components, Path, Listening, Path, WeightsFile | None], Applies]


def applier(
    settings: DataPlaneSettings,
    parts: Components,
    prefix: Path,
    listening: Listening,
    status_socket: Path,
    weights: WeightsFile | None,
    streams: StreamState | None = None,
) -> Applies:
    """What makes nginx's files of plans."""
    rendered_with = nginx_settings(settings, parts, prefix, listening, status_socket)
    with contextlib.suppress(OSError):  # for `serin render` alone
        settings_file.save(rendered_with)
    renderer = Templates(rendered_with, streams)
    test = NginxTest(parts.binary, prefix, listening.fds, components.minimal_environment(parts))
    return Applier(RunDirectory(settings.run_dir), prefix, renderer, test, str(status_socket), weights)


async def run(
    settings: DataPlaneSettings,
    make_state: MakeState,
    *,
    stop: asyncio.Event | None = None,
    make_applier: MakeApplier | None = None,
) -> int:
    """Run until SIGTERM, SIGINT or `stop`; 0 when all requests in flight were answered, else 1.

    UsageError when there is no nginx or a port cannot be had, RunDirectoryError when the directory cannot be used.
    """
    parts = components.find(settings.nginx_lua)
    _tell(parts)
    with contextlib.ExitStack() as held:
        held.callback(os.close, lock.hold(settings.run_dir))
        prefix = _folder(settings.run_dir)
        former = adoption.find(prefix, parts)
        with low_ports():
            listening = adoption.listening(settings, prefix, former)
            held.callback(listening.close)
            probes = open_probes(settings, held)
        if not is_remembered(listening, prefix):
            (prefix / GOOD).unlink(missing_ok=True)  # it listens elsewhere
        state = open_state(settings.run_dir, make_state, held, rows=ROWS, keep=True)
        weights = None if parts.lua else WeightsFile(settings.run_dir)
        addresses = tuple(address for address, _ in listening.http)
        streams = StreamState(
            WeightsFile(settings.run_dir),
            prefix,
            addresses,
            there=parts.stream,
            own=listening.ports,
            tell=RefusedPorts(RunDirectory(settings.run_dir).state).put,
        )
        status = StatusSocket(socket_path(prefix))
        held.callback(leave, status.path, prefix)
        made = make_applier or partial(applier, streams=streams)
        plane = NginxPlane(
            settings,
            parts,
            prefix,
            listening,
            state,
            status,
            made(settings, parts, prefix, listening, status.path, weights),
            Pace(jitter=(lambda: 0.0) if settings.standalone else _jitter),
            streams.changed if weights is None else lambda: weights.changed() or streams.changed(),
        )
        plane.adopt(former)
        return await Parent(settings, plane, state).run(probes, stop or asyncio.Event())


def _jitter() -> float:
    return random.uniform(0.0, JITTER_SECONDS)  # noqa: S311  no secret


def _folder(run_dir: Path) -> Path:
    """nginx's own folder, which only this user enters."""
    prefix = run_dir.absolute() / "state" / "nginx"
    try:
        prefix.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise RunDirectoryError(f"{prefix}: cannot be made: {error.strerror}") from error
    return prefix


def _tell(parts: Components) -> None:
    mode = "lua" if parts.lua else "stock"
    log.event(_log, log.NGINX_FOUND, binary=parts.binary, version=parts.version_text, mode=mode)
    if not parts.advised:
        advised = " / ".join(".".join(map(str, version)) for version in components.FIXED)
        log.event(
            _log,
            log.NGINX_OLD,
            level=logging.WARNING,
            version=parts.version_text,
            text=f"below {advised}: faults are known in it that paths and patterns of Ingresses can reach, "
            "unless its distributor has fixed them under this number",
        )
    if not parts.lua:
        text = "weights and endpoints are written in nginx.conf, and each change of them is a reload"
        log.event(_log, log.NGINX_STOCK, level=logging.WARNING, why=parts.why_stock, text=text)
