"""`serin serve`: controller and data plane on this machine, from files."""

import argparse
import asyncio
import secrets
import sys
import time

from serin.cli.banner import Banner
from serin.cli.data_plane import refuse_other_planes
from serin.cli.paths import existing
from serin.cli.selection import options
from serin.control.loop import Control
from serin.control.patterns import check_pattern
from serin.control.serve import Serve
from serin.files import FileSource
from serin.native.pools import PoolsFile
from serin.render.rundir import RunDirectory, default_path
from serin.telemetry import log


def run(arguments: argparse.Namespace) -> int:
    refuse_other_planes(arguments.plane)
    paths = existing(arguments.paths)
    log.configure()
    run_dir = RunDirectory(arguments.run_dir or default_path(arguments.http_port))
    run_dir.create()
    run_dir.lock()
    return asyncio.run(serve(arguments, paths, run_dir))


async def serve(arguments: argparse.Namespace, paths: list[str], run_dir: RunDirectory) -> int:
    source = FileSource(paths)
    blocks = PoolsFile.open(run_dir.plan / "pools.bin", lambda: secrets.randbits(64), time.monotonic)
    try:
        control = Control(source, options(arguments), run_dir, blocks, check_pattern)
        control.start()
        banner = Banner(arguments, run_dir.path, sys.stderr)
        banner.problems(control.engine.problems)
        return await Serve(control, child_command(arguments, run_dir), run_dir, banner.listening).run()
    finally:
        source.close()
        blocks.close()


def child_command(arguments: argparse.Namespace, run_dir: RunDirectory) -> list[str]:
    command = [sys.executable, "-m", "serin", "data-plane", "--run-dir", str(run_dir.path), "--standalone"]
    for name in ("plane", "bind", "http_port", "https_port", "healthz_port", "access_log", "shutdown_grace"):
        command += ["--" + name.replace("_", "-"), str(getattr(arguments, name))]
    if arguments.workers:
        command += ["--workers", str(arguments.workers)]
    return command
