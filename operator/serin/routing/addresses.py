"""Which addresses a name that users chose may lead to.

An ExternalName can be made to point anywhere at any time, so each answer is checked after it is resolved: the data
plane must not become a way to what only this machine, its link or its cloud provider should reach.
"""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # most clouds
        "fd00:ec2::254",  # AWS over IPv6
        "fd20:ce::254",  # Google over IPv6
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "168.63.129.16",  # Azure's host agent
    )
)
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def refusal(text: str, *, standalone: bool) -> str:
    """Why this address may not be used, empty when it may. `standalone` (`serve`) allows loopback."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "not an IP address"
    inner = _unwrapped(address)
    if inner in METADATA:
        return "a cloud metadata address"
    if inner.is_unspecified or inner in _THIS_NETWORK:
        return "an unspecified address"
    if inner.is_loopback:
        return "" if standalone else "a loopback address"
    if inner.is_link_local:
        return "a link-local address"
    if inner.is_multicast or inner == ipaddress.IPv4Address("255.255.255.255"):
        return "a multicast or broadcast address"
    return ""


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where the network would take it out again."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or 1 < int(address) < 2**32:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address, without brackets or zone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
