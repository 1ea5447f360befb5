"""How endpoints are spoken to and tried: protocol, Host, timeouts, retries, size of request bodies."""

from dataclasses import replace

from serin.compile.annotations import grammar
from serin.compile.annotations.buffering import HTTP_VERSION, buffering_of
from serin.compile.annotations.grammar import LETTERS
from serin.compile.annotations.model import Annotation, Concern, Scope, Values
from serin.compile.findings import Findings
from serin.routing.plan import Protocol, Upstream

_R, _I, _L = Concern.ROUTING, Scope.INGRESS, Scope.LOCATION

NEXT_UPSTREAM_WORDS = (
    *("error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504", "http_403", "http_404"),
    *("http_429", "non_idempotent", "off"),
)

PROTOCOL = Annotation(
    "backend-protocol",
    grammar.one_of("HTTP", "HTTPS", "AUTO_HTTP", "GRPC", "GRPCS", "FCGI"),
    "HTTP",
    _R,
    _L,
    "How the endpoints are spoken to: `HTTP` or `HTTPS` (their certificate is not checked unless `proxy-ssl-verify` "
    "asks for it), or `AUTO_HTTP`, which is HTTPS exactly when the client uses it. With the nginx plane also `GRPC`, "
    "`GRPCS` and `FCGI`; the proxy plane takes these three for HTTP.",
)
VHOST = Annotation(
    "upstream-vhost",
    grammar.characters(rf"{LETTERS}${{}}", "a host name, which may hold $variables"),
    "",
    _R,
    _L,
    "Host header for the endpoints; may hold `$service_name`, `$namespace` and other variables.",
)
BODY_SIZE = Annotation(
    "proxy-body-size", grammar.SIZE, 1 << 20, _R, _L, "Longest request body; a longer one gets 413. 0: no limit."
)
CONNECT_TIMEOUT = Annotation("proxy-connect-timeout", grammar.SECONDS, 5, _R, _L, "Seconds to connect to an endpoint.")
SEND_TIMEOUT = Annotation(
    "proxy-send-timeout", grammar.SECONDS, 60, _R, _L, "Seconds between two writes to an endpoint."
)
READ_TIMEOUT = Annotation(
    "proxy-read-timeout", grammar.SECONDS, 60, _R, _L, "Seconds between two reads from an endpoint; then 504."
)
NEXT_UPSTREAM = Annotation(
    "proxy-next-upstream",
    grammar.words(*NEXT_UPSTREAM_WORDS),
    ("error", "timeout"),
    _R,
    _L,
    "When another endpoint is tried (nginx's words); only for idempotent requests, unless `non_idempotent` is there.",
)
NEXT_UPSTREAM_TRIES = Annotation(
    "proxy-next-upstream-tries", grammar.integer(0, 1000), 3, _R, _L, "Attempts, the first included. 0: no bound."
)
NEXT_UPSTREAM_TIMEOUT = Annotation(
    "proxy-next-upstream-timeout",
    grammar.integer(0, 2147483),
    0,
    _R,
    _L,
    "Seconds after which no further attempt is made. 0: no bound.",
)
SERVICE_UPSTREAM = Annotation(
    "service-upstream",
    grammar.BOOLEAN,
    False,
    _R,
    _I,
    "Requests are sent to the Service's cluster IP instead of its endpoints, so that the cluster chooses among them. "
    "A Service without one has its endpoints asked.",
)
CONNECTION = Annotation(
    "connection-proxy-header",
    grammar.pattern(
        r"(?=.{1,256}\Z)[A-Za-z][A-Za-z-]*(?: *, *[A-Za-z][A-Za-z-]*)*", "a value like keep-alive or close"
    ),
    "",
    _R,
    _L,
    "Connection header for the endpoints.",
)

FAMILY = (
    PROTOCOL,
    VHOST,
    BODY_SIZE,
    CONNECT_TIMEOUT,
    SEND_TIMEOUT,
    READ_TIMEOUT,
    NEXT_UPSTREAM,
    NEXT_UPSTREAM_TRIES,
    NEXT_UPSTREAM_TIMEOUT,
    SERVICE_UPSTREAM,
    CONNECTION,
)


def upstream_of(
    values: Values, defaults: Upstream, plane: str, findings: Findings, *, retry_all: bool = False
) -> Upstream:
    """`defaults` come from the ConfigMap; the same value is given back when nothing differs.

    `retry_all`: requests that are not idempotent are tried again, too.
    """
    protocol, tls = _protocol(values, plane, findings)
    made = Upstream(
        tls=tls,
        protocol=protocol,
        buffering=buffering_of(values, defaults.buffering, findings),
        http10=values.get_or(HTTP_VERSION, "1.0" if defaults.http10 else "1.1") == "1.0",
        connect_timeout=float(values.get_or(CONNECT_TIMEOUT, int(defaults.connect_timeout))),
        send_timeout=float(values.get_or(SEND_TIMEOUT, int(defaults.send_timeout))),
        read_timeout=float(values.get_or(READ_TIMEOUT, int(defaults.read_timeout))),
        tries=values.get_or(NEXT_UPSTREAM_TRIES, defaults.tries),
        tries_timeout=float(values.get_or(NEXT_UPSTREAM_TIMEOUT, int(defaults.tries_timeout))),
        next_upstream=values.get_or(NEXT_UPSTREAM, defaults.next_upstream),
        vhost=values.get(VHOST),
        connection=values.get(CONNECTION),
    )
    if retry_all and "non_idempotent" not in made.next_upstream and made.next_upstream != ("off",):
        made = replace(made, next_upstream=(*made.next_upstream, "non_idempotent"))
    return defaults if made == defaults else made


def _protocol(values: Values, plane: str, findings: Findings) -> tuple[Protocol, bool]:
    """What the plane speaks, and whether in TLS."""
    word = values.get(PROTOCOL)
    if word in ("HTTP", "HTTPS"):
        return Protocol.HTTP, word == "HTTPS"
    if word == "AUTO_HTTP":
        return Protocol.AUTO_HTTP, False
    if plane == "nginx":
        return Protocol.FCGI if word == "FCGI" else Protocol.GRPC, word == "GRPCS"
    text = f"{word} needs the nginx plane (--plane nginx), expected HTTP or HTTPS; it counts as HTTP"
    findings.error(values.source(PROTOCOL), "backend-protocol-unsupported", text)
    return Protocol.HTTP, False
