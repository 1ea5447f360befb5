"""Which host and which route take a request: the meaning of a plan's tables, written to be read.

This is the oracle of both data planes; `table` holds the same in a form made for speed, and a test keeps them equal.
Hosts and paths come in as the HTTP side checked them: host in lower case without port and trailing dot, path normalised
by `paths.normalize`.
"""

import re
from collections.abc import Mapping
from typing import Generic, TypeVar

from serin.routing.plan import Host, PathKind, Route
from serin.routing.search import PatternMaker, path_searcher

V = TypeVar("V")

_LABEL = re.compile(r"[\w-]+", re.ASCII).fullmatch


class HostTable(Generic[V]):
    """Values (a Host, or what a worker or a TLS listener keeps for one) by the names that hosts answer to.

    A name is a host, `*.` and a domain for exactly one label, `**.` and a domain for one label or more, or empty for
    what no other name takes.
    """

    __slots__ = ("_deep", "_exact", "_fallback", "_wildcard")

    def __init__(self, names: Mapping[str, V]) -> None:
        self._fallback: V | None = names.get("")
        self._wildcard = {name[2:]: value for name, value in names.items() if name.startswith("*.")}
        self._deep = {name[3:]: value for name, value in names.items() if name.startswith("**.")}
        self._exact = {name: value for name, value in names.items() if name and not name.startswith("*")}

    def find(self, name: str) -> V | None:
        """The value of the exact host, else of the longest `**.` wildcard, the `*.` one, the empty name; else None.

        That is nginx's order: wildcards are hosts' aliases there, and hosts with `*.` regular expressions.
        """
        value = self._exact.get(name)
        if value is not None:
            return value
        if self._deep:
            label, dot, rest = name.partition(".")
            while label and dot:
                if rest in self._deep:
                    return self._deep[rest]
                label, dot, rest = rest.partition(".")
        if self._wildcard:
            label, dot, rest = name.partition(".")
            if dot and rest in self._wildcard and _LABEL(label):
                return self._wildcard[rest]
        return self._fallback


def host_names(hosts: Mapping[str, Host]) -> dict[str, Host]:
    """Every name that a host answers to. A host's own name wins over an alias, of aliases the first by host name."""
    names = dict(hosts)
    for _, host in sorted(hosts.items()):
        for alias in host.aliases:
            names.setdefault(alias, host)
    return names


def find_host(hosts: Mapping[str, Host], name: str) -> Host | None:
    """The host that serves requests for `name`; None: nothing does, not even a catch-all."""
    return HostTable(host_names(hosts)).find(name)


def matches(route: Route, path: bytes, patterns: PatternMaker) -> bool:
    """Whether a route takes a normalised path. SerinError when its pattern cannot tell (answer 500)."""
    match route.match.kind:
        case PathKind.EXACT:
            return path == route.match.path.encode()
        case PathKind.PREFIX:
            prefix = route.match.path.encode()
            return path == prefix or path.startswith(prefix if prefix.endswith(b"/") else prefix + b"/")
        case PathKind.REGEX:
            return path_searcher(patterns, route.match.path).search(path) is not None


def find_route(host: Host, path: bytes, patterns: PatternMaker) -> Route | None:
    """The first route of the host that takes the path. SerinError when a pattern before it cannot tell (answer 500)."""
    return next((route for route in host.routes if matches(route, path, patterns)), None)
