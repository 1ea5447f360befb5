"""Flags of `serin controller`. Names are those of ingress-nginx where it has them; docs/controller.md tells more."""

import argparse
from pathlib import Path

from serin.cli import flags, values
from serin.cli.metrics_flags import metrics_flags
from serin.cli.parser import Parser, switch
from serin.cli.unused_flags import unused
from serin.errors import UsageError

EXAMPLES = """
    serin controller --kubeconfig ~/.kube/config             controller and data plane on this machine
    serin controller --plane none --run-dir /run/serin       in a pod, beside `serin data-plane --run-dir /run/serin`
    serin controller --plane none --other-plane nginx --run-dir /run/serin     the other container runs nginx
    serin controller --ingress-class canary --controller-class serin.dev/canary --watch-namespace shop
    serin controller --publish-service ingress/serin --configmap ingress/serin-options --election-ttl 15s
    serin controller --validating-webhook :9443 --validating-webhook-certificate a.crt --validating-webhook-key a.key
"""
MORE = """

Flags of ingress-nginx that are not listed here are taken as well and do nothing; a line of the log says why."""


def controller(parser: Parser) -> None:
    flags.connection(parser)
    flags.scope(parser)
    flags.selection(parser)
    flags.listening(parser, bind="", planes=("proxy", "nginx", "none"))
    parser.add_argument(
        "--run-dir",
        type=Path,
        metavar="DIR",
        help="where the plan is left for the data plane (default: $XDG_RUNTIME_DIR/serin-PORT, else a temporary one)",
    )
    parser.add_argument(
        "--post-shutdown-grace-period",
        type=values.seconds,
        default=0.0,
        metavar="S",
        help="seconds from the end of the data plane to our own (default: 0)",
    )
    _status(parser)
    _election(parser)
    _webhook(parser)
    _rollouts(parser)
    metrics_flags(parser)
    unused(parser)


def _status(parser: Parser) -> None:
    group = parser.add_argument_group("what is told on objects")
    switch(parser, group, "--update-status", default=True, text="write our address into the status of our Ingresses")
    switch(
        parser,
        group,
        "--update-status-on-shutdown",
        default=True,
        text="take it out when the last replica ends",
    )
    group.add_argument(
        "--status-update-interval",
        type=values.some_seconds,
        default=60.0,
        metavar="S",
        help="seconds between two looks whether it is still right (default: 60)",
    )
    address = group.add_mutually_exclusive_group()
    address.add_argument(
        "--publish-service", type=values.object_name, metavar="NS/NAME", help="the Service whose address is ours"
    )
    address.add_argument(
        "--publish-status-address",
        type=values.addresses,
        default=(),
        metavar="A[,B]",
        help="IP addresses or host names that are ours (default: those of the nodes that our pods run on)",
    )
    switch(
        parser, group, "--report-node-internal-ip-address", text="take internal addresses of nodes, not external ones"
    )
    switch(
        parser,
        group,
        "--disable-sync-events",
        text="no Event `Sync` on an Ingress that was taken up; problems are told",
    )


def _election(parser: Parser) -> None:
    group = parser.add_argument_group("which replica writes")
    group.add_argument(
        "--election-id",
        type=values.name,
        metavar="NAME",
        help="name of the Lease (default: serin-CLASS-leader, with the name of --ingress-class)",
    )
    group.add_argument(
        "--election-ttl",
        type=values.some_seconds,
        default=30.0,
        metavar="S",
        help="how long a replica that died keeps the others from writing (default: 30s)",
    )
    switch(parser, group, "--disable-leader-election", text="write always: there is no other replica")


def _webhook(parser: Parser) -> None:
    group = parser.add_argument_group("admission webhook")
    group.add_argument(
        "--validating-webhook",
        type=values.listen_address,
        metavar="ADDRESS:PORT",
        help="check Ingresses before they are stored, on this address (default: off)",
    )
    group.add_argument(
        "--validating-webhook-certificate", type=Path, metavar="FILE", help="its certificate chain in PEM"
    )
    group.add_argument("--validating-webhook-key", type=Path, metavar="FILE", help="the certificate's key in PEM")


def _rollouts(parser: Parser) -> None:
    group = parser.add_argument_group("rollouts of CanaryRoutes")
    group.add_argument(
        "--facts-address",
        type=values.listen_address,
        metavar="ADDRESS:PORT",
        help="tell other replicas on this address what our data plane counts (default: off)",
    )
    group.add_argument(
        "--facts-secret",
        type=Path,
        metavar="DIR",
        help="what replicas know each other by: a folder with ca.crt, tls.crt, tls.key and token",
    )
    group.add_argument(
        "--facts-service",
        type=values.object_name,
        metavar="NS/NAME",
        help="the headless Service of all replicas, which are asked for their counts (default: there is no other)",
    )
    group.add_argument(
        "--canary-check-hosts",
        type=values.check_hosts,
        default=values.check_hosts(""),
        metavar="H[,H]",
        help="hosts that checks of CanaryRoutes may ask: names, *.suffix, CIDRs (default: none)",
    )
    group.add_argument(
        "--canary-notifications",
        type=Path,
        metavar="FILE",
        help="whom to tell of rollouts, by Slack or CloudEvents: a list of sinks in YAML, taken up when it changes",
    )
    switch(
        parser,
        group,
        "--canary-approval-rbac",
        text="whoever writes serin.dev/action needs the right to update canaryroutes/VERB; needs the webhook",
    )


def check(arguments: argparse.Namespace) -> None:
    """UsageError when flags that are right by themselves cannot stand together."""
    given = [arguments.validating_webhook_certificate, arguments.validating_webhook_key]
    if arguments.validating_webhook is not None and None in given:
        missing = "certificate" if given[0] is None else "key"
        raise UsageError(f"--validating-webhook needs --validating-webhook-{missing}, a file in PEM")
    if arguments.validating_webhook is None and any(path is not None for path in given):
        flag = "certificate" if given[0] is not None else "key"
        raise UsageError(f"--validating-webhook-{flag} needs --validating-webhook, the address to listen on")
    for flag in ("facts_address", "facts_service"):
        if getattr(arguments, flag) is not None and arguments.facts_secret is None:
            text = "needs --facts-secret, the folder with what replicas know each other by"
            raise UsageError(f"--{flag.replace('_', '-')} {text}")
    if arguments.facts_secret is not None and arguments.facts_address is None and arguments.facts_service is None:
        raise UsageError("--facts-secret needs --facts-address or --facts-service, which it is for")
    if arguments.canary_approval_rbac and arguments.validating_webhook is None:
        raise UsageError("--canary-approval-rbac needs --validating-webhook, which asks for the right")
    if arguments.plane == "none" and arguments.run_dir is None:
        raise UsageError("--plane none needs --run-dir, the folder that `serin data-plane --run-dir` serves from")
    if arguments.plane == "none" and arguments.nginx_lua != "auto":
        raise UsageError("--nginx-lua belongs to the data plane; with --plane none that is `serin data-plane`")
    if arguments.plane != "none" and arguments.other_plane is not None:
        text = f"expected --plane none beside it, or --plane {arguments.other_plane} alone"
        raise UsageError(f"--other-plane is about the data plane of another process; {text}")
