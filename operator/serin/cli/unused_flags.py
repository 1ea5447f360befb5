"""Flags of ingress-nginx that are taken, so that nobody's arguments have to change, and do nothing: each with why.

A flag leaves this table when what it is about exists. The warning names the flag and never its value, which may be
secret (--maxmind-license-key).
"""

import argparse
from collections.abc import Sequence
from typing import Any

from serin.cli import values
from serin.cli.parser import Parser

_NGINX = "it is about a port inside ingress-nginx's pod that neither data plane has"
_STREAMS = "endpoints of TCP and UDP are in shared memory or in nginx.conf, and no port inside the pod is needed"
_GEO = "there is no GeoIP database"
_METRICS = "buckets are fixed, at ingress-nginx's own bounds (docs/observability.md)"
_HEALTH = "the pages are /healthz and /readyz on --healthz-port, at the addresses of --bind"
_LOG = "the log has one level, and goes to standard error as JSON"
_PASSTHROUGH = "connections whose TLS is ended here come to it by no port inside the pod"

SWITCHES = {
    "--deep-inspect": "no configuration text is taken from objects, so that there is nothing to inspect",
    "--disable-full-test": "the webhook always compiles the object beside all others, which takes milliseconds",
    "--enable-annotation-validation": "annotations are always validated",
    "--enable-metrics": "/metrics is always there, on --healthz-port",
    "--enable-ssl-chain-completion": "no certificate is fetched from the network; put the whole chain into the Secret",
    "--enable-topology-aware-routing": "hints of EndpointSlices are not looked at",
    "--metrics-per-undefined-host": "series are those of rules: a request that none takes is in no series of its own",
    "--profiling": "there is no profiler's port",
    "--logtostderr": _LOG,
    "--alsologtostderr": _LOG,
    "--skip_headers": _LOG,
    "--skip-headers": _LOG,
}
VALUED = {
    "--bucket-factor": _METRICS,
    "--default-server-port": _NGINX,
    "--dynamic-configuration-retries": "weights and endpoints are in shared memory, there is no request to retry",
    "--health-check-path": _HEALTH,
    "--health-check-timeout": _HEALTH,
    "--healthz-host": _HEALTH,
    "--internal-logger-address": _NGINX,
    "--length-buckets": _METRICS,
    "--max-buckets": _METRICS,
    "--maxmind-edition-ids": _GEO,
    "--maxmind-license-key": _GEO,
    "--maxmind-mirror": _GEO,
    "--maxmind-retries-count": _GEO,
    "--maxmind-retries-timeout": _GEO,
    "--monitor-max-batch-size": "requests are counted in shared memory, not sent in batches",
    "--profiler-address": "there is no profiler's port",
    "--profiler-port": "there is no profiler's port",
    "--size-buckets": _METRICS,
    "--ssl-passthrough-proxy-port": _PASSTHROUGH,
    "--status-port": _NGINX,
    "--stream-port": _STREAMS,
    "--sync-period": "what the watch may have missed is looked for all the time",
    "--sync-rate-limit": "changes of hosts wait 0.1 s for others, 1 s at most; weights and endpoints wait for nothing",
    "--time-buckets": _METRICS,
    "--stderrthreshold": _LOG,
    "--v": _LOG,
    "-v": _LOG,
    "--vmodule": _LOG,
}
REASONS = {**SWITCHES, **VALUED}


class _Unused(argparse.Action):
    """Remembers that the flag was given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        namespace.unused = (*namespace.unused, option_string or "")


def unused(parser: Parser) -> None:
    """Takes them all; `arguments.unused` has those that were given."""
    parser.set_defaults(unused=())
    for flag in SWITCHES:
        parser.add_argument(
            flag, action=_Unused, nargs="?", type=values.boolean, default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        parser.switches.add(flag)
    for flag in VALUED:
        parser.add_argument(flag, action=_Unused, default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def warnings(given: Sequence[str]) -> list[tuple[str, str]]:
    """Each flag once, in the order given, with why it does nothing."""
    return [(flag, REASONS[flag]) for flag in dict.fromkeys(given)]
