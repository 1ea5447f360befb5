"""`serin controller`: follow a cluster, and leave its plan for a data plane."""

import argparse
import asyncio
import contextlib
import faulthandler
import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping

from serin.cli.controller_flags import check
from serin.cli.metrics_flags import told as metrics_told
from serin.cli.plane import check as check_plane
from serin.cli.plane import child_command, run_path
from serin.cli.selection import options
from serin.cli.unused_flags import warnings
from serin.cluster.connection import own_namespace, read_connection
from serin.cluster.scope import Scope
from serin.cluster.server import Connection
from serin.control.controller import Controller
from serin.control.parts import Parts
from serin.control.planes import OtherPlane, OwnPlane, Plane
from serin.control.settings import ControllerSettings, ElectionSettings, FactsSettings, StatusSettings, WebhookSettings
from serin.native.pools import PoolsFile
from serin.render.rundir import RunDirectory
from serin.telemetry import log

_log = logging.getLogger("serin.controller")


def run(arguments: argparse.Namespace) -> int:
    check(arguments)
    if arguments.plane != "none":
        check_plane(arguments)
    log.configure()
    faulthandler.enable()  # SIGABRT from a supervisor: say where we hang
    connect = connection(arguments)
    told = settings(arguments, connect(), os.environ)
    for flag, why in warnings(arguments.unused):
        log.event(_log, log.FLAG_UNUSED, level=logging.WARNING, flag=flag, why=f"{flag} does nothing: {why}")
    with run_path(arguments) as path:
        run_dir = RunDirectory(path)
        run_dir.create_plan()
        run_dir.lock()
        return asyncio.run(follow(arguments, told, connect, run_dir))


async def follow(
    arguments: argparse.Namespace, told: ControllerSettings, connect: Callable[[], Connection], run_dir: RunDirectory
) -> int:
    pools = PoolsFile.open(run_dir.plan / "pools.bin", lambda: secrets.randbits(64), time.monotonic)
    with contextlib.closing(pools):
        parts = Parts(told, connect, run_dir, pools)
        return await Controller(
            parts.control, parts.cluster(), plane(arguments, run_dir), linger=arguments.post_shutdown_grace_period
        ).run()


def connection(arguments: argparse.Namespace) -> Callable[[], Connection]:
    """Reads anew what the flags name, each time: files are replaced under us."""
    return lambda: read_connection(arguments.kubeconfig, arguments.apiserver_host, arguments.certificate_authority)


def settings(
    arguments: argparse.Namespace, connected: Connection, environment: Mapping[str, str]
) -> ControllerSettings:
    webhook = arguments.validating_webhook
    return ControllerSettings(
        namespace=own_namespace(connected, environment),
        pod=environment.get("POD_NAME", ""),
        options=options(arguments, standalone=False),
        scope=Scope(arguments.watch_namespace, arguments.watch_namespace_selector),
        status=StatusSettings(
            update=arguments.update_status,
            clear_at_end=arguments.update_status_on_shutdown,
            service=arguments.publish_service,
            addresses=arguments.publish_status_address,
            internal=arguments.report_node_internal_ip_address,
            interval=arguments.status_update_interval,
        ),
        election=ElectionSettings(
            name=arguments.election_id or f"serin-{arguments.ingress_class}-leader",
            ttl=arguments.election_ttl,
            enabled=not arguments.disable_leader_election,
        ),
        sync_events=not arguments.disable_sync_events,
        told=metrics_told(arguments, own_namespace(connected, environment), environment),
        webhook=None
        if webhook is None
        else WebhookSettings(webhook, arguments.validating_webhook_certificate, arguments.validating_webhook_key),
        facts=None
        if arguments.facts_secret is None
        else FactsSettings(arguments.facts_secret, arguments.facts_address, arguments.facts_service),
        check_hosts=arguments.canary_check_hosts,
        notifications=arguments.canary_notifications,
        approval_rbac=arguments.canary_approval_rbac,
    )


def plane(arguments: argparse.Namespace, run_dir: RunDirectory) -> Plane:
    if arguments.plane == "none":
        return OtherPlane(run_dir, arguments.shutdown_grace)
    # A run directory that was not named is not found again: what is left serving from it would only hold the ports.
    lasting = arguments.run_dir is not None
    return OwnPlane(child_command(arguments, run_dir.path, standalone=False), run_dir, lasting=lasting)
