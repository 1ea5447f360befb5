"""What address lists of a rule say to a client, in words: `serin explain --client-ip`.

The proxy asks compiled lists (dataplane.proxy), nginx its own `allow` and `deny`; this reads the plan's texts.
"""

from ipaddress import IPv6Address, ip_address, ip_network

from serin.routing.explanation import Note
from serin.routing.plan import Policy


def kept_out(policy: Policy, client_ip: str) -> Note | None:
    """Why lists answer 403, or None. With `satisfy: any` a password can open instead: lists decide nothing then."""
    access = policy.access
    if access.any_of and (policy.auth is not None or policy.external_auth is not None):
        return None
    denied = _within(client_ip, access.deny)
    if denied:
        return Note(f"the client's address {client_ip} is in {denied}, which is kept out", access.source)
    if access.allow and not _within(client_ip, access.allow):
        return Note(f"the client's address {client_ip} is in none of {', '.join(access.allow)}", access.source)
    return None


def _within(client_ip: str, networks: tuple[str, ...]) -> str:
    """The first network that has the address, or the empty text."""
    address = ip_address(client_ip)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return next((network for network in networks if address in ip_network(network, strict=False)), "")
