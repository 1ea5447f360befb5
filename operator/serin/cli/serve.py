"""`serin serve`: controller and data plane on this machine, from files."""

import argparse
import asyncio
import contextlib
import os
import secrets
import sys
import time
from collections.abc import Mapping

from serin.cli.banner import banner
from serin.cli.metrics_flags import told as metrics_told
from serin.cli.paths import existing
from serin.cli.plane import check, child_command, run_path
from serin.cli.selection import options
from serin.cli.terminal import Paint
from serin.control.rollouts.standalone import Standalone
from serin.control.serve import Serve
from serin.files import FileSource
from serin.native.pools import PoolsFile
from serin.render.rundir import RunDirectory
from serin.telemetry import log


def run(arguments: argparse.Namespace) -> int:
    check(arguments)
    paths = existing(arguments.paths)
    log.configure()
    with run_path(arguments) as path:
        run_dir = RunDirectory(path)
        run_dir.create()
        run_dir.lock()
        return asyncio.run(serve(arguments, paths, run_dir))


async def serve(arguments: argparse.Namespace, paths: list[str], run_dir: RunDirectory) -> int:
    with contextlib.ExitStack() as held:
        source = held.enter_context(contextlib.closing(FileSource(paths)))
        pools = PoolsFile.open(run_dir.plan / "pools.bin", lambda: secrets.randbits(64), time.monotonic)
        blocks = held.enter_context(contextlib.closing(pools))
        known = options(arguments, standalone=True)
        told = metrics_told(arguments, "", os.environ)
        standalone = Standalone(source, known, run_dir, blocks, told)
        control = standalone.control
        control.start()

        def listening(ports: Mapping[str, int]) -> None:
            if not sys.stderr.isatty():
                return  # the log there is JSON, for programs: each line of it
            text = banner(arguments, run_dir.path, ports, control.engine.problems, Paint(sys.stderr))
            print(text, file=sys.stderr, flush=True)

        # A run directory that was not named is not found again: what is left serving from it would only hold the ports.
        lasting = arguments.run_dir is not None
        command = child_command(arguments, run_dir.path, standalone=True)
        try:
            return await Serve(control, command, run_dir, listening, lasting=lasting, works=standalone.works).run()
        finally:
            await standalone.close()
