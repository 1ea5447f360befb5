"""Copies of requests for another place. What cannot be read is left out: the requests themselves go their way."""

import re
from dataclasses import dataclass, replace
from typing import Any

from serin.compile.annotations.buffering import SWITCH
from serin.compile.annotations.grammar import LETTERS, Grammar, characters
from serin.compile.annotations.model import Annotation, Concern, Scope, Values
from serin.compile.annotations.urls import Url, read_url
from serin.compile.annotations.variables import unknown_variables
from serin.compile.findings import Findings
from serin.refs import Source

_R, _I = Concern.ROUTING, Scope.INGRESS

_PATH_BEHIND_HOST = re.compile(r"(https?://[^/?#$]+)(\$\{?(?:request_uri|uri|document_uri)\b.*)", re.IGNORECASE)


def _read(text: str) -> Url | None:
    """The documented `https://host$request_uri` has its path in a variable; a path without one is the request's own."""
    text = text.strip(" ")
    found = _PATH_BEHIND_HOST.fullmatch(text)
    if found is None:
        url = read_url(text)
        return replace(url, rest="$request_uri") if url is not None and url.rest == "/" and text[-1] != "/" else url
    url, whole = read_url(found[1]), read_url(f"{found[1]}/{found[2]}")
    return None if url is None or whole is None else replace(url, text=text, rest=found[2])


TARGET: Annotation[Url | None] = Annotation(
    "mirror-target",
    Grammar(_read, "a URL like https://copy.example$request_uri"),
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
    return MirrorRequest(url, host, url.rest, values.get(BODY), values.source(TARGET))
