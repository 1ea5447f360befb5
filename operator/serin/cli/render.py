"""`serin render`: nginx.conf for manifests, for a cluster, or as the plan in a run directory asks for it."""

import argparse
import importlib
import os

from serin.dataplane.nginx import components, settings_file, shown
from serin.dataplane.nginx.assets import library, lua_folder
from serin.dataplane.nginx.rendering import Templates
from serin.dataplane.settings import processors
from serin.dataplane.sockets import ANY_IPV4, ANY_IPV6
from serin.errors import UsageError
from serin.render.nginx.settings import LuaPaths, NginxSettings
from serin.render.rundir import RunDirectory

RUN_DIR = "/run/serin"
"""Whose files the configuration of manifests names."""


def run(arguments: argparse.Namespace) -> int:
    others = bool(arguments.paths or arguments.kubeconfig or arguments.apiserver_host) or hasattr(arguments, "in_pod")
    if arguments.run_dir is not None and others:
        raise UsageError("--run-dir excludes PATH and --kubeconfig; expected one of them")
    if arguments.run_dir is None and not others:
        raise UsageError("expected files or folders as PATH, a cluster by --kubeconfig FILE, or --run-dir DIR")
    if arguments.run_dir is not None:
        found = shown.from_run_dir(arguments.run_dir, arguments.host)
        run_dir = RunDirectory(arguments.run_dir.absolute())
        known = settings_file.load(run_dir.state / "nginx")
        settings, mode = (known, "") if known is not None else _settings(arguments, str(run_dir.path))
    else:
        offline = importlib.import_module("serin.cli.offline")  # knows the compiler, which a data plane must not load
        found = shown.from_plan(offline.look(arguments).plan, arguments.host)
        settings, mode = _settings(arguments, RUN_DIR)
    told = f"by `serin render`, {'with' if settings.lua else 'without'} nginx's Lua module{mode}"
    lost = () if settings.lua else shown.losses(found)
    renderer = Templates(settings, shown.ShownStreams(found.weights.pools))
    print(shown.text(found, renderer, whole=arguments.host is None, head=(told, *lost)), end="")
    return 0


def _settings(arguments: argparse.Namespace, run_dir: str) -> tuple[NginxSettings, str]:
    """Those of a data plane with the default flags, and what its mode rests on."""
    why = ""
    lua = LuaPaths(f"{lua_folder()}/?.lua", str(library())) if arguments.nginx_lua == "auto" else None
    modules: tuple[str, ...] = ()
    if lua is not None:
        try:
            nginx = components.find("auto")
        except UsageError:
            why = ", which is taken to be there: no nginx is installed here"
        else:
            modules, why = nginx.modules, "" if nginx.lua else f": {nginx.why_stock}"
            lua = LuaPaths(nginx.package_path, str(library())) if nginx.lua else None
    made = NginxSettings(
        run_dir=run_dir,
        prefix=f"{run_dir}/state/nginx",
        http=("0.0.0.0:8080", "[::]:8080"),
        https=("0.0.0.0:8443", "[::]:8443"),
        status_socket=f"{run_dir}/state/nginx/status.sock",
        lua=lua,
        modules=modules,
        user="root" if os.geteuid() == 0 else "",
        workers=processors(),
        addresses=(ANY_IPV4, ANY_IPV6),
        stream=True,
        half_close=True,
    )
    return made, why
