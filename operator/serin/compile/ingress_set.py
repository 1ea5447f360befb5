"""All Ingresses that are ours, by host and by the names they claim, as edited by one compile."""

from collections.abc import Iterable

from serin.compile.classes import Classes, is_anothers, is_ours
from serin.compile.draft import Draft, Uses
from serin.compile.findings import Findings
from serin.compile.ingresses import IngressReading, NameClaim, Usual, failed_ingress, read_ingress
from serin.compile.memo import Memo, Problems
from serin.compile.options import Key, Options
from serin.compile.settings import Settings
from serin.objects.fields import shorten
from serin.objects.store import Snapshot
from serin.objects.views import Ingress
from serin.refs import Ref


class IngressSet:
    """`touched` are the hosts whose Ingresses changed, `tls_touched` those where one with a `tls` section did.

    `claimants`: names for which the claims changed, and the hosts that claim them. `joined` are the Ingresses that are
    ours only now, `left` those that were until now. `anothers`: the backends of other controllers' Ingresses.
    """

    def __init__(self, memo: Memo, options: Options, settings: Settings, classes: Classes, problems: Problems) -> None:
        self._options = options
        self._settings = settings
        self._usual = Usual()
        self.classes = classes
        self._before = memo.snapshot.ingresses
        self._problems = problems
        self.readings = Draft(memo.readings)
        self.by_host = Draft(memo.members)
        self.by_name: Uses[str, tuple[NameClaim, ...]] = Uses(memo.claims)
        self.by_service: Uses[Key, tuple[str, ...]] = Uses(memo.services)
        self.anothers: Uses[Key, bool] = Uses(memo.anothers)
        self.changed: set[Key] = set()
        self.services_touched: set[Key] = set()
        self._left: dict[str, set[Key]] = {}
        self._joined: dict[str, list[IngressReading]] = {}
        self.joined: set[Ref] = set()
        self.left: set[Ref] = set()
        self.tls_touched: set[str] = set()
        self.claimants: set[str] = set()

    @property
    def touched(self) -> set[str]:
        return self._left.keys() | self._joined.keys()

    def members(self, host: str) -> tuple[IngressReading, ...]:
        return self.by_host.get(host) or ()

    def claims(self, name: str) -> list[NameClaim]:
        return [claim for claims in self.by_name.of(name).values() for claim in claims]

    def update(self, keys: Iterable[Key], snapshot: Snapshot, *, again: bool) -> None:
        """Reads the Ingresses with these keys; `again`: also those whose object is the same as before."""
        for key in keys:
            old, view = self.readings.get(key), snapshot.ingresses.get(key)
            if again or old is None or old.ingress is not view:
                self._replace(key, old, view)
        for host in self.touched:
            left = self._left.get(host, set())
            stay = [r for r in self.members(host) if (r.ref.namespace, r.ref.name) not in left]
            stay += self._joined.get(host, ())
            stay.sort(key=lambda reading: reading.age)
            self.by_host.put(host, tuple(stay) or None)

    def _replace(self, key: Key, old: IngressReading | None, view: Ingress | None) -> None:
        findings = Findings()
        new = None
        if view is not None and is_ours(view, self.classes, self._options, findings):
            new = self._read(view)
            findings.problems += new.problems
        self._problems.put(("ingress", *key), tuple(findings.problems) or None)
        self.readings.put(key, new)
        if old is None and new is not None:
            self.joined.add(new.ref)
        elif old is not None and new is None:
            self.left.add(old.ref)
        if old is not None:
            for host in old.paths:
                self._left.setdefault(host, set()).add(key)
        if new is not None:
            for host in new.paths:
                self._joined.setdefault(host, []).append(new)
        self._claim("/".join(key), old, new)
        self._serve(key, old, new)
        self._note_anothers(key, None if new is not None else view)
        for reading in (old, new):
            if reading is not None and reading.ingress.tls:
                self.tls_touched.update(reading.paths)

    def _serve(self, key: Key, old: IngressReading | None, new: IngressReading | None) -> None:
        self.changed.add(key)
        before, after = _by_service(old), _by_service(new)
        self.services_touched.update(before, after)
        self.by_service.move("/".join(key), before, after)

    def _note_anothers(self, key: Key, view: Ingress | None) -> None:
        """`view`: the Ingress as it is now, unless it is ours."""
        user, old = "/".join(key), self._before.get(key)
        named = set[Key]() if old is None else _backends(old)
        before = {service: True for service in named if user in self.anothers.of(service)}
        after = dict.fromkeys(_backends(view), True) if view is not None and is_anothers(view, self.classes) else {}
        self.services_touched.update(before, after)
        self.anothers.move(user, before, after)

    def _claim(self, user: str, old: IngressReading | None, new: IngressReading | None) -> None:
        before, after = _by_name(old), _by_name(new)
        for name in (*before, *after):
            self.claimants.update((name, *(claim.host for claim in self.claims(name))))
        self.by_name.move(user, before, after)

    def _read(self, view: Ingress) -> IngressReading:
        try:
            return read_ingress(view, self._options, self._settings, self._usual)
        except Exception as e:  # our own fault, and this Ingress's alone
            return failed_ingress(view, self._options, shorten(f"{type(e).__name__}: {e}"))


def _by_name(reading: IngressReading | None) -> dict[str, tuple[NameClaim, ...]]:
    found: dict[str, tuple[NameClaim, ...]] = {}
    for name, claim in reading.claims if reading is not None else ():
        found[name] = (*found.get(name, ()), claim)
    return found


def _backends(ingress: Ingress) -> set[Key]:
    """The Services that an Ingress names."""
    paths = (path.backend for rule in ingress.rules for path in rule.paths)
    return {(ingress.meta.ref.namespace, found.service) for found in (*paths, ingress.default_backend) if found}


def _by_service(reading: IngressReading | None) -> dict[Key, tuple[str, ...]]:
    """The Services behind the rules of an ordinary Ingress, and the hosts that each is on."""
    found: dict[Key, tuple[str, ...]] = {}
    if reading is None or reading.is_canary or not reading.served:
        return found
    default, namespace = reading.ingress.default_backend, reading.ref.namespace
    for host, paths in reading.paths.items():
        services = {path.backend.service for path in paths if path.backend is not None}
        if default is not None:
            services.add(default.service)
        for service in services:
            key = (namespace, service)
            found[key] = (*found.get(key, ()), host)
    return found
