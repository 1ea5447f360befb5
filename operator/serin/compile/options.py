"""What the command line says about compiling. Names follow ingress-nginx's flags."""

from dataclasses import dataclass

Key = tuple[str, str]
"""(namespace, name)."""


@dataclass(frozen=True, slots=True)
class Options:
    """`standalone` (`serve`): a class named like `ingress_class` is ours, with or without an IngressClass object.

    It also lets an ExternalName be a loopback name. `https_redirect_port` 0: redirects carry no port.
    """

    ingress_class: str = "nginx"
    controller_class: str = "serin.dev/ingress-controller"
    ingress_class_by_name: bool = False
    watch_ingress_without_class: bool = False
    annotations_prefix: str = "nginx.ingress.kubernetes.io"
    standalone: bool = False
    configmap: Key | None = None
    default_backend_service: Key | None = None
    default_ssl_certificate: Key | None = None
    disable_catch_all: bool = False
    disable_svc_external_name: bool = False
    https_redirect_port: int = 0
    tcp_services: Key | None = None
    udp_services: Key | None = None
    """The ConfigMaps of ports that are passed on (serin.compile.streams)."""
    ssl_passthrough: bool = False
    own_ports: tuple[int, ...] = (8080, 8443, 10254)
    """Ports of TCP that Serin itself listens on, which no stream can have."""
    plane: str = "proxy"
    """The data plane that serves the plan, proxy or nginx: some annotations are honoured by one of them alone."""
