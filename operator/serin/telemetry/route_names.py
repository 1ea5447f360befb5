"""Whose requests a split and version are: the names that metrics carry, read from the plan's documents.

Shared memory counts by ident alone. A rule that is gone keeps its names as long as another rule counts under the same
ones: a sum that falls looks like a restart to Prometheus, which then reports requests that never were.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from serin.errors import CorruptFileError
from serin.routing.plan import Host
from serin.telemetry.canary_metrics import CanaryNames
from serin.telemetry.exposition import label_text

Key = tuple[str, str]
"""Split id and version ident, 16 hex digits each."""


@dataclass(frozen=True, slots=True, order=True)
class Names:
    """Labels of a version's requests: `ingress` and `service` are main's for a canary too, as in ingress-nginx."""

    namespace: str
    ingress: str
    service: str
    version: str

    @property
    def labels(self) -> str:
        parts = {
            "namespace": self.namespace,
            "ingress": self.ingress,
            "service": self.service,
            "version": self.version,
        }
        return label_text(parts)


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """What ingress-nginx's metrics say of a version of a rule.

    `canary` is its `namespace-service-port`, empty for main. `host` and `path` are the rule's, never a
    request's; `_` for a rule without a host.
    """

    namespace: str
    ingress: str
    service: str
    canary: str
    host: str
    path: str


N = TypeVar("N", bound=Names | CanaryNames)


class Index(Protocol):
    @property
    def hosts(self) -> Mapping[str, str]: ...


class Documents(Protocol):
    """serin.render.rundir.RunDirectory, as far as it is read here. Both raise CorruptFileError."""

    def read_index(self) -> Index: ...

    def read_host(self, digest: str, /) -> Host: ...


class RouteNames:
    """Follows the plan; a document is read once."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._by_digest: dict[str, dict[Key, Names]] = {}
        self._series_by_digest: dict[str, dict[Key, Series]] = {}
        self._names: dict[Key, Names] = {}
        self._canaries_by_digest: dict[str, dict[Key, CanaryNames]] = {}
        self.canaries: Mapping[Key, CanaryNames] = {}
        """CanaryRoutes' versions by split and version, as of the last `current`."""
        self.series: Mapping[Key, Series] = {}
        """Labels of ingress-nginx's series by split and version, as of the last `current`: of rules in force alone."""

    def current(self) -> Mapping[Key, Names]:
        """Names by split and version. When the plan cannot be read, those of the last one that could."""
        try:
            digests = frozenset(self._documents.read_index().hosts.values())
            hosts = {d: self._documents.read_host(d) for d in digests - self._by_digest.keys()}
        except CorruptFileError:
            return self._names
        if hosts or digests != self._by_digest.keys():
            self._series_by_digest = {
                d: series_of(hosts[d]) if d in hosts else self._series_by_digest[d] for d in digests
            }
            self._by_digest = {d: names_of(hosts[d]) if d in hosts else self._by_digest[d] for d in digests}
            self._canaries_by_digest = {
                d: canaries_of(hosts[d]) if d in hosts else self._canaries_by_digest[d] for d in digests
            }
            self._names = merged(self._names, self._by_digest.values())
            self.canaries = merged(self.canaries, self._canaries_by_digest.values())
            self.series = {key: one for found in self._series_by_digest.values() for key, one in found.items()}
        return self._names


def names_of(host: Host) -> dict[Key, Names]:
    return {
        (route.split, version.ident): Names(
            route.ingress.namespace, route.ingress.name, route.versions[0].service, version.name
        )
        for route in host.routes
        if route.split is not None
        for version in route.versions
    }


def canaries_of(host: Host) -> dict[Key, CanaryNames]:
    return {
        (route.split, version.ident): CanaryNames(route.canary_route.namespace, route.canary_route.name, version.name)
        for route in host.routes
        if route.split is not None and route.canary_route is not None
        for version in route.versions
    }


def series_of(host: Host) -> dict[Key, Series]:
    return {
        (route.split, version.ident): Series(
            route.ingress.namespace,
            route.ingress.name,
            route.versions[0].service,
            "" if number == 0 else f"{version.ingress.namespace}-{version.service}-{version.port}",
            route.rule.host or "_",
            route.rule.path,
        )
        for route in host.routes
        if route.split is not None
        for number, version in enumerate(route.versions)
    }


def merged(before: Mapping[Key, N], documents: Iterable[Mapping[Key, N]]) -> dict[Key, N]:
    """The names in force, and those of before whose labels are still in use."""
    now = {key: names for document in documents for key, names in document.items()}
    used = frozenset(now.values())
    return {**{key: names for key, names in before.items() if names in used}, **now}
