"""Where the header lines of one route differ from those that all routes send (dataplane/proxy/headers.py).

nginx inherits all such lines or none, so that a route with a difference writes the whole family (headers.j2).
"""

from dataclasses import dataclass, replace

from serin.render.nginx.blocks import header_variable
from serin.render.nginx.keys import key_text
from serin.render.nginx.values import Template, Variable
from serin.routing.plan import ClientAuth, HashBy, Route
from serin.routing.variables import split_variables
from serin.routing.wide import Forwarding

_SCHEME, _ADDRESS, _FORWARDED = Variable("scheme"), Variable("remote_addr"), Variable("http_x_forwarded_for")
_DECODED = frozenset({"uri", "document_uri"})


@dataclass(frozen=True, slots=True)
class Given:
    """A header line in the place of those of its name; `name` is out of letters, digits, `-` and `_`."""

    name: str
    value: Template


@dataclass(frozen=True, slots=True)
class Headers:
    """`host`: the Host sent on; `prefix`: X-Forwarded-Prefix. `client_certificate` None: the host asks for none.

    `scheme`, `forwarded_for`, `original_for`: what X-Forwarded-Proto, -For and X-Original-Forwarded-For are made of,
    which depends on whose word is taken (Forwarding).
    """

    host: Template
    prefix: Template | None = None
    authorization: bool = True
    client_certificate: bool | None = None
    given: tuple[Given, ...] = ()
    scheme: Variable = _SCHEME
    forwarded_for: Variable = _ADDRESS
    original_for: Variable = _FORWARDED

    @property
    def replaced(self) -> frozenset[str]:
        """Names in lower case of the lines that `given` stands for."""
        return frozenset(given.name.lower() for given in self.given)


USUAL = Headers(Template((Variable("best_http_host"),)))


def usual_headers(forwarding: Forwarding) -> Headers:
    """Those of a route that asks for nothing of its own."""
    return replace(
        USUAL,
        scheme=Variable("pass_access_scheme") if forwarding.trust or forwarding.proxy_protocol else USUAL.scheme,
        forwarded_for=Variable("full_x_forwarded_for") if is_full(forwarding) else USUAL.forwarded_for,
        original_for=Variable(header_variable(forwarding.header)),
    )


def is_full(forwarding: Forwarding) -> bool:
    """Whether the client's X-Forwarded-For is sent on, with our own peer behind it."""
    return forwarding.trust and forwarding.full


def headers_of(
    route: Route, client_auth: ClientAuth | None, usual: Headers = USUAL, given: tuple[Given, ...] = ()
) -> Headers | None:
    """None where the usual lines are right."""
    policy = route.policy
    asked = policy.forwarded_prefix or policy.auth or policy.upstream.vhost or policy.upstream.connection
    if not (asked or client_auth or given):
        return None
    prefix = Template((policy.forwarded_prefix,)) if policy.forwarded_prefix else None
    certificate = None if client_auth is None else policy.pass_client_certificate
    host = sent_host(route) or usual.host
    if policy.upstream.connection:
        given = (Given("Connection", Template((policy.upstream.connection,))), *given)
    found = replace(
        usual,
        host=host,
        prefix=prefix,
        authorization=policy.auth is None,
        client_certificate=certificate,
        given=_joined(usual.given, given),
    )
    return None if found == usual else found


def _joined(usual: tuple[Given, ...], own: tuple[Given, ...]) -> tuple[Given, ...]:
    return tuple({line.name.lower(): line for line in (*usual, *own)}.values())


def sent_host(route: Route) -> Template | None:
    """upstream-vhost, None where there is none. A decoded path gets into a header without its control characters."""
    vhost = route.policy.upstream.vhost
    if not vhost:
        return None
    parts = key_text(route, HashBy(split_variables(vhost))).parts
    return Template(tuple(Variable("serin_uri_line") if _is_decoded(part) else part for part in parts))


def _is_decoded(part: str | Variable) -> bool:
    return isinstance(part, Variable) and part.name in _DECODED
