"""CORS answered by Serin: which origins, methods and headers browsers may use.

A list of origins of which some cannot be read keeps the others; where none is left it counts as absent, as in
ingress-nginx, and every origin is allowed.
"""

import re
from dataclasses import dataclass
from typing import Any

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import BOOLEAN, Grammar
from serin.compile.annotations.model import Annotation, Concern, Scope, Values
from serin.compile.findings import Findings
from serin.objects.fields import shorten
from serin.routing.answers import Cors

_R, _I = Concern.ROUTING, Scope.INGRESS
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?(?::[0-9]{1,5})?")
ANY = "*"
_MOST = 1000
"""Origins of a list: nginx compares a request's with one after the other."""
_LONGEST = 2048
"""Of a list that is sent as a header: nginx takes no word of a configuration beyond 4096 bytes."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Lower-case; `refused` as written."""

    allowed: tuple[str, ...]
    refused: tuple[str, ...] = ()


def _origins(text: str) -> Origins | None:
    """`*` anywhere in the list stands for all of it."""
    found = [part.strip(" ") for part in text.split(",") if part.strip(" ")]
    if ANY in found:
        return Origins((ANY,))
    good = tuple(dict.fromkeys(part.lower() for part in found if _ORIGIN.fullmatch(part.lower())))
    refused = tuple(part for part in found if not _ORIGIN.fullmatch(part.lower()))
    return Origins(good[:_MOST], refused + good[_MOST:]) if good else None


ORIGINS = Grammar(_origins, "origins like https://shop.example or https://*.example, separated by commas, or *")

ENABLE = Annotation("enable-cors", BOOLEAN, False, _R, _I, "Preflights are answered, and answers have CORS headers.")
ORIGIN = Annotation(
    "cors-allow-origin",
    ORIGINS,
    Origins((ANY,)),
    _R,
    _I,
    "Origins that may use the answers. `*.` stands for one label. Of a list with bad entries the good ones stay, "
    "of one with more than 1000 the first.",
)
METHODS = Annotation(
    "cors-allow-methods",
    grammar.characters("A-Za-z,", "methods separated by commas", blanks=True, most=_LONGEST),
    "GET, PUT, POST, DELETE, PATCH, OPTIONS",
    _R,
    _I,
    "Methods, as they are sent.",
)
HEADERS = Annotation(
    "cors-allow-headers",
    grammar.characters(r"A-Za-z0-9\-_,*", "headers' names separated by commas", blanks=True, most=_LONGEST),
    "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization",
    _R,
    _I,
    "Headers of requests, as they are sent.",
)
EXPOSE = Annotation(
    "cors-expose-headers",
    grammar.characters(r"A-Za-z0-9\-_,*", "headers' names separated by commas, or *", blanks=True, most=_LONGEST),
    "",
    _R,
    _I,
    "Headers of answers that scripts may read.",
)
CREDENTIALS = Annotation(
    "cors-allow-credentials", BOOLEAN, True, _R, _I, "Requests may carry cookies and passwords (not with `*`)."
)
MAX_AGE = Annotation(
    "cors-max-age", grammar.integer(-1, 2**31 - 1), 1728000, _R, _I, "Seconds that a browser may keep a preflight."
)

FAMILY: tuple[Annotation[Any], ...] = (ENABLE, ORIGIN, METHODS, HEADERS, EXPOSE, CREDENTIALS, MAX_AGE)


def cors_of(values: Values, findings: Findings) -> Cors | None:
    if not values.get(ENABLE):
        given = [annotation.name for annotation in FAMILY[1:] if annotation in values]
        if given and ENABLE not in values:
            source = values.source(next(annotation for annotation in FAMILY[1:] if annotation in values))
            findings.warning(source, "cors-not-enabled", f"{', '.join(given)}: no effect without enable-cors")
        return None
    origins = values.get(ORIGIN)
    if origins.refused:
        listed = shorten(", ".join(origins.refused))
        text = f"expected {ORIGINS.expected}, found {listed!r}; the other origins are allowed"
        findings.error(values.source(ORIGIN), "annotation-invalid", text)
    return Cors(
        origins=origins.allowed,
        methods=values.get(METHODS),
        headers=values.get(HEADERS),
        expose=values.get(EXPOSE),
        credentials=values.get(CREDENTIALS),
        max_age=values.get(MAX_AGE),
        source=values.source(ENABLE),
    )
