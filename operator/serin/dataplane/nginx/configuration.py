"""What the data plane's flags, this machine's nginx and the sockets mean for nginx.conf."""

import os
from pathlib import Path

from serin.dataplane.nginx.assets import library
from serin.dataplane.nginx.components import Components
from serin.dataplane.nginx.sockets import Listening
from serin.dataplane.settings import DataPlaneSettings
from serin.render.nginx.settings import LuaPaths, NginxSettings

TEMP = "temp"

_LEVELS = {"debug": "info", "info": "notice"}
"""nginx's `info` is a line for each connection that a client closes."""


def nginx_settings(
    settings: DataPlaneSettings, parts: Components, prefix: Path, listening: Listening, status_socket: Path
) -> NginxSettings:
    return NginxSettings(
        run_dir=str(settings.run_dir.absolute()),
        prefix=str(prefix),
        http=listening.http_texts,
        https=listening.https_texts,
        status_socket=str(status_socket),
        lua=LuaPaths(parts.package_path, str(library())) if parts.lua else None,
        modules=parts.modules,
        user="root" if os.geteuid() == 0 else "",
        workers=settings.workers,
        visible_http_port=settings.visible_http_port,
        visible_https_port=settings.visible_https_port,
        access_log=settings.access_log.value,
        access_log_path=settings.access_log_path,
        log_level=_LEVELS.get(settings.log_level, settings.log_level),
        shutdown_grace=settings.shutdown_grace,
        addresses=tuple(address for address, _ in listening.http),
        stream=parts.stream,
        stream_module=parts.stream_module,
        half_close=parts.half_close,
        temp=_temp(settings.run_dir.absolute()),
    )


def _temp(run_dir: Path) -> str:
    """A folder for temporary files that somebody has put there: the run directory may be memory, which bodies fill."""
    folder = run_dir / TEMP
    return str(folder) if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK) else ""
