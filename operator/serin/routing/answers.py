"""What is changed on answers of endpoints and of ourselves: CORS, headers, cookies, redirects, error pages, speed."""

from dataclasses import dataclass

from serin.refs import Source
from serin.routing.beside import Beside


@dataclass(frozen=True, slots=True)
class Cors:
    """enable-cors. `origins`: `*`, `scheme://host[:port]`, `scheme://*.domain` in lower case; compared without case.

    `methods`, `headers`, `expose`: header values as they are sent. A preflight (OPTIONS) of an allowed origin gets 204
    before everything but `closed`; every answer to one carries the headers, with `*` also without an Origin.
    """

    origins: tuple[str, ...]
    methods: str
    headers: str
    expose: str
    credentials: bool
    max_age: int
    source: Source


@dataclass(frozen=True, slots=True)
class ErrorPages:
    """Answers with one of `codes`, the endpoint's or ours, are replaced by those of `by` (custom-http-errors).

    It gets a request of the same method and query, without a body, at `/` with X-Code, X-Format (the client's Accept),
    X-Original-URI, X-Namespace, X-Ingress-Name, X-Service-Name, X-Service-Port, X-Request-ID. The client gets the
    status that `by` answers with, as nginx's `error_page … = @name` does. `by` None: our own page of the status
    `status`, as observed: 404 (of the default server), or 500 where the controller's option has 404 itself.
    `own_only`: endpoints' answers stay as they are (disable-proxy-intercept-errors).
    """

    codes: tuple[int, ...]
    by: Beside | None
    source: Source
    status: int = 404
    own_only: bool = False


@dataclass(frozen=True, slots=True)
class Swap:
    """`old` becomes `new` in Set-Cookie's Domain or Path, or in Location (proxy-cookie-*, proxy-redirect-*).

    Texts are taken literally; `old` empty with `new` empty: off.
    """

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Of one answer, in bytes a second, after the first `after` bytes (limit-rate, limit-rate-after)."""

    rate: int
    after: int = 0
