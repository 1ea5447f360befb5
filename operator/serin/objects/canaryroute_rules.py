"""The rules of a CanaryRoute. What cannot be read never sends a request away from home, and is told.

A match for another version that cannot be read in every part matches nothing: to drop the part alone would widen what
the rest says. One for home says who must stay there; when that is not known, whoever comes as far as this rule stays.
"""

import ipaddress
import re
from collections.abc import Sequence
from itertools import islice

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
_KEPT = "all requests that no rule before it decides stay home"


def read_rules(spec: Fields, meta: Meta, versions: Sequence[str]) -> tuple[tuple[CanaryRule, ...], bool]:
    """The rules of which at least one match can be read, as far as the first that keeps all at home; whether one does.

    `versions`: the names of those that there are, home first.
    """
    report, mark = spec.report, spec.report.mark
    listed = list(islice(spec.entries("rules"), MOST_RULES + 1))
    kept = not listed and report.failed_since(mark)
    if kept:
        report.error(spec.at("rules"), "canaryroute-rule-unusable", f"expected a list of rules; {_KEPT}")
    found: list[CanaryRule] = []
    for number, fields in enumerate(listed):
        path = spec.at(f"rules[{number}]")
        rule = None
        if number == MOST_RULES:
            kept = True
            report.error(path, "canaryroute-too-many", f"expected at most {MOST_RULES} rules; {_KEPT}")
        elif fields is None:
            kept = True
            report.error(path, "canaryroute-rule-unusable", f"expected a rule; {_KEPT}")
        else:
            rule, kept = _rule(fields, meta, versions)
        if rule is not None:
            found.append(rule)
        if kept:
            break
    return tuple(found), kept


def _rule(fields: Fields, meta: Meta, versions: Sequence[str]) -> tuple[CanaryRule | None, bool]:
    """The rule as far as it can be read, and whether it keeps all requests at home.

    One for a version that is not there is for home.
    """
    report, mark = fields.report, fields.report.mark
    home, version = versions[0], fields.text("version")
    if version not in versions:
        shown = f", found {shorten(version)!r}" if version else ""
        text = f"expected one of the versions {', '.join(versions)}{shown}; requests that it matches stay home"
        report.error(fields.at("version"), "canaryroute-version-unknown", text)
        version = home
    if version == home:
        fields.only(_RULE)
    else:
        fields.refuse_others(_RULE)
        if report.failed_since(mark):
            report.error(fields.path, "canaryroute-rule-unusable", f"this rule cannot be read; {_NOTHING}")
            return None, False
    outcome, mark = _KEPT if version == home else _NOTHING, report.mark
    matches = _matches(fields, meta, outcome)
    if not matches:
        text = f"expected at least one match that can be read; {outcome}"
        report.error(fields.at("matches"), "canaryroute-rule-unusable", text)
    rule = CanaryRule(version, matches, meta.at(fields.path)) if matches else None
    return rule, version == home and report.failed_since(mark)


def _matches(fields: Fields, meta: Meta, outcome: str) -> tuple[CanaryMatch, ...]:
    """Those that can be read; `outcome` says what the others do."""
    matches = []
    for number, item in enumerate(fields.mappings("matches")):
        if number == MOST_MATCHES:
            text = f"expected at most {MOST_MATCHES} matches, and does not look at the others; {outcome}"
            fields.report.error(item.path, "canaryroute-too-many", text)
            break
        match = _match(item, meta, outcome)
        if match is not None:
            matches.append(match)
    return tuple(matches)


def _match(fields: Fields, meta: Meta, outcome: str) -> CanaryMatch | None:
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
        text = f"not all of this match can be read; {outcome}"
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
