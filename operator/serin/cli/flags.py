"""Flags that several commands share: where to listen, which objects count, how to reach a cluster."""

import argparse
from pathlib import Path

from serin.cli import values
from serin.cli.parser import Parser, switch


def paths(parser: Parser, *, needed: bool = True) -> None:
    parser.add_argument(
        "paths", nargs="+" if needed else "*", type=Path, metavar="PATH", help="files or folders of Kubernetes YAML"
    )


def listening(parser: Parser, *, bind: str, planes: tuple[str, ...] = ("proxy", "nginx")) -> None:
    group = parser.add_argument_group("listening")
    plane(group, planes)
    if "none" in planes:
        group.add_argument(
            "--other-plane",
            choices=("proxy", "nginx"),
            help="with --plane none: which data plane the other process is (default: proxy)",
        )
    nginx_lua(group)
    group.add_argument(
        "--bind", default=bind, metavar="A", help=f"addresses to listen on, by commas (default: {bind or 'all'})"
    )
    port(group, "--http-port", 8080, "default: 8080; 0 takes a free one")
    port(group, "--https-port", 8443, "default: 8443; 0 takes a free one")
    port(group, "--healthz-port", 10254, "/healthz, /readyz, /metrics (default: 10254)")
    group.add_argument(
        "--workers", type=values.workers, metavar="N", help="worker processes (default: one for each processor)"
    )
    group.add_argument(
        "--access-log",
        choices=("upstreaminfo", "json", "off"),
        default="upstreaminfo",
        help="format of the access log on standard output (default: upstreaminfo)",
    )
    group.add_argument(
        "--shutdown-grace",
        "--shutdown-grace-period",
        type=values.seconds,
        default=240.0,
        metavar="S",
        help="seconds that requests in flight get after SIGTERM (default: 240)",
    )


def plane(group: "argparse._ActionsContainer", planes: tuple[str, ...] = ("proxy", "nginx")) -> None:
    """Some annotations are honoured by one of the planes alone; for commands that only look, that is all it says."""
    group.add_argument(
        "--plane",
        choices=planes,
        default="proxy",
        help="data plane: the built-in proxy, or nginx (default: proxy)"
        + ("; none: another process is it" if "none" in planes else ""),
    )


def nginx_lua(group: "argparse._ActionsContainer") -> None:
    group.add_argument(
        "--nginx-lua",
        choices=("auto", "off"),
        default="auto",
        help="with --plane nginx: whether its Lua module is used where it is installed; without it weights and "
        "endpoints are in nginx.conf, and a change of them reloads nginx (default: auto)",
    )


def port(group: "argparse._ActionsContainer", flag: str, default: int, text: str) -> None:
    group.add_argument(flag, type=values.port, default=default, metavar="P", help=text)


def selection(parser: Parser) -> None:
    group = parser.add_argument_group("which objects count")
    group.add_argument(
        "--ingress-class",
        type=values.name,
        default="nginx",
        metavar="NAME",
        help="class of our Ingresses, as the "
        "annotation kubernetes.io/ingress.class names it, and name of our IngressClass (default: nginx)",
    )
    group.add_argument(
        "--controller-class",
        type=values.word,
        default="serin.dev/ingress-controller",
        metavar="NAME",
        help="spec.controller of our IngressClasses (default: serin.dev/ingress-controller)",
    )
    switch(
        parser,
        group,
        "--ingress-class-by-name",
        text="an IngressClass called like --ingress-class is ours, whatever its controller",
    )
    switch(parser, group, "--watch-ingress-without-class", text="Ingresses without any class are ours too")
    group.add_argument(
        "--annotations-prefix",
        type=values.word,
        default="nginx.ingress.kubernetes.io",
        metavar="PREFIX",
        help="default: nginx.ingress.kubernetes.io",
    )
    _object(group, "--configmap", "ConfigMap with options for all hosts")
    _object(group, "--tcp-services-configmap", "ConfigMap with ports of TCP, as PORT: NS/SERVICE:PORT")
    _object(group, "--udp-services-configmap", "ConfigMap with ports of UDP, as PORT: NS/SERVICE:PORT")
    switch(
        parser,
        group,
        "--enable-ssl-passthrough",
        text="Ingresses may ask for TLS to be passed on unread (ssl-passthrough)",
    )
    _object(group, "--default-backend-service", "Service for requests that no rule takes")
    _object(group, "--default-ssl-certificate", "Secret with the certificate for hosts without one")
    switch(
        parser, group, "--disable-catch-all", text="Ingresses for any host, and their default backends, are left out"
    )
    switch(parser, group, "--disable-svc-external-name", text="Services of type ExternalName have no endpoints")


def scope(parser: Parser) -> None:
    """Which part of a cluster is looked at."""
    group = parser.add_argument_group("which part of the cluster")
    both = group.add_mutually_exclusive_group()
    both.add_argument(
        "--watch-namespace", type=values.namespace, default="", metavar="NS", help="only this namespace (default: all)"
    )
    both.add_argument(
        "--watch-namespace-selector",
        type=values.label_selector,
        default="",
        metavar="LABELS",
        help="only namespaces with these labels, like team=shop (default: all)",
    )


def connection(parser: Parser) -> None:
    group = parser.add_argument_group("the cluster")
    group.add_argument(
        "--kubeconfig",
        type=Path,
        metavar="FILE",
        help="how to reach the cluster (default, in a pod: its service account)",
    )
    group.add_argument(
        "--apiserver-host", default="", metavar="URL", help="the API server, in place of what the kubeconfig says"
    )
    group.add_argument(
        "--certificate-authority",
        type=Path,
        metavar="FILE",
        help="certificates in PEM that the API server's is checked by",
    )


def _object(group: "argparse._ActionsContainer", flag: str, text: str) -> None:
    group.add_argument(flag, type=values.object_name, metavar="NS/NAME", help=text)
