"""A cluster read once, for commands that only look. Imported only when one is asked for: the client is large."""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Mapping
from typing import Any

from serin.cli.offline import Looked
from serin.cli.selection import options
from serin.cluster.api import Api, ApiError, ApiUnreachableError
from serin.cluster.connection import read_connection
from serin.cluster.scope import Scope
from serin.compile.passed_over import of_nobody
from serin.control import once
from serin.telemetry import log


def look(arguments: argparse.Namespace) -> Looked:
    """SerinError in one sentence when the cluster cannot be read; what may not be read is said and counts as absent."""
    log.configure("error")
    read_connection(arguments.kubeconfig, arguments.apiserver_host, arguments.certificate_authority)
    found = asyncio.run(_look(arguments))
    for ref, why in sorted(found.unreadable.items()):
        print(f"{ref} cannot be read and counts as absent: {why}", file=sys.stderr)
    compiled = found.compiled
    nobodys = of_nobody(compiled.memo.snapshot)
    return Looked(compiled, tuple(sorted({*found.problems, *compiled.problems, *nobodys})))


def workloads(arguments: argparse.Namespace) -> tuple[Mapping[str, Any], ...]:
    """Deployments and DaemonSets; none where they may not be listed."""
    return asyncio.run(_workloads(arguments))


async def _workloads(arguments: argparse.Namespace) -> tuple[Mapping[str, Any], ...]:
    api = _api(arguments)
    found: list[Mapping[str, Any]] = []
    try:
        for plural in ("deployments", "daemonsets"):
            with contextlib.suppress(ApiError, ApiUnreachableError):
                found += (await api.list(f"/apis/apps/v1/{plural}")).items
    finally:
        await api.close()
    return tuple(found)


def _api(arguments: argparse.Namespace) -> Api:
    return Api(lambda: read_connection(arguments.kubeconfig, arguments.apiserver_host, arguments.certificate_authority))


async def _look(arguments: argparse.Namespace) -> once.Looked:
    api = _api(arguments)
    try:
        scope = Scope(arguments.watch_namespace, arguments.watch_namespace_selector)
        return await once.look(api, scope, options(arguments, standalone=False))
    finally:
        await api.close()
