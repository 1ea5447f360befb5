"""What a request meets before a version is chosen, in one order for the proxy and for `explain`.

Observed on ingress-nginx: methods and built-in paths, from-to-www, then on its route: body limit, closed, slash
redirect, app-root, permanent or temporal redirect, rewrite to an absolute URL, and only then the redirect to https.
What passes goes on to authentication (not here) and to the endpoint, with its target as sent or rewritten; where there
is nothing to go on to, the answer is 404.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from serin.errors import SerinError
from serin.refs import Source
from serin.routing.paths import escape, escape_away, query
from serin.routing.plan import Globals, Host, Policy, Rewrite, Route, UrlRedirect
from serin.routing.search import PatternMaker, Searcher, Spans, make_searcher

_GROUP = re.compile(rb"\$([0-9])")
_BUILT_IN = frozenset((b"/healthz", b"/nginx_status"))
_PORT = re.compile(rb":[^:\]]*\Z")


UNROUTED_BODY = 1024 * 1024
"""Bytes. Longest announced body of a request that no route takes; what is longer gets 413, as in ingress-nginx."""


class Cause(StrEnum):
    """Why a request is answered without an endpoint."""

    METHOD = "method"
    BUILT_IN = "built-in"
    WWW = "from-to-www-redirect"
    BODY = "body-limit"
    CLOSED = "closed"
    SLASH = "slash-redirect"
    APP_ROOT = "app-root"
    REDIRECT = "redirect"
    REWRITE = "rewrite"
    PATTERN = "pattern-failed"
    TLS = "tls-redirect"
    NO_SERVICE = "no-service"


@dataclass(slots=True)
class Asked:
    """A request as the rules of this module need it.

    `host` is lower-case without port and trailing dot, `host_header` as sent; `target` in origin form as sent, `path`
    normalised; `content_length` is -1 when the client did not say.
    """

    method: str
    tls: bool
    host: str
    host_header: bytes
    target: bytes
    path: bytes
    content_length: int = -1
    server_port: int = 0
    """Of the listening side, as clients see it; 0: the scheme's own."""
    secure: bool | None = None
    """Whether the client uses TLS, as who stands before us says; None: as `tls`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer. `location` is empty for none; `body` None: the page of the status."""

    status: int
    cause: Cause
    location: bytes = b""
    body: bytes | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Pass:
    """On to the endpoint with this target. `path`: the rewritten path before it was escaped, None without a rewrite."""

    target: bytes
    path: bytes | None = None
    source: Source | None = None


def before_routing(asked: Asked, host: Host | None, settings: Globals) -> Reply | None:
    """What answers whatever the routes of `host` are (None: no host takes the request); None: go on to them.

    `/healthz` and `/nginx_status` belong to the catch-all host and beat its routes, as in ingress-nginx.
    """
    if asked.method == "TRACE":
        return Reply(405, Cause.METHOD)
    if host is None or host.name == "":
        if asked.path in _BUILT_IN and asked.content_length > UNROUTED_BODY:
            return Reply(413, Cause.BODY)
        if asked.path == b"/healthz":
            return Reply(200, Cause.BUILT_IN, body=b"")
        if asked.path == b"/nginx_status":
            return Reply(403, Cause.BUILT_IN)
    if host is not None and host.www is not None:
        port = settings.www_https_port if asked.tls else settings.www_http_port
        location = b"%b://%b:%d%b" % (_scheme(asked), host.www.host.encode(), port, _without_slash(asked.target))
        return Reply(host.www.code, Cause.WWW, location, source=host.www.source)
    return None


def without_route(asked_length: int) -> int:
    """The status of a request that no route takes; `asked_length` is its Content-Length, -1 when it has none."""
    return 413 if asked_length > UNROUTED_BODY else 404


def rewrite_searcher(route: Route, patterns: PatternMaker) -> Searcher | None:
    """The compiled pattern of the route's rewrite, to be made once for `before_proxying`."""
    rewrite = route.policy.rewrite
    return None if rewrite is None else make_searcher(patterns, rewrite.pattern, ignore_case=True)


def before_proxying(route: Route, asked: Asked, settings: Globals, rewrite: Searcher | None) -> Reply | Pass:
    """What the request meets on its route. `rewrite` is the route's `rewrite_searcher`."""
    policy = route.policy
    if 0 < policy.max_body < asked.content_length:
        return Reply(413, Cause.BODY, source=route.source)
    if policy.closed is not None:
        return Reply(policy.closed.status, Cause.CLOSED, source=policy.closed.source)
    if route.slash_redirect:
        location = _origin(policy, asked, settings) + escape(asked.path) + b"/" + _arguments(asked.target)
        return Reply(301, Cause.SLASH, location, source=route.source)
    if policy.app_root is not None and asked.path == b"/":
        host = asked.host_header or asked.host.encode()
        location = b"%b://%b%b" % (_scheme(asked), host, policy.app_root.path.encode())
        return Reply(302, Cause.APP_ROOT, location, source=policy.app_root.source)
    if policy.redirect is not None:
        return _redirect(policy, policy.redirect, asked, settings)
    passed = Pass(asked.target)
    if policy.rewrite is not None and rewrite is not None:
        rewritten = _rewrite(policy.rewrite, asked, rewrite)
        if isinstance(rewritten, Reply):
            return rewritten
        passed = rewritten
    secure = asked.tls if asked.secure is None else asked.secure
    if policy.tls_redirect is not None and not secure and not _among(asked.host, policy.tls_redirect.spared):
        return _to_https(
            policy.tls_redirect.code, policy.tls_redirect.keep_slash, policy.tls_redirect.source, asked, settings
        )
    if route.split is None and not _guarded(policy):
        return Reply(404, Cause.NO_SERVICE, source=route.source)
    return passed


def _guarded(policy: Policy) -> bool:
    """Whether somebody is asked, or counts, before the answer that nothing is there."""
    access = policy.access
    return bool(policy.auth or access.allow or access.deny or policy.limits or policy.external_auth)


def _redirect(policy: Policy, redirect: UrlRedirect, asked: Asked, settings: Globals) -> Reply:
    location = redirect.url.encode()
    if redirect.code == 300:
        return Reply(redirect.code, Cause.REDIRECT, body=location, source=redirect.source)
    if location.startswith(b"/"):
        location = _origin(policy, asked, settings) + location
    return Reply(redirect.code, Cause.REDIRECT, location, source=redirect.source)


def _rewrite(rewrite: Rewrite, asked: Asked, searcher: Searcher) -> Reply | Pass:
    """Without a match the request goes on as it is. A pattern that cannot be run answers 500: nobody knows the path."""
    try:
        spans = searcher.search(asked.path)
    except SerinError:
        return Reply(500, Cause.PATTERN, source=rewrite.source)
    if spans is None:
        return Pass(asked.target)
    if rewrite.absolute:
        written = asked.target.partition(b"?")[0]
        encode = escape_away if b"%" in written or b"+" in written else None
        location = _expand(rewrite.target, asked.path, spans, encode) + _arguments(asked.target)
        return Reply(302, Cause.REWRITE, location, source=rewrite.source)
    path = _expand(rewrite.target, asked.path, spans, None)
    if not path.startswith(b"/"):
        path = b"/" + path
    return Pass(escape(path) + _arguments(asked.target), path, rewrite.source)


def _expand(target: str, path: bytes, spans: Spans, encode: Callable[[bytes], bytes] | None) -> bytes:
    """`$0` to `$9` become the groups of the match; a group that is missing or took no part is empty."""

    def group(found: re.Match[bytes]) -> bytes:
        number = int(found[1])
        start, end = spans[number] if number < len(spans) else (-1, -1)
        text = path[start:end] if start >= 0 else b""
        return text if encode is None else encode(text)

    return _GROUP.sub(group, target.encode())


def _to_https(code: int, keep_slash: bool, source: Source, asked: Asked, settings: Globals) -> Reply:
    """The host as sent, without its port; one slash at the target's end goes (`/a/?b` has none there)."""
    host = _PORT.sub(b"", asked.host_header) or asked.host.encode()
    port = b":%d" % settings.https_port if settings.https_port else b""
    target = asked.target if keep_slash else _without_slash(asked.target)
    return Reply(code, Cause.TLS, b"https://" + host + port + target, source=source)


def _among(host: str, names: tuple[str, ...]) -> bool:
    return any(host == name or (name.startswith("**.") and host.endswith(name[2:])) for name in names)


def _origin(policy: Policy, asked: Asked, settings: Globals) -> bytes:
    """`scheme://host` as nginx completes a relative Location: host in lower case, the port only where it is asked for.

    Nothing with relative-redirects. A port that is the scheme's own is never written.
    """
    if not asked.host or policy.relative_redirects:
        return b""
    port = settings.https_port if asked.tls else 0
    if policy.port_in_redirects and not port and asked.server_port != (443 if asked.tls else 80):
        port = asked.server_port
    return _scheme(asked) + b"://" + asked.host.encode() + (b":%d" % port if port else b"")


def _scheme(asked: Asked) -> bytes:
    return b"https" if asked.tls else b"http"


def _without_slash(target: bytes) -> bytes:
    return target[:-1] if target.endswith(b"/") else target


def _arguments(target: bytes) -> bytes:
    """The query with its `?`, or nothing when it is empty."""
    text = query(target)
    return text if len(text) > 1 else b""
