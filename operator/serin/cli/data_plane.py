"""`serin data-plane`: serve what a controller leaves in a run directory."""

import argparse
import asyncio
import importlib
from types import MappingProxyType

from serin.cli.plane import check
from serin.dataplane.settings import DataPlaneSettings, processors
from serin.native import state
from serin.telemetry import log
from serin.telemetry.access_log import LogFormat

PLANES = MappingProxyType({"proxy": "serin.dataplane.parent", "nginx": "serin.dataplane.nginx.supervisor"})
"""The module whose `run` is a plane; the other one is not loaded."""


def settings(arguments: argparse.Namespace) -> DataPlaneSettings:
    check(arguments)
    workers = arguments.workers or processors()
    return DataPlaneSettings(
        run_dir=arguments.run_dir,
        plane=arguments.plane,
        nginx_lua=arguments.nginx_lua,
        bind=arguments.bind,
        http_port=arguments.http_port,
        https_port=arguments.https_port,
        healthz_port=arguments.healthz_port,
        workers=workers,
        standalone=arguments.standalone,
        access_log=LogFormat(arguments.access_log),
        shutdown_grace=arguments.shutdown_grace,
        shutdown_delay=arguments.shutdown_delay,
    )


def run(arguments: argparse.Namespace) -> int:
    told = settings(arguments)
    log.configure()
    plane = importlib.import_module(PLANES[told.plane])
    code: int = asyncio.run(plane.run(told, state.create))
    return code
