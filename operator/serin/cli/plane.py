"""A data plane as other commands start it: its flags, where it finds its plan. Its own modules are not loaded here."""

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from serin.errors import UsageError
from serin.render.rundir import default_path

HANDED_ON = (
    *("plane", "nginx_lua", "bind", "http_port", "https_port", "healthz_port", "access_log", "shutdown_grace"),
)
"""Flags that the data plane gets as they are."""


def check(arguments: argparse.Namespace) -> None:
    """UsageError when the flags cannot stand together. Of a port shared by two, each would get some connections."""
    if arguments.plane != "nginx" and arguments.nginx_lua != "auto":
        raise UsageError(f"--nginx-lua {arguments.nginx_lua} is about nginx; expected --plane nginx beside it")
    ports: dict[int, str] = {}
    for flag in ("--http-port", "--https-port", "--healthz-port"):
        port: int = getattr(arguments, flag[2:].replace("-", "_"))
        if port and port in ports:
            raise UsageError(f"{ports[port]} and {flag} are both {port}; expected a port for each")
        ports[port] = flag


@contextlib.contextmanager
def run_path(arguments: argparse.Namespace) -> Iterator[Path]:
    """Where to leave the plan: as asked for, else a place of our own, which is removed if it is a temporary one."""
    if arguments.run_dir is not None:
        yield arguments.run_dir
        return
    path = default_path(arguments.http_port)
    try:
        yield path
    finally:
        if str(path.parent) != os.environ.get("XDG_RUNTIME_DIR"):
            shutil.rmtree(path, ignore_errors=True)


def child_command(arguments: argparse.Namespace, run_dir: Path, *, standalone: bool) -> list[str]:
    command = [sys.executable, "-P", "-m", "serin", "data-plane", "--run-dir", str(run_dir)]
    if standalone:
        command.append("--standalone")
    for name in HANDED_ON:
        command += ["--" + name.replace("_", "-"), str(getattr(arguments, name))]
    if arguments.workers:
        command += ["--workers", str(arguments.workers)]
    return command
