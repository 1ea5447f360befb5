"""Flags of ingress-nginx about its metrics that have their meaning here; what is told of them to the data plane."""

import argparse
import socket
from collections.abc import Mapping

from serin.cli.parser import Parser, switch
from serin.telemetry.told import Told


def metrics_flags(parser: Parser) -> None:
    group = parser.add_argument_group("metrics under ingress-nginx's names")
    switch(parser, group, "--metrics-per-host", default=True, text="their series have the label host")
    switch(parser, group, "--report-status-classes", text="their label status is 2xx, 3xx and so on")
    group.add_argument(
        "--exclude-socket-metrics",
        type=_names,
        default=(),
        metavar="NAMES",
        help="series that are left out, by commas, like request_size,bytes_sent (default: none)",
    )


def told(arguments: argparse.Namespace, namespace: str, environment: Mapping[str, str]) -> Told:
    """Constant labels and what the flags say; outside of a pod the host's name stands for the pod's."""
    return Told(
        controller_class=arguments.controller_class,
        controller_namespace=environment.get("POD_NAMESPACE", "") or namespace,
        controller_pod=environment.get("POD_NAME", "") or socket.gethostname(),
        per_host=getattr(arguments, "metrics_per_host", True),
        status_classes=getattr(arguments, "report_status_classes", False),
        excluded=getattr(arguments, "exclude_socket_metrics", ()),
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))
