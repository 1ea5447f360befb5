"""The rules of a CanaryRoute. A match that cannot be read in every part matches nothing, and says so.

To drop the part alone would widen what the rest says: somebody's `never` must not become everybody's `always`.
"""

import ipaddress
import re
from collections.abc import Sequence

from serin.objects.fields import Fields, shorten
from serin.objects.views import CanaryFieldMatch, CanaryMatch, CanaryRule, MatchType, Meta

MOST_RULES = 16
MOST_MATCHES = 16
MOST_CONDITIONS = 8
LONGEST_PATTERN = 256
LONGEST_VALUE = 1024
LONGEST_NAME = 256

_RULE = frozenset(("version", "matches"))
_MATCH = frozenset(("headers", "cookies", "queryParams", "method", "clientCIDRs"))
_CONDITION = frozenset(("name", "type", "value"))
_TYPES = tuple(MatchType)
_NAMES = {
    "headers": ("letters, digits, - and _", re.compile(r"[A-Za-z0-9_-]+").fullmatch),
    "cookies": ("letters, digits and !#$%&'*+.^_`|~-", re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+").fullmatch),
    "queryParams": ("characters other than controls", re.compile(r"[^\x00-\x1f\x7f]+").fullmatch),
}
"""What a name is made of: of a header as far as proxies pass it on, of a cookie by RFC 6265 (a token)."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search
_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}").fullmatch
_NOTHING = "it matches no request"


def read_rules(spec: Fields, meta: Meta, versions: Sequence[str]) -> tuple[CanaryRule, ...]:
    """The rules of which at least one match can be read. `versions`: the names of those that there are."""
    found = []
    for number, fields in enumerate(spec.mappings("rules")):
        if number == MOST_RULES:
            text = f"expected at most {MOST_RULES} rules; this one and those after it match no request"
            fields.report.error(fields.path, "canaryroute-too-many", text)
            break
        rule = _rule(fields, meta, versions)
        if rule is not None:
            found.append(rule)
    return tuple(found)


def _rule(fields: Fields, meta: Meta, versions: Sequence[str]) -> CanaryRule | None:
    report, mark = fields.report, fields.report.mark
    fields.refuse_others(_RULE)
    version = fields.text("version")
    if version not in versions:
        shown = f", found {shorten(version)!r}" if version else ""
        text = f"expected one of the versions {', '.join(versions)}{shown}; {_NOTHING}"
        report.error(fields.at("version"), "canaryroute-version-unknown", text)
    if report.failed_since(mark):
        report.error(fields.path, "canaryroute-rule-unusable", f"this rule cannot be read; {_NOTHING}")
        return None
    matches = []
    for number, item in enumerate(fields.mappings("matches")):
        if number == MOST_MATCHES:
            text = f"expected at most {MOST_MATCHES} matches; this one and those after it match no request"
            report.error(item.path, "canaryroute-too-many", text)
            break
        match = _match(item, meta)
        if match is not None:
            matches.append(match)
    if not matches:
        text = f"expected at least one match that can be read; {_NOTHING}"
        report.error(fields.at("matches"), "canaryroute-rule-unusable", text)
        return None
    return CanaryRule(version, tuple(matches), meta.at(fields.path))


def _match(fields: Fields, meta: Meta) -> CanaryMatch | None:
    report, mark = fields.report, fields.report.mark
    fields.refuse_others(_MATCH)
    if not any(fields.has(key) for key in _MATCH):
        report.error(fields.path, "missing-field", f"expected some of {', '.join(sorted(_MATCH))}")
    match = CanaryMatch(
        headers=_conditions(fields, "headers", meta),
        cookies=_conditions(fields, "cookies", meta),
        query=_conditions(fields, "queryParams", meta),
        method=_method(fields),
        clients=_networks(fields),
        source=meta.at(fields.path),
    )
    if report.failed_since(mark):
        text = f"not all of this match can be read; {_NOTHING}"
        report.error(fields.path, "canaryroute-match-unusable", text)
        return None
    return match


def _conditions(fields: Fields, key: str, meta: Meta) -> tuple[CanaryFieldMatch, ...]:
    items = list(fields.mappings(key))
    _bound(fields, key, len(items))
    return tuple(_condition(item, meta, key) for item in items[:MOST_CONDITIONS])


def _bound(fields: Fields, key: str, count: int) -> None:
    if fields.has(key) and not 1 <= count <= MOST_CONDITIONS:
        text = f"expected 1 to {MOST_CONDITIONS} entries, found {count}"
        fields.report.error(fields.at(key), "canaryroute-too-many" if count else "missing-field", text)


def _condition(fields: Fields, meta: Meta, key: str) -> CanaryFieldMatch:
    """What could not be read is told; the match that it is in is dropped then."""
    report = fields.report
    fields.refuse_others(_CONDITION)
    name, kind, value = fields.text("name"), fields.text("type", MatchType.EXACT), fields.text("value")
    made_of, usable = _NAMES[key]
    if len(name) > LONGEST_NAME or not usable(name):
        text = f"expected a name of at most {LONGEST_NAME} {made_of}, found {shorten(name)!r}"
        report.error(fields.at("name"), "canaryroute-match-name", text)
    if kind not in _TYPES:
        text = f"expected one of {', '.join(_TYPES)}, found {shorten(kind)!r}"
        report.error(fields.at("type"), "canaryroute-match-type", text)
        kind = MatchType.EXACT
    wanted = _wanted_value(MatchType(kind))
    present = kind == MatchType.PRESENT
    longest = LONGEST_PATTERN if kind == MatchType.REGULAR_EXPRESSION else LONGEST_VALUE
    if present == fields.has("value") or (not present and not 0 < len(value) <= longest) or _CONTROL(value):
        report.error(fields.at("value"), "canaryroute-match-value", f"expected {wanted}")
    return CanaryFieldMatch(name, MatchType(kind), value, meta.at(fields.path))


def _wanted_value(kind: MatchType) -> str:
    match kind:
        case MatchType.PRESENT:
            return "no value with type Present"
        case MatchType.REGULAR_EXPRESSION:
            return f"a regular expression of 1 to {LONGEST_PATTERN} characters"
        case MatchType.EXACT:
            return f"a value of 1 to {LONGEST_VALUE} characters, none of them a control"


def _method(fields: Fields) -> str:
    method = fields.text("method")
    if fields.has("method") and not _METHOD(method):
        text = f"expected a method as it is sent (GET, POST, …: case counts), found {shorten(method)!r}"
        fields.report.error(fields.at("method"), "canaryroute-match-method", text)
    return method


def _networks(fields: Fields) -> tuple[str, ...]:
    found = []
    items = list(fields.texts("clientCIDRs"))
    _bound(fields, "clientCIDRs", len(items))
    for path, text in items:
        try:
            if "%" in text or "/" not in text:
                raise ValueError(text)
            found.append(str(ipaddress.ip_network(text, strict=False)))
        except ValueError:
            note = f"expected a network like 10.0.0.0/8 or 2001:db8::/32, found {shorten(text)!r}"
            fields.report.error(path, "canaryroute-match-network", note)
    return tuple(found)
