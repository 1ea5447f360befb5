"""URLs that Serin itself sends requests to (auth-url, mirror-target), taken apart where a user wrote them.

The authority may hold `$host` and its like, which is put in where the host is compiled (`at`).
"""

import re
from dataclasses import dataclass

from serin.compile.annotations.grammar import HOSTS, LETTERS
from serin.compile.annotations.variables import HOST_NAMES
from serin.routing.addresses import is_address
from serin.routing.variables import is_variable_part, split_variables

TEXT = rf"{LETTERS},?&=%+;!*${{}}"
"""What a URL may hold, for use inside a bracket expression."""
_URL = re.compile(
    rf"(https?)://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9\-._${{}}]+))(?::([0-9]{{1,5}}))?((?:/|\?)[{TEXT}]*)?",
    re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Url:
    """`host` is lower-case, without brackets, and may hold variables; `rest` is path and query and begins with `/`."""

    text: str
    scheme: str
    host: str
    port: int
    rest: str

    @property
    def tls(self) -> bool:
        return self.scheme == "https"

    @property
    def host_header(self) -> str:
        """Without the port, as ingress-nginx sends it."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Names of the variables in the authority."""
        return tuple(part[1:] for part in split_variables(self.host) if is_variable_part(part))

    def at(self, served: str) -> str:
        """The host that is meant on the routes of a host. Empty: it cannot be said, or is no name."""
        parts = split_variables(self.host)
        if any(is_variable_part(part) for part in parts):
            if not served or served.startswith("*") or not HOST_NAMES.issuperset(self.placeholders):
                return ""
            parts = tuple(served if is_variable_part(part) else part for part in parts)
        host = "".join(parts)
        return host if is_address(host) or _is_name(host) else ""


def read_url(text: str) -> Url | None:
    found = _URL.fullmatch(text.strip(" "))
    if found is None:
        return None
    scheme, literal, name, port, rest = found.groups()
    scheme, host = scheme.lower(), _lower((literal or name).removesuffix("."))
    number = int(port) if port else _PORTS[scheme]
    if not 0 < number < 65536 or (literal and not is_address(literal)):
        return None
    if not literal and not (is_address(host) or _is_name("x".join(_literals(host)) or "x")):
        return None
    rest = rest or "/"
    return Url(text.strip(" "), scheme, host, number, rest if rest.startswith("/") else f"/{rest}")


def _lower(host: str) -> str:
    """But for names of variables, which get braces."""
    return "".join(f"${{{part[1:]}}}" if is_variable_part(part) else part.lower() for part in split_variables(host))


def _literals(host: str) -> list[str]:
    """The texts between variables, so that what is around them can be checked before the host is known."""
    pieces = [""]
    for part in split_variables(host):
        if is_variable_part(part):
            pieces.append("")
        else:
            pieces[-1] += part
    return pieces


def _is_name(host: str) -> bool:
    return not host.endswith(".") and not host.startswith("*") and HOSTS.read(host) == (host,)
