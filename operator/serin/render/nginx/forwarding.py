"""Whose word nginx takes about a client's address: the real_ip module's directives (routing.wide.Forwarding)."""

import re
from dataclasses import dataclass

from serin.routing.wide import Forwarding

_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}").fullmatch
_USUAL = Forwarding()


@dataclass(frozen=True, slots=True)
class RealIp:
    """`header`: a header's name, or nginx's word `proxy_protocol`. `proxies`: networks whose word is taken."""

    header: str
    proxies: tuple[str, ...]


BEHIND = "unix:"
"""Our own stream part, which tells clients' addresses by a PROXY line (render.nginx.listening)."""


def real_ip(forwarding: Forwarding, *, behind: bool = False) -> RealIp | None:
    """None where the peer is the client. A PROXY line comes before a header, as in ingress-nginx.

    `behind`: TLS comes by the stream part. A header is not looked at then: nginx asks one of the two.
    """
    if forwarding.proxy_protocol:
        return RealIp("proxy_protocol", (*forwarding.proxies, BEHIND) if behind else forwarding.proxies)
    if behind:
        return RealIp("proxy_protocol", (BEHIND,))
    if not forwarding.trust and not forwarding.real_ip:
        return None
    return RealIp(forwarding.header if _HEADER(forwarding.header) else _USUAL.header, forwarding.proxies)
