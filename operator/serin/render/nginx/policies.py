"""What a route's policy becomes inside its location: the answers given before an endpoint is asked, in their order.

The order is routing.outcome's; nginx keeps it because it works off `set`, `return`, `if` and `rewrite` as they stand.
A request's path stands in no answer but as `$request_uri` or escaped by nginx: decoded, it may hold a line end.
"""

import re
from dataclasses import dataclass

from serin.render.nginx.bounds import cost, nginx_may_run
from serin.render.nginx.environment import MAX_TOKEN, one_line, token_length
from serin.render.nginx.spec import encode
from serin.render.nginx.syntax import Choice, UnknownSyntaxError, parse
from serin.render.nginx.values import Pattern, Template, Text, Variable
from serin.routing.paths import escape
from serin.routing.plan import PathKind, PathMatch, Policy, Rewrite, Route, TlsRedirect, UrlRedirect

_CHUNK = MAX_TOKEN // 16
"""Characters that surely fit a token: four bytes to a character, or sixteen to a `$`."""
_LOCATION_CODES = frozenset({301, 302, 303, 307, 308})
_CAPTURE = re.compile(r"\$([0-9])")


@dataclass(frozen=True, slots=True)
class Set:
    """`set $variable value`."""

    variable: Variable
    value: Template


@dataclass(frozen=True, slots=True)
class Answer:
    """`return code`, with a Location or a body. `without_hsts`: ingress-nginx answers before it sets that header."""

    code: int
    text: Template | None = None
    without_hsts: bool = False


@dataclass(frozen=True, slots=True)
class NativeRewrite:
    """`rewrite pattern target flag`; `single_slash`: a second slash at the start of the new path has to go."""

    pattern: Pattern
    target: Template
    absolute: bool
    single_slash: bool = False


def always(route: Route) -> Answer | None:
    """The answer that every request of the route gets, whatever it asks for; None: that depends."""
    policy = route.policy
    if policy.closed is not None:
        return Answer(policy.closed.status)
    if route.slash_redirect:
        path = escape(route.match.path.encode("utf-8", "replace")).decode("ascii")
        parts: tuple[str | Variable, ...] = (
            *_origin(policy, "serin_origin_port" if policy.port_in_redirects else "serin_origin"),
            path + "/",
            Variable("is_args"),
            Variable("args"),
        )
        return Answer(301, Template(parts))
    if policy.app_root is not None and route.match.path == "/":
        parts = (Variable("scheme"), "://", Variable("best_http_host"), policy.app_root.path)
        return Answer(302, Template(parts), without_hsts=True)
    if policy.redirect is not None:
        return Answer(policy.redirect.code, _redirect(policy.redirect, policy))
    return None


def _redirect(redirect: UrlRedirect, policy: Policy) -> Template:
    if redirect.code in _LOCATION_CODES and redirect.url.startswith("/"):
        return Template((*_origin(policy, "serin_origin"), redirect.url))
    return Template((redirect.url,))


def _origin(policy: Policy, name: str) -> tuple[Variable, ...]:
    """What a path in a Location begins with: nothing with relative-redirects."""
    return () if policy.relative_redirects else (Variable(name),)


def to_https(redirect: TlsRedirect) -> Answer:
    """The whole URL is a constant of the file."""
    name = "serin_https_url_as_sent" if redirect.keep_slash else "serin_https_url"
    return Answer(redirect.code, Template((Variable(name),)))


def rewrite_of(rewrite: Rewrite, match: PathMatch, *, lua: bool) -> NativeRewrite | None:
    """nginx's own `rewrite`; None where it cannot be trusted with the pattern, or has no way to say the target."""
    if len(rewrite.pattern) > _CHUNK or len(rewrite.target) > _CHUNK or not one_line(rewrite.target):
        return None
    pattern = f"^{rewrite.pattern}" if _is_begun(rewrite, match) else rewrite.pattern
    if not nginx_may_run(cost(pattern, False, ignore_case=True), lua=lua):
        return None
    target = rewrite.target
    if "$0" in target:
        if "(" in pattern:
            return None  # a group around the whole would renumber the others
        pattern, target = f"^({pattern[1:]})" if pattern[0] == "^" else f"({pattern})", target.replace("$0", "$1")
    opened = not rewrite.absolute and not target.startswith("/")
    return NativeRewrite(
        Pattern(pattern, "(?i)"), _target("/" + target if opened else target), rewrite.absolute, opened
    )


def _is_begun(rewrite: Rewrite, match: PathMatch) -> bool:
    """Whether every path in this location matches the pattern at its start, where a search finds it first."""
    same = match.path in (rewrite.pattern, rewrite.pattern.removesuffix("/") + "/")
    return match.kind is PathKind.REGEX and same and _is_one_branch(rewrite.pattern)


def _is_one_branch(pattern: str) -> bool:
    """Without `|` outside of a group: `^` put before it holds for all of it."""
    try:
        return not isinstance(parse(pattern, ignore_case=True), Choice)
    except UnknownSyntaxError:
        return False


def _target(target: str) -> Template:
    """`$1` to `$9` are the groups; what has a meaning to nginx beside them comes by constants."""
    parts: list[str | Variable] = []
    for position, piece in enumerate(_CAPTURE.split(target)):
        if position % 2:
            parts.append(Variable(piece))
        elif piece:
            literal, *rest = piece.split("?")
            parts.append(literal)
            for more in rest:
                parts += (Variable("serin_question"), more)
    return Template(tuple(parts))


def lua_rewrite(rewrite: Rewrite) -> str:
    """The text of $serin_rewrite."""
    return f"{encode(rewrite.pattern)}:{encode(rewrite.target)}:{int(rewrite.absolute)}"


def realm(text: str) -> Text:
    """The text of `auth_basic`: quotes and backslashes escaped as in a header, and never `off`, which would open it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return Text("\\off" if escaped == "off" else escaped)


def chunks(variable: str, value: Template) -> tuple[tuple[Set, ...], Template]:
    """A text in as many `set` as it takes, none where it fits a token; and what to write in its place."""
    if token_length(value) <= MAX_TOKEN:
        return (), value
    pieces: list[str | Variable] = []
    for part in value.parts:
        if isinstance(part, Variable):
            pieces.append(part)
        else:
            pieces += (part[at : at + _CHUNK] for at in range(0, len(part), _CHUNK))
    name = Variable(variable)
    sets = [Set(name, Template((pieces[0],)))]
    sets += [Set(name, Template((name, piece))) for piece in pieces[1:]]
    return tuple(sets), Template((name,))
