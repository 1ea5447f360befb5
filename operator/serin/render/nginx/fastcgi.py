"""What endpoints that speak FastCGI are told: nginx's parameters, the header lines of every route, the user's own.

A parameter `HTTP_…` stands in the place of the client's header, so no client can say who it is, nor set HTTP_PROXY.
"""

import re

from serin.render.nginx.headers import Given, Headers
from serin.render.nginx.texts import fastcgi_text
from serin.render.nginx.values import Template, Text, Variable
from serin.routing.plan import Route

WORDS = frozenset(
    (
        *("error", "timeout", "invalid_header", "http_500", "http_503", "http_403", "http_404", "http_429"),
        *("non_idempotent", "off"),
    )
)
"""Of `fastcgi_next_upstream`."""
_NAME = re.compile(r"[A-Za-z0-9_]{1,100}").fullmatch
_INDEX = re.compile(r"[A-Za-z0-9_./-]{1,100}").fullmatch
_USUAL = (
    ("QUERY_STRING", "query_string"),
    ("REQUEST_METHOD", "request_method"),
    ("CONTENT_TYPE", "content_type"),
    ("CONTENT_LENGTH", "content_length"),
    ("SCRIPT_NAME", "fastcgi_script_name"),
    ("REQUEST_URI", "request_uri"),
    ("DOCUMENT_URI", "document_uri"),
    ("DOCUMENT_ROOT", "document_root"),
    ("SERVER_PROTOCOL", "server_protocol"),
    ("REQUEST_SCHEME", "scheme"),
    ("REMOTE_ADDR", "remote_addr"),
    ("REMOTE_PORT", "remote_port"),
    ("SERVER_ADDR", "server_addr"),
    ("SERVER_PORT", "pass_port"),
    ("SERVER_NAME", "host"),
    ("HTTP_X_REQUEST_ID", "req_id"),
    ("HTTP_X_REAL_IP", "remote_addr"),
    ("HTTP_X_FORWARDED_HOST", "best_http_host"),
    ("HTTP_X_FORWARDED_PORT", "pass_port"),
)
_FIXED = (
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("SERVER_SOFTWARE", "nginx"),
    ("REDIRECT_STATUS", "200"),
    ("HTTP_PROXY", ""),
)


def params(route: Route, headers: Headers) -> tuple[Given, ...]:
    """`headers`: the lines that endpoints of HTTP would get."""
    found = {name: Template((Variable(of),)) for name, of in _USUAL}
    found |= {name: Template((text,)) for name, text in _FIXED}
    found["HTTP_HOST"] = headers.host
    found["HTTP_X_FORWARDED_FOR"] = Template((headers.forwarded_for,))
    for name in ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_SCHEME", "HTTP_X_SCHEME"):
        found[name] = Template((headers.scheme,))
    found["HTTP_X_ORIGINAL_FORWARDED_FOR"] = Template((headers.original_for,))
    if headers.prefix is not None:
        found["HTTP_X_FORWARDED_PREFIX"] = headers.prefix
    if not headers.authorization:
        found["HTTP_AUTHORIZATION"] = Template(())
    for line in headers.given:
        found["HTTP_" + line.name.upper().replace("-", "_")] = line.value
    asked = route.policy.upstream.fastcgi
    for own in () if asked is None else asked.params:
        if _NAME(own.name):
            found[own.name] = fastcgi_text(route, own.value, headers)
    return tuple(Given(name, value) for name, value in found.items())


def index_of(route: Route) -> Text | None:
    """fastcgi-index, where nginx takes it."""
    asked = route.policy.upstream.fastcgi
    return Text(asked.index) if asked is not None and _INDEX(asked.index) else None


def words(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in given if word in WORDS) or ("off",)
