"""The command line's grammar. Flags keep ingress-nginx's names where it has one.

Only names, types, defaults and help are here; what a command does is in the module named in COMMANDS.
"""

import argparse
import difflib
import ipaddress
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from serin import __version__

EXAMPLES = {
    "serve": """
        serin serve examples/                        serve a folder on 127.0.0.1:8080
        serin serve app.yaml canary.yaml --workers 2
        sudo serin serve examples/ --http-port 80 --https-port 443
        curl -H 'Host: canary.example.com' -H 'Region: cd' http://127.0.0.1:8080/
    """,
    "data-plane": """
        serin data-plane --run-dir /run/serin        serve the plan that a controller leaves there
        serin data-plane --run-dir /run/serin --workers 4 --access-log json
    """,
    "explain": """
        serin explain examples/ --url http://canary.example.com/ -H 'Region: cd'
        serin explain app.yaml --url https://shop.example.com/cart -H 'Cookie: beta=always' --json
    """,
    "lint": """
        serin lint examples/                         exit 1 if anything asked for does not happen
        serin lint app.yaml --json
    """,
    "echo": """
        serin echo --name v1 --port 8081             answers with what it received, as JSON
        serin echo --name v2 --port 8082 --bind 127.0.0.2
    """,
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in a line or two; the whole usage is what --help is for."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n`{self.prog} --help` has the flags and examples\n")

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Arguments that nothing takes, with the flag that was likely meant."""
        flag = next((text for text in unknown if text.startswith("-")), unknown[0])
        near = difflib.get_close_matches(flag.partition("=")[0], self._option_string_actions, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")


def parse(line: Sequence[str] | None = None) -> argparse.Namespace:
    """What a command line says; ends the process with code 2 when it cannot be read."""
    arguments, unknown = build_parser().parse_known_args(line)
    if unknown:
        arguments.parser.refuse(unknown)
    return arguments


_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")
"""RFC 9110, 5.6.2."""


def build_parser() -> Parser:
    parser = Parser(
        prog="serin",
        description="Kubernetes ingress controller with canary routing as its first purpose.",
        epilog="`serin COMMAND --help` has examples of each command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"serin {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _serve(_command(commands, "serve", "serve Ingress manifests from files on this machine, without a cluster"))
    _data_plane(_command(commands, "data-plane", "serve the plan of a run directory; knows no Kubernetes"))
    _explain(_command(commands, "explain", "say which rule, version and service a request would get, and why"))
    _lint(_command(commands, "lint", "list what is wrong with manifests"))
    _echo(_command(commands, "echo", "demo backend: answers with what it received, as JSON"))
    return parser


def _command(commands: "argparse._SubParsersAction[Parser]", name: str, text: str) -> Parser:
    parser = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog="examples:\n" + textwrap.indent(textwrap.dedent(EXAMPLES[name]).strip("\n"), "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(parser=parser)
    return parser


def _serve(parser: Parser) -> None:
    _paths(parser)
    _listening(parser, bind="127.0.0.1")
    parser.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="default: $XDG_RUNTIME_DIR/serin-PORT, else a temporary folder"
    )
    parser.add_argument(
        "--https-redirect-port",
        type=_port,
        default=0,
        metavar="P",
        help="port to put in redirects to https (default: none, as behind a Service)",
    )
    _selection(parser)


def _data_plane(parser: Parser) -> None:
    parser.add_argument(
        "--run-dir", type=Path, required=True, metavar="DIR", help="where the controller leaves its plan"
    )
    _listening(parser, bind="")
    parser.add_argument(
        "--standalone", action="store_true", help="service names may resolve to loopback addresses, as in `serin serve`"
    )


def _explain(parser: Parser) -> None:
    _paths(parser)
    parser.add_argument("--url", required=True, metavar="URL", help="http://host/path?query or https://…")
    parser.add_argument(
        "-X", "--request", dest="method", default="GET", type=_method, metavar="METHOD", help="default: GET"
    )
    parser.add_argument(
        "-H",
        "--header",
        dest="headers",
        action="append",
        default=[],
        type=_header,
        metavar="'Name: value'",
        help="a header of the request; may be given several times",
    )
    parser.add_argument(
        "--client-ip",
        default="127.0.0.1",
        type=_address,
        metavar="A",
        help="address of the client (default: 127.0.0.1)",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    _selection(parser)


def _lint(parser: Parser) -> None:
    _paths(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")
    _selection(parser)


def _echo(parser: Parser) -> None:
    parser.add_argument("--name", default="echo", help="the name it answers with (default: echo)")
    parser.add_argument("--port", type=_port, required=True, metavar="P", help="0 takes a free one")
    parser.add_argument("--bind", default="127.0.0.1", metavar="A", help="address to listen on (default: 127.0.0.1)")


def _paths(parser: Parser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files or folders of Kubernetes YAML")


def _listening(parser: Parser, *, bind: str) -> None:
    group = parser.add_argument_group("listening")
    group.add_argument("--plane", choices=("proxy", "nginx"), default="proxy", help="data plane (default: proxy)")
    group.add_argument(
        "--bind", default=bind, metavar="A", help=f"addresses to listen on, by commas (default: {bind or 'all'})"
    )
    group.add_argument("--http-port", type=_port, default=8080, metavar="P", help="default: 8080; 0 takes a free one")
    group.add_argument("--https-port", type=_port, default=8443, metavar="P", help="default: 8443; 0 takes a free one")
    group.add_argument(
        "--healthz-port", type=_port, default=10254, metavar="P", help="/healthz, /readyz, /metrics (default: 10254)"
    )
    group.add_argument(
        "--workers", type=_positive, metavar="N", help="worker processes (default: one for each processor)"
    )
    group.add_argument(
        "--access-log",
        choices=("upstreaminfo", "json", "off"),
        default="upstreaminfo",
        help="format of the access log on standard output (default: upstreaminfo)",
    )
    group.add_argument(
        "--shutdown-grace",
        type=_seconds,
        default=240.0,
        metavar="S",
        help="seconds that requests in flight get after SIGTERM (default: 240)",
    )


def _selection(parser: Parser) -> None:
    group = parser.add_argument_group("which objects count")
    group.add_argument("--ingress-class", default="nginx", metavar="NAME", help="default: nginx")
    group.add_argument(
        "--controller-class",
        default="serin.dev/ingress-controller",
        metavar="NAME",
        help="spec.controller of our IngressClasses (default: serin.dev/ingress-controller)",
    )
    group.add_argument(
        "--ingress-class-by-name",
        action="store_true",
        help="an IngressClass called like --ingress-class is ours, whatever its controller",
    )
    group.add_argument(
        "--watch-ingress-without-class", action="store_true", help="Ingresses without any class are ours too"
    )
    group.add_argument(
        "--annotations-prefix",
        default="nginx.ingress.kubernetes.io",
        metavar="PREFIX",
        help="default: nginx.ingress.kubernetes.io",
    )
    group.add_argument("--configmap", type=_object_name, metavar="NS/NAME", help="ConfigMap with options for all hosts")
    group.add_argument(
        "--default-backend-service",
        type=_object_name,
        metavar="NS/NAME",
        help="Service for requests that no rule takes",
    )
    group.add_argument(
        "--default-ssl-certificate",
        type=_object_name,
        metavar="NS/NAME",
        help="Secret with the certificate for hosts without one",
    )


def _port(text: str) -> int:
    return _whole(text, 0, 65535, "a port from 0 to 65535")


def _positive(text: str) -> int:
    return _whole(text, 1, 256, "a number from 1 to 256")


def _whole(text: str, lowest: int, highest: int, wanted: str) -> int:
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise argparse.ArgumentTypeError(f"expected {wanted}, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86400:
        raise argparse.ArgumentTypeError(f"expected seconds from 0 to 86400, got {text!r}")
    return value


def _object_name(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise argparse.ArgumentTypeError(f"expected NAMESPACE/NAME, got {text!r}")
    return namespace, name


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or _TOKEN.fullmatch(name) is None:
        raise argparse.ArgumentTypeError(f"expected 'Name: value', got {text!r}")
    return name, value.strip()


def _method(text: str) -> str:
    if _TOKEN.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"expected a method like GET, got {text!r}")
    return text


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected an IP address, got {text!r}") from error
