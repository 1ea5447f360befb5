"""How endpoints are spoken to, as a part of the plan's values (serin.routing.plan): protocol, TLS, bodies, retries."""

from dataclasses import dataclass
from enum import StrEnum

from serin.refs import Source
from serin.routing.lines import HeaderLine


class Protocol(StrEnum):
    """What endpoints speak. AUTO_HTTP: HTTP, with TLS exactly when the client uses it.

    GRPC and FCGI are of the nginx plane.
    """

    HTTP = "http"
    GRPC = "grpc"
    AUTO_HTTP = "auto"
    FCGI = "fcgi"


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """TLS towards endpoints (proxy-ssl-*). `certificate` (ours, with its key) and `authorities` are digests of it.

    Both may be empty. `verify`: the endpoint's certificate must be of `authorities`, over at most `depth` steps, for
    `name`. `send_name`: SNI. Empty `name`: the Host sent to the endpoint. Words of nginx in `protocols`, e.g. TLSv1.2.
    """

    certificate: str = ""
    authorities: str = ""
    verify: bool = False
    depth: int = 1
    ciphers: str = ""
    protocols: tuple[str, ...] = ()
    name: str = ""
    send_name: bool = False
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Buffering:
    """How nginx holds bodies (proxy-buffering and kin); the proxy streams always. Sizes in bytes, None: nginx's own."""

    answers: bool = False
    requests: bool = True
    size: int = 4096
    number: int = 4
    busy: int | None = None
    max_temp_file: int | None = None
    request_size: int | None = None


@dataclass(frozen=True, slots=True)
class FastCgi:
    """With Protocol.FCGI: the index file, and parameters (fastcgi-params-configmap; values may hold variables)."""

    index: str = ""
    params: tuple[HeaderLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Upstream:
    """How to speak to the endpoints. Times in seconds; `tries` counts the first attempt too, 0 for no bound.

    `next_upstream` holds nginx's words of `proxy_next_upstream`; ingress-nginx's default is error and timeout.
    `http10`: HTTP/1.0, without keep-alive (nginx plane).
    """

    tls: bool = False
    protocol: Protocol = Protocol.HTTP
    verification: UpstreamTls | None = None
    buffering: Buffering = Buffering()
    http10: bool = False
    connect_timeout: float = 5.0
    send_timeout: float = 60.0
    read_timeout: float = 60.0
    tries: int = 3
    tries_timeout: float = 0.0
    next_upstream: tuple[str, ...] = ("error", "timeout")
    vhost: str = ""
    fastcgi: FastCgi | None = None
    connection: str = ""
    """The Connection header of requests, where it is not the usual one (connection-proxy-header)."""
