"""Who a user is (splitBy): the hash by which the routine chooses the version, where nothing else decides it.

A client without the cookie is given one, whose value decides this request already. Must not know versions or weights.
"""

import os
from collections.abc import Callable

from serin.dataplane.proxy.exchange import Client, RequestHead
from serin.dataplane.proxy.headers import cookie_line
from serin.dataplane.proxy.picking import Hash, client_key
from serin.routing.conditions import header_key
from serin.routing.cookies import cookie_reader
from serin.routing.plan import SplitBy, SplitKind

User = tuple[int, bytes]
"""The hash of a user's key, 0 for nobody; and the header line that the answer is to have."""


class ReadyUsers:
    """Of one route."""

    __slots__ = ("_hash", "_header", "_of", "_read", "name", "reads_cookie", "ttl")

    def __init__(self, by: SplitBy, hashed: Hash) -> None:
        self._hash = hashed
        self.name = by.name.encode()
        self.ttl = by.ttl
        self.reads_cookie = by.kind is SplitKind.COOKIE
        self._read = cookie_reader(self.name, match_case=True)
        self._header = header_key(by.name)
        of: dict[SplitKind, Callable[[RequestHead, Client, bytes | None], User]] = {
            SplitKind.COOKIE: self._by_cookie,
            SplitKind.HEADER: self._by_header,
            SplitKind.CLIENT: self._by_address,
        }
        self._of = of[by.kind]

    def __call__(self, head: RequestHead, client: Client, cookies: bytes | None) -> User:
        """`cookies`: the request's Cookie headers, joined."""
        return self._of(head, client, cookies)

    def _by_cookie(self, head: RequestHead, client: Client, cookies: bytes | None) -> User:
        text = self._read(cookies) if cookies is not None else None
        if text:
            return self._hash(text) or 1, b""
        text = os.urandom(16).hex().encode()
        secure = b"; Secure" if client.tls else b""
        line = b"%b=%b; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%b" % (self.name, text, self.ttl, secure)
        return self._hash(text) or 1, cookie_line(line)

    def _by_header(self, head: RequestHead, client: Client, cookies: bytes | None) -> User:
        text = head.get(self._header)
        return (self._hash(text) or 1 if text else 0), b""

    def _by_address(self, head: RequestHead, client: Client, cookies: bytes | None) -> User:
        return client_key(client, self._hash) or 1, b""
