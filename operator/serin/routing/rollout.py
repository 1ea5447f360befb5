"""What a CanaryRoute puts on a route beside its rules: who a user is, and who gets copies of requests in a preview."""

from dataclasses import dataclass
from enum import StrEnum

from serin.refs import Source
from serin.routing.beside import Beside

ALL_PARTS = 100_000
"""Of all requests: what a share of copies is counted in."""


class SplitKind(StrEnum):
    """Where a user's key is: a cookie, a header, or the client's address."""

    COOKIE = "cookie"
    HEADER = "header"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class SplitBy:
    """A user keeps the version while weights stay (spec.splitBy). `ttl`: seconds that a cookie of ours is kept.

    A client without the cookie is given one with a random value (32 lower-case hex digits), which decides this request
    already. A request without the header is drawn by itself. COOKIE: `name` with case, first one counts; HEADER:
    without regard to case, `-` and `_` the same.
    """

    kind: SplitKind
    name: str
    ttl: int
    source: Source


@dataclass(frozen=True, slots=True)
class Shadow:
    """`to`, a version in preview, gets a copy of so many of ALL_PARTS GET, HEAD and OPTIONS requests without a body.

    Its answer is dropped and delays nobody. The copy has the request's own path (as it would be sent to the version),
    Host and headers, and `X-Canary-Mirror: 1`.
    """

    to: Beside
    parts: int
    source: Source
