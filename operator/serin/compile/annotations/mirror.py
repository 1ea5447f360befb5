"""Copies of requests for another place. What cannot be read is left out: the requests themselves go their way."""

from dataclasses import dataclass
from typing import Any

from serin.compile.annotations.buffering import SWITCH
from serin.compile.annotations.grammar import LETTERS, Grammar, characters
from serin.compile.annotations.model import Annotation, Concern, Scope, Values
from serin.compile.annotations.urls import Url, read_url
from serin.compile.annotations.variables import unknown_variables
from serin.compile.findings import Findings
from serin.refs import Source

_R, _I = Concern.ROUTING, Scope.INGRESS

TARGET: Annotation[Url | None] = Annotation(
    "mirror-target",
    Grammar(read_url, "a URL like https://copy.example$request_uri"),
    None,
    _R,
    _I,
    "URL that each request is also sent to; may hold `$variables`. Its answers are dropped. Without a path it is the "
    "request's own.",
)
HOST = Annotation(
    "mirror-host",
    characters(rf"{LETTERS}${{}}", "a host name, which may hold $variables"),
    "",
    _R,
    _I,
    "Host header of the copies. Default: that of `mirror-target`.",
)
BODY = Annotation("mirror-request-body", SWITCH, True, _R, _I, "`off`: copies have no body.")

FAMILY: tuple[Annotation[Any], ...] = (TARGET, HOST, BODY)


@dataclass(frozen=True, slots=True)
class MirrorRequest:
    """Whom to ask is found out with the host: `url` may hold its name as a variable."""

    url: Url
    host: str
    target: str
    body: bool
    source: Source


def mirror_of(values: Values, findings: Findings) -> MirrorRequest | None:
    url = values.get(TARGET)
    if url is None:
        for annotation in (HOST, BODY):
            if annotation in values and TARGET not in values:
                text = "has no effect without mirror-target"
                findings.warning(values.source(annotation), "mirror-target-missing", text)
        return None
    host = values.get(HOST) or url.host_header
    unknown = unknown_variables(f"{url.rest} {host}")
    if unknown:
        text = f"{', '.join(unknown)}: no such variable; nothing is mirrored"
        findings.error(values.source(TARGET), "variable-unknown", text)
        return None
    target = "$request_uri" if url.rest == "/" and not url.text.endswith("/") else url.rest
    return MirrorRequest(url, host, target, values.get(BODY), values.source(TARGET))
