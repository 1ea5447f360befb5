"""Which host and which route take a request: the meaning of a plan's tables, written to be read.

This is the oracle of both data planes; `table` holds the same in a form made for speed, and a test keeps them equal.
Hosts and paths come in as the HTTP side checked them: host in lower case without port and trailing dot, path normalised
by `paths.normalize`.
"""

import re
from collections.abc import Iterable, Mapping

from serin.routing.plan import Host, PathKind, Route
from serin.routing.search import PatternMaker, make_searcher

_LABEL = re.compile(r"[\w-]+", re.ASCII).fullmatch


class HostTable:
    """The hosts of a plan by every name they answer to. A host's own name wins over another one's alias."""

    __slots__ = ("_exact", "_fallback", "_wildcard")

    def __init__(self, hosts: Iterable[Host]) -> None:
        self._exact: dict[str, Host] = {}
        self._wildcard: dict[str, Host] = {}
        self._fallback: Host | None = None
        hosts = tuple(hosts)
        for name, host in [(h.name, h) for h in hosts] + [(alias, h) for h in hosts for alias in h.aliases]:
            if name == "":
                self._fallback = self._fallback or host
            elif name.startswith("*."):
                self._wildcard.setdefault(name[2:], host)
            else:
                self._exact.setdefault(name, host)

    def find(self, name: str) -> Host | None:
        """The exact host, else the wildcard that covers exactly one label, else the host for everything."""
        host = self._exact.get(name)
        if host is None and self._wildcard:
            label, dot, rest = name.partition(".")
            if dot and rest in self._wildcard and _LABEL(label):
                return self._wildcard[rest]
        return host or self._fallback


def find_host(hosts: Mapping[str, Host], name: str) -> Host | None:
    """The host that serves requests for `name`; None: nothing does, not even a catch-all."""
    return HostTable(hosts.values()).find(name)


def matches(route: Route, path: bytes, patterns: PatternMaker) -> bool:
    """Whether a route takes a normalised path. SerinError when its pattern cannot tell (answer 500)."""
    match route.match.kind:
        case PathKind.EXACT:
            return path == route.match.path.encode()
        case PathKind.PREFIX:
            prefix = route.match.path.encode()
            return path == prefix or path.startswith(prefix if prefix.endswith(b"/") else prefix + b"/")
        case PathKind.REGEX:
            return make_searcher(patterns, route.match.path, ignore_case=True, anchored=True).search(path) is not None


def find_route(host: Host, path: bytes, patterns: PatternMaker) -> Route | None:
    """The first route of the host that takes the path. SerinError when a pattern before it cannot tell (answer 500)."""
    return next((route for route in host.routes if matches(route, path, patterns)), None)
