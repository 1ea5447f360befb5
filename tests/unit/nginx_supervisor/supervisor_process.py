"""Runs the nginx plane's supervisor as a process, with files that are made of nothing but the plan's generation.

Argument: the settings' JSON. SERIN_TEST_NO_TRACING: no socket can be had from another process. Files beside the plan
make the maker of files misbehave: `spoil` (nginx refuses what it writes, unless everything is tested), `spoil-all`
(that too), `full` (it fails as on a full disk).
"""

import asyncio
import errno
import faulthandler
import hashlib
import json
import os
import sys
from pathlib import Path

from serin.dataplane.generation import read_generation
from serin.dataplane.nginx import adoption, supervisor
from serin.dataplane.nginx.apply import Applied, Seconds
from serin.dataplane.nginx.components import Components
from serin.dataplane.nginx.configuration import nginx_settings
from serin.dataplane.nginx.following import Applies
from serin.dataplane.nginx.sockets import Listening
from serin.dataplane.nginx.weights_file import WeightsFile
from serin.dataplane.settings import DataPlaneSettings
from serin.native import state
from serin.render.nginx.settings import NginxSettings
from serin.telemetry import log
from serin.telemetry.access_log import LogFormat

MAIN = """{modules}
{user}
daemon off;
pid {prefix}/nginx.pid;
error_log stderr info;
worker_processes {workers};
worker_shutdown_timeout {grace}s;
{spoilt}
events {{ worker_connections 256; }}
http {{
    access_log {access_log};
    client_body_temp_path {prefix}/client_body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
    {lua}
    server {{
        {listen}
        location / {{ return 200 "{generation} $pid"; }}
        location /slow {{ proxy_pass http://{backend}; }}
    }}
    server {{
        listen unix:{status};
        access_log off;
        location = /digest {{ return 200 "{digest}\\n"; }}
        location = /connections {{ stub_status; }}
    }}
}}
"""
LUA = """lua_package_path "{path}";
    init_worker_by_lua_block {{
        local ffi = require("ffi")
        ffi.cdef[[void *srn_attach(const char *dir, uint32_t index, uint64_t seed, char *err, size_t err_len);]]
        row = ffi.load("{library}").srn_attach("{run_dir}", 0xffffffff, 1, nil, 0)
    }}"""


class GenerationApplier:
    """In place of the real one."""

    def __init__(self, run_dir: Path, settings: NginxSettings) -> None:
        self._run_dir = run_dir
        self._settings = settings
        self._prefix = Path(settings.prefix)

    def apply(self, *, full: bool = False) -> Applied:
        if (self._run_dir / "full").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        generation = read_generation(self._run_dir)
        spoilt = (self._run_dir / "spoil-all").exists() or ((self._run_dir / "spoil").exists() and not full)
        digest = hashlib.sha256(f"{generation}{full}".encode()).hexdigest()[:32]
        self._put("nginx.conf", self._text(generation, digest, "spoilt;" if spoilt else ""))
        return Applied(int(generation), digest, True, (), 1, 1, 0, False, Seconds())

    def confirmed(self, digest: str) -> None:
        text = (self._prefix / "nginx.conf").read_text()
        if digest in text:
            self._put("good.conf", text)

    def restore(self) -> bool:
        good = self._prefix / "good.conf"
        if good.exists():
            self._put("nginx.conf", good.read_text())
        return good.exists()

    def _put(self, name: str, text: str) -> None:
        fresh = self._prefix / f".{name}.new"
        fresh.write_text(text)
        fresh.replace(self._prefix / name)

    def _text(self, generation: str, digest: str, spoilt: str) -> str:
        s = self._settings
        lua = s.lua
        return MAIN.format(
            modules="".join(f"load_module {module};\n" for module in s.modules),
            user=f"user {s.user};" if s.user else "",
            prefix=s.prefix,
            workers=s.workers,
            grace=max(1, round(s.shutdown_grace)),
            spoilt=spoilt,
            access_log="/dev/stdout" if s.access_log_path == "-" else s.access_log_path,
            lua=LUA.format(path=lua.package_path, library=lua.library, run_dir=s.run_dir) if lua else "",
            listen="".join(f"listen {text};" for text in (*s.http, *s.https)),
            generation=generation,
            backend=(self._run_dir / "backend").read_text(),
            status=s.status_socket,
            digest=digest,
        )


def make_applier(
    settings: DataPlaneSettings,
    parts: Components,
    prefix: Path,
    listening: Listening,
    status_socket: Path,
    _: WeightsFile | None,
) -> Applies:
    return GenerationApplier(settings.run_dir, nginx_settings(settings, parts, prefix, listening, status_socket))


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    given |= {"run_dir": Path(given["run_dir"]), "access_log": LogFormat(given["access_log"])}
    if "SERIN_TEST_NO_TRACING" in os.environ:
        vars(adoption)["take"] = lambda *_: False
    log.configure("debug")
    faulthandler.dump_traceback_later(40)  # beside its log, where it was not ready by then
    sys.exit(asyncio.run(supervisor.run(DataPlaneSettings(**given), state.create, make_applier=make_applier)))
