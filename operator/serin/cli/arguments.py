"""The command line's grammar. Flags keep ingress-nginx's names where it has one.

Only names, types, defaults and help are here; what a command does is in the module named in COMMANDS.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from serin import __version__
from serin.cli import controller_flags, flags, pod, values
from serin.cli.canary import grammar as canary_grammar
from serin.cli.parser import Parser, add_command

EXAMPLES = {
    "serve": """
        serin serve examples/                        serve a folder on 127.0.0.1:8080
        serin serve app.yaml canary.yaml --workers 2
        serin serve examples/ --plane nginx          by an nginx that is installed here
        sudo serin serve examples/ --http-port 80 --https-port 443
        curl -H 'Host: region-pattern.example.com' -H 'Region: cd' http://127.0.0.1:8080/
    """,
    "controller": controller_flags.EXAMPLES,
    "data-plane": """
        serin data-plane --run-dir /run/serin        serve the plan that a controller leaves there
        serin data-plane --run-dir /run/serin --workers 4 --access-log json
        serin data-plane --run-dir /run/serin --plane nginx --nginx-lua off
    """,
    "supervise": """
        serin supervise -- serin controller --plane none --run-dir /run/serin
        serin supervise --heartbeat /run/serin/plan/metrics --heartbeat-limit 30 -- serin controller --kubeconfig c
    """,
    "explain": """
        serin explain examples/ --url http://region-pattern.example.com/ -H 'Region: cd'
        serin explain app.yaml --url https://shop.example.com/cart -H 'Cookie: beta=always' --json
        serin explain --kubeconfig ~/.kube/config --url http://canary.example.com/
        kubectl -n serin exec deploy/serin-controller -c controller -- serin explain --url http://canary.example.com/
    """,
    "lint": """
        serin lint examples/                         exit 1 if anything asked for does not happen
        serin lint app.yaml --json
        serin lint --kubeconfig ~/.kube/config       what is wrong on a cluster
        kubectl -n serin exec deploy/serin-controller -c controller -- serin lint
        serin lint --explain canary-without-main     what a code means, with an example
        serin lint --from ingress-nginx --kubeconfig ~/.kube/config --format markdown
    """,
    "render": """
        serin render examples/                       nginx.conf, with the weights beside each split
        serin render app.yaml --host shop.example.com --nginx-lua off
        serin render --run-dir /run/serin --host shop.example.com
        serin render --kubeconfig ~/.kube/config --host shop.example.com
    """,
    "canary": canary_grammar.EXAMPLES,
    "echo": """
        serin echo --name v1 --port 8081             answers with what it received, as JSON
        serin echo --name v2 --port 8082 --bind 127.0.0.2
        serin echo --name bad --port 8083 --errors 5%    every 20th answer is 500
        serin echo --name dashboard --port 8443 --tls    curl -k https://127.0.0.1:8443/
    """,
}


def parse(line: Sequence[str] | None = None) -> argparse.Namespace:
    """What a command line says; ends the process with code 2 when it cannot be read."""
    words = list(sys.argv[1:] if line is None else line)
    arguments = _parsed(words)
    flags = pod.controller_flags() if pod.is_asked(arguments) else None
    if flags is None:
        return arguments
    arguments = _parsed([words[0], *pod.fitting(flags, arguments.parser.flags), *words[1:]])
    arguments.in_pod = True
    return arguments


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    arguments: argparse.Namespace
    arguments, unknown = build_parser().parse_known_args(words)
    if unknown:
        arguments.parser.refuse(unknown)
    return arguments


def build_parser() -> Parser:
    parser = Parser(
        prog="serin",
        description="Kubernetes ingress controller with canary routing as its first purpose.",
        epilog="`serin COMMAND --help` has examples of each command.",
        allow_abbrev=False,
    )
    _version(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, text: str, more: str = "") -> Parser:
        return add_command(commands, name, text, EXAMPLES[name], more)

    _serve(command("serve", "serve Ingress manifests from files on this machine, without a cluster"))
    text = "follow a cluster: publish its plan, tell status and Events; with a data plane of its own or beside one"
    controller = command("controller", text, controller_flags.MORE)
    _version(controller)
    controller_flags.controller(controller)
    _data_plane(command("data-plane", "serve the plan of a run directory; knows no Kubernetes"))
    _supervise(command("supervise", "run a command again whenever it ends, as a container's first process"))
    _explain(command("explain", "say which rule, version and service a request would get, and why"))
    _lint(command("lint", "list what is wrong with manifests, or on a cluster"))
    _render(command("render", "show nginx's configuration for manifests, a cluster or a run directory"))
    canary_grammar.add_to(commands, EXAMPLES["canary"])
    _echo(command("echo", "demo backend: answers with what it received, as JSON"))
    return parser


def _version(parser: Parser) -> None:
    parser.add_argument("--version", action="version", version=f"serin {__version__}")


def _serve(parser: Parser) -> None:
    flags.paths(parser)
    flags.listening(parser, bind="127.0.0.1")
    parser.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="default: $XDG_RUNTIME_DIR/serin-PORT, else a temporary folder"
    )
    parser.add_argument(
        "--https-redirect-port",
        type=values.port,
        default=0,
        metavar="P",
        help="port to put in redirects to https (default: none, as behind a Service)",
    )
    flags.selection(parser)


def _data_plane(parser: Parser) -> None:
    parser.add_argument(
        "--run-dir", type=Path, required=True, metavar="DIR", help="where the controller leaves its plan"
    )
    flags.listening(parser, bind="")
    parser.add_argument(
        "--standalone", action="store_true", help="service names may resolve to loopback addresses, as in `serin serve`"
    )
    parser.add_argument(
        "--shutdown-delay",
        type=values.seconds,
        default=0.0,
        metavar="S",
        help="seconds that connections are still taken after SIGTERM, while /readyz says 503 (default: 0)",
    )


def _supervise(parser: Parser) -> None:
    parser.add_argument(
        "--heartbeat",
        type=Path,
        metavar="FILE",
        help="a file that the command writes every few seconds (default: plan/metrics of its --run-dir, if it has any)",
    )
    parser.add_argument(
        "--heartbeat-limit",
        type=values.some_seconds,
        default=60.0,
        metavar="S",
        help="how long the file may stay as it is until the command counts as hung and is killed (default: 60)",
    )
    parser.add_argument("line", nargs="+", metavar="COMMAND", help="after `--`: what to run")


def _explain(parser: Parser) -> None:
    _paths_or_cluster(parser)
    parser.add_argument("--url", required=True, metavar="URL", help="http://host/path?query or https://…")
    parser.add_argument(
        "-X", "--request", dest="method", default="GET", type=values.method, metavar="METHOD", help="default: GET"
    )
    parser.add_argument(
        "-H",
        "--header",
        dest="headers",
        action="append",
        default=[],
        type=values.header,
        metavar="'Name: value'",
        help="a header of the request; may be given several times",
    )
    parser.add_argument(
        "--client-ip",
        default="127.0.0.1",
        type=values.address,
        metavar="A",
        help="address of the client (default: 127.0.0.1)",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    _what_counts(parser)


def _lint(parser: Parser) -> None:
    _paths_or_cluster(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--quiet", action="store_true", help="no notes about what surprises, problems alone")
    parser.add_argument("--explain", metavar="CODE", help="what a problem's code means, and nothing else")
    group = parser.add_argument_group("coming from another controller")
    group.add_argument(
        "--from",
        dest="former",
        choices=("ingress-nginx",),
        help="report what changes, for each Ingress, annotation, option and flag",
    )
    group.add_argument("--format", choices=("text", "json", "markdown"), help="of that report (default: text)")
    group.add_argument(
        "--args",
        type=Path,
        metavar="FILE",
        help="the former controller's flags (default: those of its Deployment, if it is among the objects)",
    )
    _what_counts(parser)
    parser.set_defaults(plane=None)


def _render(parser: Parser) -> None:
    _paths_or_cluster(parser)
    parser.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="the plan and the weights in force there, as nginx gets them"
    )
    parser.add_argument("--host", metavar="H", help="this host's part alone; _ for the one for any name (default: all)")
    flags.nginx_lua(parser)
    flags.selection(parser)
    parser.set_defaults(plane="nginx")


def _what_counts(parser: Parser) -> None:
    flags.plane(parser)
    flags.selection(parser)


def _paths_or_cluster(parser: Parser) -> None:
    flags.paths(parser, needed=False)
    flags.connection(parser)
    flags.scope(parser)


def _echo(parser: Parser) -> None:
    parser.add_argument("--name", default="echo", help="the name it answers with (default: echo)")
    parser.add_argument("--port", type=values.port, required=True, metavar="P", help="0 takes a free one")
    parser.add_argument("--bind", default="127.0.0.1", metavar="A", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--errors",
        type=values.rate,
        default=0.0,
        metavar="E",
        help="share of answers that are 500, evenly spread, as 0.05 or 5%% (default: 0)",
    )
    parser.add_argument("--tls", action="store_true", help="HTTPS, with a certificate made at the start")
