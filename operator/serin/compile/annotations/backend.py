"""How endpoints are spoken to and tried: protocol, Host, timeouts, retries, size of request bodies."""

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import LETTERS
from serin.compile.annotations.model import Annotation, Concern, Scope, Values, unsupported
from serin.compile.findings import Findings
from serin.routing.plan import Upstream

_R, _C, _I, _L = Concern.ROUTING, Concern.COSMETIC, Scope.INGRESS, Scope.LOCATION

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
    "How the endpoints are spoken to: `HTTP` or `HTTPS` (their certificate is not checked). "
    "`AUTO_HTTP` counts as HTTP; `GRPC`, `GRPCS` and `FCGI` are not supported and count as HTTP.",
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
SERVICE_UPSTREAM = unsupported("service-upstream", _R, _I, "Send to the Service's cluster IP.", neutral=("false",))

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
    unsupported("client-body-buffer-size", _C, _L, "Memory for a request body; Serin streams bodies."),
    unsupported("connection-proxy-header", _R, _L, "Connection header for the endpoints."),
    unsupported("proxy-buffer-size", _C, _L, "Memory for an answer's headers."),
    unsupported("proxy-buffering", _C, _L, "Serin streams answers.", neutral=("off",)),
    unsupported("proxy-buffers-number", _C, _L, "Number of buffers for an answer."),
    unsupported("proxy-busy-buffers-size", _C, _L, "Buffers that may be busy."),
    unsupported("proxy-http-version", _R, _L, "HTTP version towards the endpoints.", neutral=("1.1",)),
    unsupported("proxy-max-temp-file-size", _C, _L, "Serin writes no temporary files."),
    unsupported("proxy-request-buffering", _C, _L, "Serin streams requests.", neutral=("on", "off")),
)


def upstream_of(values: Values, defaults: Upstream, findings: Findings) -> Upstream:
    """`defaults` come from the ConfigMap; the same value is given back when nothing differs."""
    protocol = values.get(PROTOCOL)
    if protocol == "AUTO_HTTP":
        text = "counts as HTTP: whether to use TLS is not derived from the request; write HTTP or HTTPS"
        findings.warning(values.source(PROTOCOL), "backend-protocol-unsupported", text)
    elif protocol not in ("HTTP", "HTTPS"):
        text = f"{protocol} is not supported, expected HTTP or HTTPS; it counts as HTTP"
        findings.error(values.source(PROTOCOL), "backend-protocol-unsupported", text)
    made = Upstream(
        tls=protocol == "HTTPS",
        connect_timeout=float(values.get_or(CONNECT_TIMEOUT, int(defaults.connect_timeout))),
        send_timeout=float(values.get_or(SEND_TIMEOUT, int(defaults.send_timeout))),
        read_timeout=float(values.get_or(READ_TIMEOUT, int(defaults.read_timeout))),
        tries=values.get_or(NEXT_UPSTREAM_TRIES, defaults.tries),
        tries_timeout=float(values.get_or(NEXT_UPSTREAM_TIMEOUT, int(defaults.tries_timeout))),
        next_upstream=values.get_or(NEXT_UPSTREAM, defaults.next_upstream),
        vhost=values.get(VHOST),
    )
    return defaults if made == defaults else made
