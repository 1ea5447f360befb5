"""Access rules of ingress-nginx that Serin does not honour yet: they close the routes, never open them.

Parts of such a rule that do nothing alone (a header list of auth-url, a burst) are of class routing: the rule itself
closes the routes.
"""

from serin.compile.annotations.model import Concern, Scope, unsupported

_A, _R, _C = Concern.ACCESS, Concern.ROUTING, Concern.COSMETIC
_I, _L = Scope.INGRESS, Scope.LOCATION
_EXTERNAL = "Part of external authentication (`auth-url`)."
_NETWORK = "keep others out with a NetworkPolicy or in front of Serin"

FAMILY = (
    unsupported("allowlist-source-range", _A, _L, "Only these sources may come in.", instead=_NETWORK),
    unsupported("denylist-source-range", _A, _L, "These sources may not come in.", instead=_NETWORK),
    unsupported(
        "satisfy",
        _R,
        _L,
        "How lists and authentication count together; Serin asks for all of them.",
        neutral=("all",),
    ),
    unsupported(
        "auth-url", _A, _L, "External authentication.", instead="use auth-type: basic, or ask in the application"
    ),
    unsupported("auth-signin", _R, _L, _EXTERNAL),
    unsupported("auth-signin-redirect-param", _R, _L, _EXTERNAL),
    unsupported("auth-method", _R, _L, _EXTERNAL),
    unsupported("auth-response-headers", _R, _L, _EXTERNAL),
    unsupported("auth-proxy-set-headers", _R, _L, _EXTERNAL),
    unsupported("auth-request-redirect", _R, _L, _EXTERNAL),
    unsupported("auth-always-set-cookie", _R, _L, _EXTERNAL, neutral=("false",)),
    unsupported("auth-cache-duration", _R, _L, _EXTERNAL),
    unsupported("auth-cache-key", _R, _L, _EXTERNAL),
    unsupported("auth-keepalive", _R, _L, _EXTERNAL),
    unsupported("auth-keepalive-requests", _R, _L, _EXTERNAL),
    unsupported("auth-keepalive-share-vars", _R, _L, _EXTERNAL),
    unsupported("auth-keepalive-timeout", _R, _L, _EXTERNAL),
    unsupported("enable-global-auth", _R, _L, "Takes part in the ConfigMap's external authentication."),
    unsupported("limit-connections", _A, _L, "Connections at a time of one client.", neutral=("0",)),
    unsupported("limit-rpm", _A, _L, "Requests a minute of one client.", neutral=("0",)),
    unsupported("limit-rps", _A, _L, "Requests a second of one client.", neutral=("0",)),
    unsupported("limit-burst-multiplier", _R, _L, "Burst of the limits."),
    unsupported("limit-allowlist", _R, _L, "Clients without limits."),
    unsupported("limit-rate", _R, _L, "Bandwidth of an answer.", neutral=("0",)),
    unsupported("limit-rate-after", _R, _L, "Bytes before `limit-rate` counts.", neutral=("0",)),
    unsupported("enable-modsecurity", _A, _I, "Web application firewall.", neutral=("false",)),
    unsupported("enable-owasp-core-rules", _A, _I, "Web application firewall.", neutral=("false",)),
    unsupported("modsecurity-snippet", _A, _I, "Web application firewall."),
    unsupported("modsecurity-transaction-id", _C, _I, "Web application firewall."),
)
