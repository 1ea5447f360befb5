"""What concerns a host as a whole, and where else requests may go: aliases, default backends, error pages, mirrors."""

from serin.compile.annotations import grammar
from serin.compile.annotations.model import Annotation, Concern, Scope, unsupported

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

_MIRROR = "Copies of requests to another place."

FAMILY = (
    SERVER_ALIAS,
    unsupported("custom-http-errors", _R, _L, "Statuses that the default backend answers."),
    unsupported("default-backend", _R, _L, "Service that answers when the own one has no endpoints."),
    unsupported("disable-proxy-intercept-errors", _R, _L, "No error pages for this location.", neutral=("false",)),
    unsupported("custom-headers", _R, _L, "Answer headers from a ConfigMap."),
    unsupported("mirror-host", _R, _I, _MIRROR),
    unsupported("mirror-request-body", _R, _I, _MIRROR),
    unsupported("mirror-target", _R, _I, _MIRROR),
    unsupported("proxy-cookie-domain", _R, _L, "Domain of the endpoints' cookies.", neutral=("off",)),
    unsupported("proxy-cookie-path", _R, _L, "Path of the endpoints' cookies.", neutral=("off",)),
    unsupported("proxy-redirect-from", _R, _L, "Location headers of the endpoints.", neutral=("off",)),
    unsupported("proxy-redirect-to", _R, _L, "Location headers of the endpoints."),
    unsupported("relative-redirects", _R, _L, "Location headers without scheme and host.", neutral=("false",)),
    unsupported("use-port-in-redirects", _R, _L, "Port in redirects.", neutral=("false",)),
    unsupported("fastcgi-index", _R, _L, "FastCGI."),
    unsupported("fastcgi-params-configmap", _R, _L, "FastCGI."),
    unsupported("http2-push-preload", _C, _L, "No client takes HTTP/2 push any more."),
    unsupported("enable-access-log", _C, _L, "Access log of the location.", neutral=("true",)),
    unsupported("enable-rewrite-log", _C, _L, "nginx's own log of rewrites.", neutral=("false",)),
    unsupported("enable-opentelemetry", _C, _L, "Tracing.", neutral=("false",)),
    unsupported("opentelemetry-operation-name", _C, _L, "Tracing."),
    unsupported("opentelemetry-trust-incoming-span", _C, _L, "Tracing."),
    unsupported("enable-cors", _R, _I, "CORS answers.", neutral=("false",), instead="answer CORS in the application"),
    unsupported("cors-allow-credentials", _R, _I, "CORS."),
    unsupported("cors-allow-headers", _R, _I, "CORS."),
    unsupported("cors-allow-methods", _R, _I, "CORS."),
    unsupported("cors-allow-origin", _R, _I, "CORS."),
    unsupported("cors-expose-headers", _R, _I, "CORS."),
    unsupported("cors-max-age", _R, _I, "CORS."),
)
