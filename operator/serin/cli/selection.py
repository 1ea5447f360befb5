"""What the flags about objects mean to the compiler."""

import argparse

from serin.compile.options import Options


def options(arguments: argparse.Namespace, *, standalone: bool) -> Options:
    """`standalone`: the objects are those of files, not of a cluster."""
    return Options(
        ingress_class=arguments.ingress_class,
        controller_class=arguments.controller_class,
        ingress_class_by_name=arguments.ingress_class_by_name,
        watch_ingress_without_class=arguments.watch_ingress_without_class,
        annotations_prefix=arguments.annotations_prefix,
        standalone=standalone,
        configmap=arguments.configmap,
        default_backend_service=arguments.default_backend_service,
        default_ssl_certificate=arguments.default_ssl_certificate,
        disable_catch_all=arguments.disable_catch_all,
        disable_svc_external_name=arguments.disable_svc_external_name,
        https_redirect_port=getattr(arguments, "https_redirect_port", 0),
        tcp_services=arguments.tcp_services_configmap,
        udp_services=arguments.udp_services_configmap,
        ssl_passthrough=arguments.enable_ssl_passthrough,
        own_ports=_own_ports(arguments),
        plane=serving_plane(arguments),
    )


def _own_ports(arguments: argparse.Namespace) -> tuple[int, ...]:
    """Those that the flags name; commands that do not listen have ingress-nginx's and ours."""
    defaults = {"http_port": 8080, "https_port": 8443, "healthz_port": 10254}
    ports = {getattr(arguments, name, default) for name, default in defaults.items()}
    webhook = getattr(arguments, "validating_webhook", None)
    return tuple(sorted((ports | {webhook[1]} if webhook else ports) - {0}))


def serving_plane(arguments: argparse.Namespace) -> str:
    """The data plane that serves what is compiled: with --plane none the one that the other process is."""
    if arguments.plane != "none":
        return str(arguments.plane)
    return arguments.other_plane or "proxy"
