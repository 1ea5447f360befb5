"""Finding the addresses of a name as a program on this machine would, and for how long they hold.

/etc/hosts, then DNS by /etc/resolv.conf with its search list and ndots (a pod's has both). The C library's own resolver
does not tell TTLs, so dnspython asks.
"""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.resolver

MIN_TTL = 1.0
MAX_TTL = 300.0
"""Bounds of an answer's time to live in seconds."""
HOSTS_TTL = 10.0
INCOMPLETE_TTL = 5.0
"""For an answer that lacks one address family because its question was not answered."""
LIFETIME = 5.0
"""Seconds for one lookup, all servers and search suffixes together."""


class LookupFailedError(Exception):
    """No answer; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`addresses` in order of their text, without repetition; `ttl` in seconds, within the bounds."""

    addresses: tuple[str, ...]
    ttl: float


class SystemLookup:
    """Reads its files again when they change. `port` is that of all name servers, 53 but in tests."""

    def __init__(
        self,
        resolv_conf: Path = Path("/etc/resolv.conf"),
        hosts: Path = Path("/etc/hosts"),
        *,
        port: int = 53,
        lifetime: float = LIFETIME,
    ) -> None:
        self._resolv_conf = resolv_conf
        self._hosts_file = hosts
        self._port = port
        self._lifetime = lifetime
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._hosts: dict[str, tuple[str, ...]] = {}
        self._seen: dict[Path, tuple[int, int]] = {}

    async def find(self, name: str) -> Answer:
        """Addresses of `name`, which may be an IP address itself. LookupFailedError when there are none."""
        try:
            return Answer((str(ipaddress.ip_address(name)),), MAX_TTL)
        except ValueError:
            pass
        if self._changed(self._hosts_file):
            self._hosts = read_hosts(self._hosts_file)
        known = self._hosts.get(name.lower().rstrip("."))
        return Answer(known, HOSTS_TTL) if known else await self._ask(name)

    async def _ask(self, name: str) -> Answer:
        if self._changed(self._resolv_conf) or self._resolver is None:
            self._resolver = self._configure()
        found = await asyncio.gather(
            self._records(self._resolver, name, "A"),
            self._records(self._resolver, name, "AAAA"),
            return_exceptions=True,
        )
        answers = [answer for answer in found if isinstance(answer, Answer)]
        addresses = usable({address for answer in answers for address in answer.addresses})
        if addresses:
            ttl = min(answer.ttl for answer in answers if answer.addresses)
            if any(_unanswered(failure) for failure in found):
                ttl = min(ttl, INCOMPLETE_TTL)
            return Answer(addresses, min(max(ttl, MIN_TTL), MAX_TTL))
        for failure in found:
            if isinstance(failure, BaseException):
                raise _failed(name, failure) from failure
        raise LookupFailedError(f"{name} has neither A nor AAAA records")

    async def _records(self, resolver: dns.asyncresolver.Resolver, name: str, kind: str) -> Answer:
        answer = await resolver.resolve(name, kind, search=True, raise_on_no_answer=False)
        if answer.rrset is None:
            return Answer((), MAX_TTL)
        return Answer(tuple(str(record.address) for record in answer.rrset), answer.chaining_result.minimum_ttl)

    def _configure(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=False)
        try:
            with self._resolv_conf.open() as file:
                resolver.read_resolv_conf(file)
        except (OSError, dns.exception.DNSException) as error:
            raise LookupFailedError(f"{self._resolv_conf} cannot be used: {error}") from error
        resolver.port = self._port
        resolver.lifetime = self._lifetime
        return resolver

    def _changed(self, path: Path) -> bool:
        try:
            stat = path.stat()
            now = (stat.st_mtime_ns, stat.st_ino)
        except OSError:
            now = (0, 0)
        before, self._seen[path] = self._seen.get(path), now
        return now != before


def read_hosts(path: Path) -> dict[str, tuple[str, ...]]:
    """Name to addresses as hosts(5) says; empty when there is no such file."""
    found: dict[str, list[str]] = {}
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    for line in lines:
        fields = line.partition("#")[0].split()
        try:
            address = str(ipaddress.ip_address(fields[0]))
        except (IndexError, ValueError):
            continue
        for name in fields[1:]:
            kept = found.setdefault(name.lower().rstrip("."), [])
            if address not in kept:
                kept.append(address)
    return {name: tuple(addresses) for name, addresses in found.items()}


def usable(addresses: set[str]) -> tuple[str, ...]:
    """Without the IPv6 addresses that this machine has no route to, as long as another is left (RFC 6724 section 6)."""
    reached = {address for address in addresses if ":" not in address or _has_route(address)}
    return tuple(sorted(reached or addresses))


def _has_route(address: str) -> bool:
    """Connecting a datagram socket sends nothing, but asks the routing table."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.connect((address, 9))
    except OSError:
        return False
    return True


def _unanswered(result: Answer | BaseException) -> bool:
    return isinstance(result, BaseException) and not isinstance(result, dns.resolver.NXDOMAIN)


def _failed(name: str, error: BaseException) -> LookupFailedError:
    if isinstance(error, dns.resolver.NXDOMAIN):
        return LookupFailedError(f"{name} does not exist (NXDOMAIN)")
    if isinstance(error, dns.exception.Timeout):
        return LookupFailedError(f"{name}: no name server answered in time")
    if isinstance(error, asyncio.CancelledError) or not isinstance(
        error, (dns.exception.DNSException, OSError, ValueError)
    ):
        raise error
    return LookupFailedError(f"{name}: {error or type(error).__name__}")
