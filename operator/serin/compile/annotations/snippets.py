"""Raw nginx configuration. Never supported: one tenant's text must not be able to change another's routes.

A snippet that lets in or keeps out is an access rule and closes the routes; any other one has no effect.
"""

import re

from serin.compile.annotations.model import Concern, Scope, unsupported

_DIRECTIVE = re.compile(
    r"(?:^|[\s;{}])(?:allow|deny|return|satisfy|auth_\w+|limit_\w+|secure_link\w*|ssl_verify\w*|access_by_\w+|modsecurity\w*)\b"
)
_R = Concern.ROUTING
_INSTEAD = "use the annotation for it: rewrite-target, permanent-redirect, proxy-read-timeout, upstream-vhost, …"


def guards(snippet: str) -> bool:
    """Whether the text holds a directive that decides who may come in."""
    return _DIRECTIVE.search(snippet) is not None


FAMILY = (
    unsupported(
        "configuration-snippet", _R, Scope.LOCATION, "Raw nginx text of a location.", instead=_INSTEAD, guards=guards
    ),
    unsupported("server-snippet", _R, Scope.INGRESS, "Raw nginx text of a host.", instead=_INSTEAD, guards=guards),
    unsupported("stream-snippet", _R, Scope.INGRESS, "Raw nginx text for TCP and UDP.", guards=guards),
    unsupported(
        "auth-snippet",
        Concern.ACCESS,
        Scope.LOCATION,
        "Raw nginx text of the question to `auth-url`, which may decide its answer.",
        instead="use auth-proxy-set-headers for headers, auth-method for the method",
    ),
)
