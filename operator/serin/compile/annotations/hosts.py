"""What concerns a host or its logs, and the shape of redirects that Serin makes itself."""

from typing import Any

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import BOOLEAN
from serin.compile.annotations.model import NGINX, Annotation, Concern, Scope

_R, _C, _I, _L = Concern.ROUTING, Concern.COSMETIC, Scope.INGRESS, Scope.LOCATION

SERVER_ALIAS = Annotation(
    "server-alias",
    grammar.HOSTS,
    (),
    _R,
    _I,
    "Further names of the host; its oldest Ingress that has any sets them. `*.` stands for one label or more. "
    "A name that is a host itself stays that host's. The redirect to https is for those that the certificate is for.",
)
RELATIVE = Annotation(
    "relative-redirects", BOOLEAN, False, _R, _L, "Serin's own Location headers have no scheme and host."
)
PORT = Annotation(
    "use-port-in-redirects", BOOLEAN, False, _R, _L, "Redirects to a path with its trailing slash carry the port."
)
ACCESS_LOG = Annotation("enable-access-log", BOOLEAN, True, _C, _L, "`false`: requests are not logged.")
REWRITE_LOG = Annotation(
    "enable-rewrite-log",
    BOOLEAN,
    False,
    _C,
    _L,
    "nginx tells of its rewrites in the error log.",
    planes=NGINX,
    neutral=frozenset({"false"}),
)
PUSH_PRELOAD = Annotation(
    "http2-push-preload", BOOLEAN, False, _C, _L, "Accepted, without effect: no client takes HTTP/2 push any more."
)

FAMILY: tuple[Annotation[Any], ...] = (SERVER_ALIAS, RELATIVE, PORT, ACCESS_LOG, REWRITE_LOG, PUSH_PRELOAD)
