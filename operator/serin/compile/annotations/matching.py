"""How paths are read and rewritten on the way: regular expressions, rewrites, app-root, X-Forwarded-Prefix."""

import re

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import LETTERS
from serin.compile.annotations.model import Annotation, Concern, Scope, Values
from serin.compile.findings import Findings
from serin.routing.plan import AppRoot

_R = Concern.ROUTING
_VARIABLE = re.compile(r"\$(?![0-9])")
_NO_GROUP = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
"""What a parenthesis may stand in without opening a group: escapes and classes."""
_GROUP = re.compile(r"\((?![?*])|\(\?(?:P?<(?![=!])|')")
_ABSOLUTE = re.compile(r"https?://")


def _target(text: str) -> str | None:
    read = grammar.characters(rf"{LETTERS}$", "").read(text)
    if read is None or _VARIABLE.search(read):
        return None
    return read if read.startswith("/") or _ABSOLUTE.match(read) else "/" + read


REWRITE_TARGET = Annotation(
    "rewrite-target",
    grammar.Grammar(_target, "a path or http(s) URL of letters, digits, - . _ ~ / : and $0 to $9"),
    "",
    _R,
    Scope.INGRESS,
    "Path that is sent on instead of the request's; `$1` is what the first group of the rule's path took. "
    "A URL is answered with 302. Turns all paths of the host into regular expressions.",
)
USE_REGEX = Annotation(
    "use-regex",
    grammar.BOOLEAN,
    False,
    _R,
    Scope.LOCATION,
    "Paths are regular expressions: without regard to case, from the start of the path, open at its end. "
    "Holds for **all** Ingresses of the host.",
)
APP_ROOT = Annotation(
    "app-root",
    grammar.pattern(rf"/[{LETTERS}]*", "a path"),
    "",
    _R,
    Scope.LOCATION,
    "302 from `/` to this path, before a redirect to https.",
)
X_FORWARDED_PREFIX = Annotation(
    "x-forwarded-prefix",
    grammar.characters(rf"{LETTERS}$", "a path"),
    "",
    _R,
    Scope.LOCATION,
    "X-Forwarded-Prefix for the endpoint, on routes with a `rewrite-target`.",
)

FAMILY = (REWRITE_TARGET, USE_REGEX, APP_ROOT, X_FORWARDED_PREFIX)


def app_root_of(values: Values) -> AppRoot | None:
    return AppRoot(values.get(APP_ROOT), values.source(APP_ROOT)) if values.get(APP_ROOT) else None


def forwarded_prefix_of(values: Values, findings: Findings) -> str:
    """Sent only where the path is rewritten, as ingress-nginx does."""
    prefix = values.get(X_FORWARDED_PREFIX)
    if prefix and not values.get(REWRITE_TARGET):
        text = "is sent only beside rewrite-target, which is absent; no header is sent"
        findings.warning(values.source(X_FORWARDED_PREFIX), "forwarded-prefix-unused", text)
        return ""
    return prefix


def missing_groups(pattern: str, target: str) -> tuple[str, ...]:
    """The `$1` to `$9` of a rewrite target for which the path, taken as a pattern, has no group."""
    plain = _NO_GROUP.sub("", pattern)
    groups = len(_GROUP.findall(plain))
    return tuple(f"${n}" for n in sorted(set(re.findall(r"\$([1-9])", target))) if int(n) > groups)


def is_absolute(target: str) -> bool:
    """Whether a rewrite target is a URL, which is answered with 302."""
    return _ABSOLUTE.match(target) is not None
