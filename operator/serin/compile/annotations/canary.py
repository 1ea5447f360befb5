"""The canary family: what makes an Ingress an alternative, and for which requests.

Grammar and meaning are ingress-nginx's, with its surprises; a value that is dropped is always a problem.
docs/canary.md has the decision as a whole.
"""

import re
from dataclasses import dataclass
from typing import Any

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import LETTERS
from serin.compile.annotations.model import Annotation, Concern, Scope, Values
from serin.compile.findings import Findings
from serin.refs import Source

_R, _I = Concern.ROUTING, Scope.INGRESS
_NAME = "letters, digits, blanks and / - . _ ~ :"
_PATTERN = rf"{LETTERS}^$\[\](){{}}*+?|&=\\"
_HEADER = re.compile(r"[A-Za-z0-9_-]+")
"""Request headers with other names are not passed on, nor looked at."""

CANARY = Annotation(
    "canary",
    grammar.BOOLEAN,
    False,
    _R,
    _I,
    "Makes the Ingress an alternative of the ordinary Ingress that has the same host, path and path type "
    "in the same namespace.",
    differs=(
        "a canary answers also while main has no endpoint (there: 503), and a cookie without a name "
        "(`Cookie: =always`) chooses nothing"
    ),
)
WEIGHT = Annotation(
    "canary-weight",
    grammar.ANY_INTEGER,
    0,
    _R,
    _I,
    "Share of the requests that nothing else decided, out of `canary-weight-total`. "
    "0 or less: none; the total or more: all.",
)
WEIGHT_TOTAL = Annotation(
    "canary-weight-total",
    grammar.ANY_INTEGER,
    100,
    _R,
    _I,
    "What `canary-weight` is a part of. Totals of 100 and less count as 100.",
)
BY_HEADER = Annotation(
    "canary-by-header",
    grammar.characters(LETTERS, _NAME, blanks=True),
    "",
    _R,
    _I,
    "Request header that decides: `always` takes the canary, `never` takes it out, anything else is passed over. "
    "In names `-` and `_` are the same.",
)
BY_HEADER_VALUE = Annotation(
    "canary-by-header-value",
    grammar.characters(LETTERS, _NAME, blanks=True),
    "",
    _R,
    _I,
    "The one value of the header (as a whole, with case) that takes the canary. "
    "`always` and `never` lose their meaning.",
)
BY_HEADER_PATTERN = Annotation(
    "canary-by-header-pattern",
    grammar.characters(_PATTERN, f"a PCRE of {_NAME} and ^ $ [ ] ( ) {{ }} * + ? | & = \\", blanks=False),
    "",
    _R,
    _I,
    "PCRE searched in the header's value, with case, not anchored. Not used beside `canary-by-header-value`.",
)
BY_COOKIE = Annotation(
    "canary-by-cookie",
    grammar.characters(LETTERS, _NAME, blanks=True),
    "",
    _R,
    _I,
    "Cookie that decides with `always` and `never`, after the header. Its name is taken without regard to case.",
)

FAMILY = (CANARY, WEIGHT, WEIGHT_TOTAL, BY_HEADER, BY_HEADER_VALUE, BY_HEADER_PATTERN, BY_COOKIE)


@dataclass(frozen=True, slots=True)
class CanaryRules:
    """What a canary Ingress asks for. `weight` is within 0 and `total`; `total` is at least 100."""

    header: str
    value: str | None
    pattern: str | None
    cookie: str
    weight: int
    total: int
    header_source: Source
    cookie_source: Source
    weight_source: Source


def canary_rules(values: Values, findings: Findings) -> CanaryRules | None:
    """None when the Ingress is an ordinary one. Rules on an ordinary Ingress are a problem."""
    if not values.get(CANARY):
        _refuse_rules(values, findings)
        return None
    header = values.get(BY_HEADER)
    if header and _HEADER.fullmatch(header) is None:
        text = f"headers called {header!r} are not taken from requests; this rule never decides"
        findings.error(values.source(BY_HEADER), "canary-header-name", text)
        header = ""
    if BY_HEADER not in values:
        for annotation in (BY_HEADER_VALUE, BY_HEADER_PATTERN):
            if annotation in values:
                text = "has no effect without canary-by-header, which names the header"
                findings.error(values.source(annotation), "canary-value-without-header", text)
    value = values.get(BY_HEADER_VALUE) or None
    pattern = values.get(BY_HEADER_PATTERN) or None
    if value is not None and pattern is not None:
        text = "canary-by-header-value is set and decides alone; the pattern has no effect"
        findings.warning(values.source(BY_HEADER_PATTERN), "canary-pattern-unused", text)
    total = _total(values, findings)
    weight = _weight(values, total, findings)
    if not any(a in values for a in (WEIGHT, BY_HEADER, BY_COOKIE)) and not findings.problems:
        text = "expected canary-weight, canary-by-header or canary-by-cookie; without any no requests come"
        findings.warning(values.source(CANARY), "canary-without-rule", text)
    decides = BY_HEADER_VALUE if value is not None else BY_HEADER_PATTERN if pattern is not None else BY_HEADER
    return CanaryRules(
        header=header,
        value=value,
        pattern=None if value is not None else pattern,
        cookie=values.get(BY_COOKIE),
        weight=weight,
        total=total,
        header_source=values.source(decides),
        cookie_source=values.source(BY_COOKIE),
        weight_source=values.source(WEIGHT),
    )


def _total(values: Values, findings: Findings) -> int:
    total = values.get(WEIGHT_TOTAL)
    if total == 100 or total > 100:
        return total
    text = f"{total} has no effect, expected more than 100; the weight counts out of 100"
    findings.warning(values.source(WEIGHT_TOTAL), "canary-total-ignored", text)
    return 100


def _weight(values: Values, total: int, findings: Findings) -> int:
    found = values.get(WEIGHT)
    weight = max(0, min(found, total))
    if weight != found:
        text = f"expected 0 to {total}, found {found}; it counts as {weight}"
        findings.warning(values.source(WEIGHT), "canary-weight-range", text)
    return weight


def _refuse_rules(values: Values, findings: Findings) -> None:
    rules: list[Annotation[Any]] = [
        a for a in (BY_HEADER, BY_HEADER_VALUE, BY_HEADER_PATTERN, BY_COOKIE) if values.get(a)
    ]
    if values.get(WEIGHT) > 0:
        rules.append(WEIGHT)
    for annotation in rules:
        text = 'has no effect: canary is not "true", so this is an ordinary Ingress, which may conflict with its main'
        findings.error(values.source(annotation), "canary-rules-ignored", text)
