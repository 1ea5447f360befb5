"""What the rules of a CanaryRoute ask of a request: the plan's values, and how each part of a request is read for them.

Both forms of these rules, `decision` and `rules`, read through the functions here, so that they cannot differ in what a
header, a cookie, a parameter or an address is. What follows from a match is not decided here.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from serin.refs import Source
from serin.routing.cookies import cookie_reader
from serin.routing.paths import query

HeaderGetter = Callable[[bytes], bytes | None]
"""Value of a header by lower-case name, repeated ones joined with `, `; None when absent, empty when sent empty."""


class MatchKind(StrEnum):
    """EXACT and REGULAR_EXPRESSION (PCRE) are for the whole value, with case. PRESENT takes any value."""

    EXACT = "Exact"
    REGULAR_EXPRESSION = "RegularExpression"
    PRESENT = "Present"


@dataclass(frozen=True, slots=True)
class FieldMatch:
    """A condition on one header, cookie or query parameter. `broken`: the pattern does not compile."""

    name: str
    kind: MatchKind = MatchKind.EXACT
    value: str = ""
    broken: bool = False

    @property
    def pattern(self) -> str:
        """The expression in the form that is searched for: it must take the whole value."""
        return rf"\A(?:{self.value})\z"


@dataclass(frozen=True, slots=True)
class Match:
    """Holds when all that it asks for does; one of `clients` (networks) is enough. It asks for something."""

    headers: tuple[FieldMatch, ...] = ()
    cookies: tuple[FieldMatch, ...] = ()
    query: tuple[FieldMatch, ...] = ()
    method: str = ""
    clients: tuple[str, ...] = ()
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class MatchRule:
    """Requests of any of the matches go to the version with this index among the route's; 0 is home."""

    version: int
    matches: tuple[Match, ...]
    source: Source | None = None


@dataclass(slots=True)
class Subject:
    """A request as rules see it; made for each one that meets rules, so not frozen.

    `cookie`: its Cookie headers joined with `; `; `target` as sent; `client`: its address.
    """

    header: HeaderGetter
    cookie: bytes | None
    target: bytes
    method: str
    client: str


def header_key(name: str) -> bytes:
    """The lower-case name by which a rule's header is looked up; `_` and `-` are the same, as in nginx's variables."""
    return name.lower().replace("_", "-").encode()


Read = Callable[[Subject], bytes | None]
"""What a condition looks at; None when the request does not have it."""


def header_of(name: str) -> Read:
    key = header_key(name)
    return lambda subject: subject.header(key)


def cookie_of(name: str) -> Read:
    """The first cookie of that name, with case (RFC 6265 names are compared so)."""
    read = cookie_reader(name.encode(), match_case=True)
    return lambda subject: None if subject.cookie is None else read(subject.cookie)


def parameter_of(name: str) -> Read:
    """The first parameter of that name, with case; `%XX` and `+` are decoded in both name and value."""
    wanted = name.encode()

    def read(subject: Subject) -> bytes | None:
        if b"?" not in subject.target:
            return None
        for pair in query(subject.target)[1:].split(b"&"):
            key, _, value = pair.partition(b"=")
            if key and _decoded(key) == wanted:
                return _decoded(value)
        return None

    return read


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def within(networks: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether an address is in one of the networks. IPv4 in IPv6 (::ffff:10.0.0.1) is IPv4; no address is in none."""
    parsed = [ipaddress.ip_network(text) for text in networks]

    @lru_cache(maxsize=1024)
    def contains(address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = found.ipv4_mapped if found.version == 6 else None
        return any((mapped or found) in network for network in parsed)

    return contains
