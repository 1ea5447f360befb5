"""Which hosts may be asked. Pure.

A host is allowed by its name, or by the addresses that it leads to. What leads back to this machine or to a cloud's
metadata never is, whatever the list says; `serve` alone, which runs for one person, takes loopback and no list.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from serin.routing.addresses import refusal

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LABEL = r"[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
FLAG = "--canary-check-hosts"
LIST = f"the controller's {FLAG} (in the chart controller.rollouts.checkHosts)"


@dataclass(frozen=True, slots=True)
class Allowed:
    """`hosts`: whole names; `suffixes` begin with a dot. `standalone`: `serve`, where an empty list allows all."""

    hosts: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    standalone: bool = False

    def refuses_name(self, host: str) -> str:
        """Why this host may not be asked whatever its addresses are; empty where they decide, or it is allowed."""
        if self.allows_name(host) or self.networks:
            return ""
        if not self.hosts and not self.suffixes:
            return f"{host} may not be asked: {LIST} is empty"
        return f"{host} may not be asked: it is not in {LIST}"

    def allows_name(self, host: str) -> bool:
        name = host.lower().removesuffix(".")
        if self.standalone and not (self.hosts or self.suffixes or self.networks):
            return True
        return name in self.hosts or any(name.endswith(suffix) for suffix in self.suffixes)

    def refuses_address(self, host: str, address: str) -> str:
        """Why `host` may not be asked at this address; empty where it may."""
        address = address.partition("%")[0]
        why = refusal(address, standalone=self.standalone)
        if why:
            return f"{host} may not be asked: {address} is {why}"
        if self.allows_name(host) or self._within(address):
            return ""
        return f"{host} may not be asked: neither it nor {address} is in {LIST}"

    def _within(self, address: str) -> bool:
        found = ipaddress.ip_address(address)
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return any((mapped or found) in network for network in self.networks)


def read_allowed(entries: Iterable[str], *, standalone: bool = False) -> Allowed:
    """Names, `*.suffix` (any name below it) and addresses or CIDRs. ValueError says what was expected."""
    hosts: set[str] = set()
    suffixes: list[str] = []
    networks: list[Network] = []
    for entry in entries:
        name = entry.strip().lower().removesuffix(".")
        network = _network(name)
        if network is not None:
            networks.append(network)
        elif len(name) > 253 or not _HOST.fullmatch(name) or name.rpartition(".")[2].isdigit():
            raise ValueError(f"expected host names, *.suffix or CIDRs, got {entry!r}")
        elif name.startswith("*."):
            suffixes.append(name[1:])
        else:
            hosts.add(name)
    return Allowed(frozenset(hosts), tuple(suffixes), tuple(networks), standalone)


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text.removeprefix("[").removesuffix("]"), strict=False)
    except ValueError:
        return None
