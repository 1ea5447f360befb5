"""Who answers in the place of endpoints that cannot: default backends and error pages."""

from dataclasses import dataclass
from typing import Any

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import BOOLEAN, Grammar
from serin.compile.annotations.model import Annotation, Concern, Scope, Values
from serin.compile.findings import Findings
from serin.compile.settings_model import Answers
from serin.refs import Source

_R, _L = Concern.ROUTING, Scope.LOCATION
_CODE = grammar.integer(300, 599)


def _codes(text: str) -> tuple[int, ...] | None:
    found = [_CODE.read(part.strip(" ")) for part in text.split(",")]
    return None if None in found else tuple(sorted({code for code in found if code is not None}))


CODES_GRAMMAR = Grammar(_codes, "statuses from 300 to 599 separated by commas")

CODES: Annotation[tuple[int, ...]] = Annotation(
    "custom-http-errors",
    CODES_GRAMMAR,
    (),
    _R,
    _L,
    "Answers with these statuses are replaced by those of `default-backend`, or of `--default-backend-service`. Takes "
    "the place of the ConfigMap's list.",
)
DEFAULT_BACKEND = Annotation(
    "default-backend",
    grammar.pattern(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", "name of a Service of the Ingress's own namespace"),
    "",
    _R,
    _L,
    "Service that answers, on its first port, when the own one has no endpoints, and for `custom-http-errors`.",
)
NO_INTERCEPT = Annotation(
    "disable-proxy-intercept-errors",
    BOOLEAN,
    False,
    _R,
    _L,
    "Endpoints' answers are never replaced; those that Serin gives itself still are.",
)

FAMILY: tuple[Annotation[Any], ...] = (CODES, DEFAULT_BACKEND, NO_INTERCEPT)


@dataclass(frozen=True, slots=True)
class ErrorRequest:
    """`codes`, and whether they are the Ingress's own; `backend`: its own default backend, or empty.

    `own_only`: as in ErrorPages.
    """

    codes: tuple[int, ...]
    own_codes: bool
    source: Source
    backend: str = ""
    backend_source: Source | None = None
    own_only: bool = False


def errors_of(values: Values, defaults: Answers, general: Source, findings: Findings) -> ErrorRequest | None:
    """None: nothing is asked for. `general`: where the ConfigMap's list stands.

    The ConfigMap's codes go to the default backend of all, also on an Ingress that has one of its own.
    """
    codes, backend = values.get_or(CODES, defaults.error_codes), values.get(DEFAULT_BACKEND)
    if not codes and not backend:
        if NO_INTERCEPT in values and values.get(NO_INTERCEPT):
            text = "has no effect without custom-http-errors"
            findings.warning(values.source(NO_INTERCEPT), "custom-errors-missing", text)
        return None
    return ErrorRequest(
        codes,
        CODES in values,
        values.source(CODES) if CODES in values else general,
        backend,
        values.source(DEFAULT_BACKEND) if backend else None,
        values.get_or(NO_INTERCEPT, not defaults.intercept),
    )
