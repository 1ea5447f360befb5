"""Who a client is where something stands before us: what its headers are believed, by the settings (Forwarding).

The address is found as nginx's real_ip module does, recursively; scheme, host and port as ingress-nginx takes them.
Nothing here is used where the settings are the usual ones: the connection's own peer counts then.
"""

import re

from serin.dataplane.proxy.exchange import Client, RequestHead
from serin.dataplane.proxy.headers import address_block
from serin.dataplane.proxy.networks import Networks, parse_address
from serin.routing.wide import Forwarding

_BETWEEN = re.compile(r"[ ,\t]+")
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
_USUAL = b"x-forwarded-for"
_LONGEST = 45
"""Characters of an address."""


class SeenClients:
    """One for a plan."""

    __slots__ = ("_forwarding", "_header", "_proxies", "_reads_address")

    def __init__(self, forwarding: Forwarding) -> None:
        self._forwarding = forwarding
        self._header = forwarding.header.lower().encode()
        self._proxies = Networks(p for p in forwarding.proxies if p != "unix:")
        self._reads_address = (forwarding.trust or forwarding.real_ip) and not forwarding.proxy_protocol

    def __call__(self, head: RequestHead, client: Client) -> Client:
        """The client of this request. `client` is the connection's, and stays as it is."""
        address = client.address
        claimed = head.get(self._header)
        if claimed and self._reads_address:
            address = self._address(address, claimed.decode("latin-1"))
        scheme, host, port = b"https" if client.tls else b"http", b"", b"%d" % client.server_port
        trust = self._forwarding.trust
        if trust:
            scheme = head.get(b"x-forwarded-proto") or scheme
            port = head.get(b"x-forwarded-port") or port
            host = (head.get(b"x-forwarded-host") or b"").partition(b",")[0].strip(b" ")
        if self._forwarding.proxy_protocol and client.server_port == 443:
            scheme = b"https"
        passed = address.encode()
        if trust and self._forwarding.full:
            passed = b", ".join([v for v in (head.get(_USUAL), client.address.encode()) if v])
        original = b"X-Original-Forwarded-For: %b\r\n" % claimed if claimed else b""
        block = address_block(address.encode(), passed, port, scheme) + original
        return Client(
            address, client.port, client.tls, client.server_port, block, 0, scheme, host, port, passed, address
        )

    def _address(self, peer: str, claimed: str) -> str:
        """From the right, the first address that no trusted proxy has; what is no address ends the search."""
        found = peer
        for entry in reversed(_BETWEEN.split(claimed)):
            if found not in self._proxies:
                return found
            if not entry:
                continue
            address = _plain(entry)
            if address is None:
                return found
            found = address
        return found


def seen_clients(forwarding: Forwarding) -> SeenClients | None:
    """None where nothing but the connection itself says who a client is."""
    said = forwarding.trust or forwarding.real_ip or forwarding.proxy_protocol
    return SeenClients(forwarding) if said or forwarding.header.lower().encode() != _USUAL else None


def _plain(entry: str) -> str | None:
    """An entry without brackets and port; None when it is no address."""
    found = _WITH_PORT.fullmatch(entry)
    text = (found[1] or found[2]) if found else entry
    if len(text) > _LONGEST or parse_address(text) is None:
        return None
    return text.lower().removeprefix("::ffff:") if "." in text else text
