"""All that an Ingress asks for about answers and copies, and that has to be completed where its host is compiled."""

from dataclasses import dataclass

from serin.compile.annotations.answer_headers import HeadersRequest, headers_of
from serin.compile.annotations.errors import ErrorRequest, errors_of
from serin.compile.annotations.fastcgi import FastCgiRequest, fastcgi_of
from serin.compile.annotations.mirror import MirrorRequest, mirror_of
from serin.compile.annotations.model import Values
from serin.compile.findings import Findings
from serin.compile.settings_model import Settings
from serin.routing.plan import Closed, Upstream


@dataclass(frozen=True, slots=True)
class AnswersRequest:
    """What needs other objects, or the host's name. `closed`: a part of it closes the routes."""

    errors: ErrorRequest | None = None
    mirror: MirrorRequest | None = None
    headers: HeadersRequest | None = None
    fastcgi: FastCgiRequest | None = None
    closed: Closed | None = None


NOTHING_ASKED = AnswersRequest()


def answers_of(values: Values, upstream: Upstream, settings: Settings, findings: Findings) -> AnswersRequest:
    general = settings.source("custom-http-errors")
    headers = headers_of(values, findings)
    fastcgi = fastcgi_of(values, upstream, findings)
    made = AnswersRequest(
        errors=errors_of(values, settings.answers, general, findings),
        mirror=mirror_of(values, findings),
        headers=headers if isinstance(headers, HeadersRequest) else None,
        fastcgi=fastcgi if isinstance(fastcgi, FastCgiRequest) else None,
        closed=next((found for found in (headers, fastcgi) if isinstance(found, Closed)), None),
    )
    return NOTHING_ASKED if made == NOTHING_ASKED else made
