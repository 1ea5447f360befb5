"""Redirects of a whole Ingress or host. One whose target cannot be read must not expose what it was to hide.

Therefore an Ingress with an unreadable redirect is left out, as ingress-nginx does: requests get 404.
"""

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import LETTERS
from serin.compile.annotations.model import Annotation, Concern, Fate, Scope, Values
from serin.compile.findings import Findings
from serin.routing.plan import UrlRedirect

_R, _L = Concern.ROUTING, Scope.LOCATION
_URL = grammar.characters(rf"{LETTERS},?&=", "a URL or path of letters, digits and - . _ ~ / : , ? & =")
_CODES = frozenset({300, 301, 302, 303, 307, 308})

PERMANENT = Annotation(
    "permanent-redirect",
    _URL,
    "",
    _R,
    _L,
    "Every request of the Ingress is redirected to this URL, or path on the same host.",
    fate=Fate.LEFT_OUT,
)
PERMANENT_CODE = Annotation(
    "permanent-redirect-code",
    grammar.ANY_INTEGER,
    301,
    _R,
    _L,
    "Status of `permanent-redirect`: 300 (no Location, the URL is the body), 301, 302, 303, 307, 308.",
    fate=Fate.LEFT_OUT,
)
TEMPORAL = Annotation(
    "temporal-redirect", _URL, "", _R, _L, "Like `permanent-redirect`, and goes before it.", fate=Fate.LEFT_OUT
)
TEMPORAL_CODE = Annotation(
    "temporal-redirect-code",
    grammar.ANY_INTEGER,
    302,
    _R,
    _L,
    "Status of `temporal-redirect`: 300 (no Location, the URL is the body), 301, 302, 303, 307.",
    fate=Fate.LEFT_OUT,
)
FROM_TO_WWW = Annotation(
    "from-to-www-redirect",
    grammar.BOOLEAN,
    False,
    _R,
    _L,
    "Requests for `www.` and the host's name (or for the name without `www.`, when the host has it) are redirected "
    "to the host, unless that name is a host itself.",
)

FAMILY = (PERMANENT, PERMANENT_CODE, TEMPORAL, TEMPORAL_CODE, FROM_TO_WWW)


def redirect_of(values: Values, findings: Findings) -> UrlRedirect | None:
    if values.get(TEMPORAL):
        code = _code(values, TEMPORAL_CODE, _CODES - {308}, findings)
        return UrlRedirect(code, values.get(TEMPORAL), values.source(TEMPORAL))
    if values.get(PERMANENT):
        code = _code(values, PERMANENT_CODE, _CODES, findings)
        return UrlRedirect(code, values.get(PERMANENT), values.source(PERMANENT))
    return None


def _code(values: Values, annotation: Annotation[int], allowed: frozenset[int], findings: Findings) -> int:
    code = values.get(annotation)
    if code in allowed:
        return code
    listed = ", ".join(str(c) for c in sorted(allowed))
    text = f"expected one of {listed}, found {code}; {annotation.default} is answered"
    findings.error(values.source(annotation), "annotation-invalid", text)
    return annotation.default
