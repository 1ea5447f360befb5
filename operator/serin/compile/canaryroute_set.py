"""All CanaryRoutes, by the Service that is their home, as edited by one compile; and what is told of each.

Whether one has an effect is known only when the hosts are compiled: problems about that come last.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from serin.compile.canaries import CheckPattern
from serin.compile.canaryroute_effect import tell_effect
from serin.compile.canaryroutes import (
    Attachment,
    CanaryRouteReading,
    failed_canary_route,
    home_ports,
    read_canary_route,
)
from serin.compile.draft import Draft, Uses
from serin.compile.findings import Findings
from serin.compile.ingress_set import IngressSet
from serin.compile.memo import Memo, Problems
from serin.compile.options import Key
from serin.objects.fields import shorten
from serin.objects.store import Snapshot
from serin.objects.views import CanaryRoute


class CanaryRouteSet:
    """`targeted` goes from Ingresses to the CanaryRoutes that name them."""

    def __init__(self, memo: Memo, check: CheckPattern, ingresses: IngressSet, problems: Problems) -> None:
        self._check = check
        self._ingresses = ingresses
        self._problems = problems
        self.readings = Draft(memo.canary_routes)
        self.by_home = Draft(memo.canary_routes_at)
        self.targeted: Uses[Key, bool] = Uses(memo.targeted)
        self._changed: set[Key] = set()
        self._before_and_after: list[CanaryRouteReading] = []

    def at_home(self, service: Key) -> tuple[CanaryRouteReading, ...]:
        """Those with this Service as their home, oldest first."""
        return self.by_home.get(service) or ()

    @property
    def hosts(self) -> set[str]:
        """The hosts whose requests are shared out otherwise than before, or may be."""
        return {host for reading in self._before_and_after for host in self._hosts_of(reading)}

    def by_port(self, services: Iterable[Key]) -> set[Key]:
        """The CanaryRoutes that name a port of one of these Services as home."""
        found = (reading.ref for service in services for reading in self.at_home(service) if reading.ports is not None)
        return {(ref.namespace, ref.name) for ref in found}

    def update(self, keys: Iterable[Key], snapshot: Snapshot, *, again: bool) -> None:
        """Reads the CanaryRoutes with these keys; `again`: also those whose object is the same as before."""
        for key in keys:
            old, view = self.readings.get(key), snapshot.canary_routes.get(key)
            ports = None if view is None else home_ports(view, snapshot.services)
            if again or old is None or old.view is not view or old.ports != ports:
                self._replace(key, old, None if view is None else self._read(view, ports))

    def report(self, attached: Uses[Key, tuple[Attachment, ...]], snapshot: Snapshot) -> None:
        """`attached`: by CanaryRoute and host the rules that it was asked to share out."""
        for key in self._changed | set(attached.touched) | self._concerned():
            reading = self.readings.get(key)
            if reading is None:
                self._problems.put(("canaryroute", *key), None)
                continue
            rules = [rule for rules in attached.of(key).values() for rule in rules]
            findings = Findings()
            findings.problems += reading.problems
            tell_effect(reading, rules, self._ingresses, snapshot.ingresses, findings)
            self._problems.put(("canaryroute", *key), tuple(findings.problems) or None)

    def _replace(self, key: Key, old: CanaryRouteReading | None, new: CanaryRouteReading | None) -> None:
        self.readings.put(key, new)
        self._changed.add(key)
        alike = old is not None and new is not None and _alike(old, new)
        for reading in (old, new):
            if reading is not None and reading.home is not None:
                if not alike:
                    self._before_and_after.append(reading)
                others = [other for other in self.at_home(reading.home) if other.ref != reading.ref]
                if reading is new:
                    others = sorted([*others, new], key=lambda route: route.view.meta.age)
                self.by_home.put(reading.home, tuple(others) or None)
        self.targeted.move("/".join(key), _targets(old), _targets(new))

    def _hosts_of(self, reading: CanaryRouteReading) -> Iterator[str]:
        """Those that it may share out, by the backends and names of the Ingresses as they are now."""
        if reading.home is not None:
            for user, hosts in self._ingresses.by_service.of(reading.home).items():
                name = user.partition("/")[2]
                yield from (host for host in hosts if reading.asks_for(name, host))

    def _read(self, view: CanaryRoute, ports: frozenset[int | str] | None) -> CanaryRouteReading:
        try:
            return read_canary_route(view, self._check, ports)
        except Exception as e:  # our own fault, and this object's alone
            return failed_canary_route(view, shorten(f"{type(e).__name__}: {e}"))

    # --- whether it has an effect ---

    def _concerned(self) -> set[Key]:
        """Those whose home or target is an Ingress that changed."""
        found = {reading.ref for service in self._ingresses.services_touched for reading in self.at_home(service)}
        keys = {(ref.namespace, ref.name) for ref in found}
        for ingress in self._ingresses.changed:
            for user in self.targeted.of(ingress):
                namespace, _, name = user.partition("/")
                keys.add((namespace, name))
        return keys


def _alike(old: CanaryRouteReading, new: CanaryRouteReading) -> bool:
    """Whether both share out the same: a status that tells of evidence, times or an action compiles no host.

    What of it counts is in the weights.
    """
    views = [replace(r.view, meta=new.view.meta, status=None, action="", generation=0) for r in (old, new)]
    if old.view.meta.age != new.view.meta.age or views[0] != views[1]:
        return False
    return replace(old, view=new.view) == new


def _targets(reading: CanaryRouteReading | None) -> dict[Key, bool]:
    if reading is None:
        return {}
    return {(reading.ref.namespace, target.name): True for target in reading.view.targets or ()}
