"""nginx's `map`, `geo` and `split_clients` by reading: what the blocks of a rendered file give for a request.

The rules are those of nginx's documentation and of ngx_http_map_module: texts are compared without regard to case and
come before patterns, which are tried in order; an absent variable is an empty text.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from serin.native.pattern import Pattern
from serin.render.nginx.blocks import Block, GeoBlock, MapBlock, SplitBlock
from serin.render.nginx.values import Template, Text, Variable


@dataclass(slots=True)
class Request:
    """`headers` in the order sent, names in lower case; Cookie apart, as several headers."""

    headers: list[tuple[str, bytes]] = field(default_factory=list)
    cookies: list[bytes] = field(default_factory=list)
    target: bytes = b"/"
    method: str = "GET"
    client: str = "192.0.2.1"

    def joined(self, name: bytes) -> bytes | None:
        """As the proxy, and nginx since 1.23, reads a header."""
        found = [value for key, value in self.headers if key.encode() == name]
        return b", ".join(found) if found else None

    @property
    def cookie(self) -> bytes | None:
        return b"; ".join(self.cookies) if self.cookies else None


class Variables:
    """The variables of one request; a block is evaluated when it is asked for, once."""

    def __init__(self, blocks: Iterable[Block], request: Request, *, joins: bool = False) -> None:
        """`joins`: repeated headers are joined, as since nginx 1.23; else the first one is seen."""
        self._joins = joins
        self._blocks = {block.variable.name: block for block in blocks}
        self._request = request
        self._known: dict[str, bytes] = {}

    def assume(self, name: str, value: bytes) -> None:
        """A variable that is not read from a block or request."""
        self._known[name] = value

    def text(self, template: Template) -> bytes:
        return b"".join(
            self.value(part.name) if isinstance(part, Variable) else part.encode() for part in template.parts
        )

    def value(self, name: str) -> bytes:
        if name not in self._known:
            self._known[name] = self._evaluate(name)
        return self._known[name]

    def shares(self, name: str) -> dict[bytes, int] | None:
        """Of a split_clients variable: hundredths of a per cent by value; None for others."""
        block = self._blocks.get(name)
        if not isinstance(block, SplitBlock):
            return None
        given = sum(share.hundredths or 0 for share in block.shares)
        assert given < 10000
        assert [s.hundredths is None for s in block.shares].count(True) == 1
        return {self.text(s.value): s.hundredths if s.hundredths is not None else 10000 - given for s in block.shares}

    def _evaluate(self, name: str) -> bytes:
        block = self._blocks.get(name)
        if isinstance(block, MapBlock):
            return self.text(self.choose(block))
        if isinstance(block, GeoBlock):
            return b"%d" % _within(self._request.client, block.networks)
        assert block is None, f"{name} is drawn"
        return self._of_request(name)

    def choose(self, block: MapBlock) -> Template:
        """The value of the row that takes what the map looks at."""
        subject = self.text(block.source)
        for row in block.rows:
            if isinstance(row.key, Text) and row.key.value.lower().encode() == subject.lower():
                return row.value
        for row in block.rows:
            if isinstance(row.key, Text):
                continue
            spans = Pattern(row.key.value, ignore_case=row.key.prefix == "~*").search(subject)
            if spans is not None:
                for place, captured in enumerate(re.findall(r"\(\?<(\w+)>", row.key.value), 1):
                    start, end = spans[place] if place < len(spans) else (-1, -1)
                    self._known[captured] = subject[start:end] if start >= 0 else b""
                return row.value
        return block.default

    def _of_request(self, name: str) -> bytes:
        family, _, rest = name.partition("_")
        if name == "http_cookie":
            return self._request.cookie or b""
        if family == "http":
            found = [value for key, value in self._request.headers if key.replace("-", "_") == rest]
            return b", ".join(found if self._joins else found[:1])
        if family == "cookie":
            return nginx_cookie(self._request.cookies, rest.encode())
        return {
            "request_uri": self._request.target,
            "request_method": self._request.method.encode(),
            "remote_addr": self._request.client.encode(),
            "request_id": b"request-id",
            "https": b"",
            "serin_never": b"",
        }[name]


def reached(blocks: Sequence[Block], target: Template, request: Request, *, joins: bool = False) -> dict[str, int]:
    """What a text can be that may come to be drawn, in hundredths of a per cent; nothing: the empty text."""
    variables = Variables(blocks, request, joins=joins)
    made = {block.variable.name: block for block in blocks}
    while len(target.parts) == 1 and isinstance(part := target.parts[0], Variable):
        drawn = variables.shares(part.name)
        if drawn is not None:
            return {name.decode(): hundredths for name, hundredths in drawn.items()}
        block = made[part.name]
        assert isinstance(block, MapBlock)
        target = variables.choose(block)
    found = variables.text(target).decode()
    return {found: 10000} if found else {}


def nginx_cookie(headers: Iterable[bytes], name: bytes) -> bytes:
    """ngx_http_parse_multi_header_lines: by name, equals sign and value, on to the next `;` or `,` otherwise."""
    for header in headers:
        at = 0
        while at < len(header):
            here = header[at : at + len(name)].lower() == name.lower()
            rest = header[at + len(name) :].lstrip(b" ")
            if here and rest.startswith(b"="):
                return rest[1:].lstrip(b" ").partition(b";")[0]
            following = re.compile(rb"[;,] *").search(header, at)
            at = len(header) if following is None else following.end()
    return b""


def _within(client: str, networks: Iterable[str]) -> bool:
    address = ipaddress.ip_address(client)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return any((mapped or address) in ipaddress.ip_network(network) for network in networks)
