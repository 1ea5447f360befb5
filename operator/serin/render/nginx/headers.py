"""Where the header lines of one route differ from those that all routes send (dataplane/proxy/headers.py).

nginx inherits all such lines or none, so that a route with a difference writes the whole family (headers.j2).
"""

from dataclasses import dataclass

from serin.render.nginx.keys import key_text
from serin.render.nginx.values import Template, Variable
from serin.routing.plan import ClientAuth, HashBy, Route
from serin.routing.variables import split_variables

_DECODED = frozenset({"uri", "document_uri"})


@dataclass(frozen=True, slots=True)
class Headers:
    """`host`: the Host sent on; `prefix`: X-Forwarded-Prefix. `client_certificate` None: the host asks for none."""

    host: Template
    prefix: Template | None = None
    authorization: bool = True
    client_certificate: bool | None = None


USUAL = Headers(Template((Variable("best_http_host"),)))


def headers_of(route: Route, client_auth: ClientAuth | None) -> Headers | None:
    """None where the usual lines are right."""
    policy = route.policy
    prefix = Template((policy.forwarded_prefix,)) if policy.forwarded_prefix else None
    certificate = None if client_auth is None else policy.pass_client_certificate
    found = Headers(sent_host(route) or USUAL.host, prefix, policy.auth is None, certificate)
    return None if found == USUAL else found


def sent_host(route: Route) -> Template | None:
    """upstream-vhost, None where there is none. A decoded path gets into a header without its control characters."""
    vhost = route.policy.upstream.vhost
    if not vhost:
        return None
    parts = key_text(route, HashBy(split_variables(vhost))).parts
    return Template(tuple(Variable("serin_uri_line") if _is_decoded(part) else part for part in parts))


def _is_decoded(part: str | Variable) -> bool:
    return isinstance(part, Variable) and part.name in _DECODED
