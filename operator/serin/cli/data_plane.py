"""`serin data-plane`: serve what a controller leaves in a run directory."""

import argparse
import asyncio

from serin.cli.plane import check
from serin.dataplane import parent
from serin.dataplane.settings import DataPlaneSettings, processors
from serin.native import state
from serin.telemetry import log
from serin.telemetry.access_log import LogFormat


def settings(arguments: argparse.Namespace) -> DataPlaneSettings:
    check(arguments)
    workers = arguments.workers or processors()
    return DataPlaneSettings(
        run_dir=arguments.run_dir,
        plane=arguments.plane,
        bind=arguments.bind,
        http_port=arguments.http_port,
        https_port=arguments.https_port,
        healthz_port=arguments.healthz_port,
        workers=workers,
        standalone=arguments.standalone,
        access_log=LogFormat(arguments.access_log),
        shutdown_grace=arguments.shutdown_grace,
    )


def run(arguments: argparse.Namespace) -> int:
    log.configure()
    return asyncio.run(parent.run(settings(arguments), state.create))
