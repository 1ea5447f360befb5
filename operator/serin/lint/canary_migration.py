"""`serin canary migrate`: the CanaryRoute that decides as canary Ingresses do now, read off the plan.

The plan is what is in force, so that nothing is carried over that had no effect. docs/canaryroute.md has the meaning of
each field; nothing is written anywhere by this.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

from serin.lint.canary_rules import Check, rules_of
from serin.objects.canaryroute import LONGEST_NAME, LONGEST_VERSION, MOST_TARGETS, MOST_VERSIONS, MOST_WEIGHT
from serin.objects.names import is_namespace
from serin.refs import Ref
from serin.routing.plan import Plan, Route, VersionRoute


@dataclass(frozen=True, slots=True)
class Migrated:
    """`document` is the CanaryRoute. `differs`: what decides otherwise in it; `notes`: what to know beside it."""

    document: Mapping[str, Any]
    main: Ref
    canaries: tuple[Ref, ...]
    differs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """A route with canaries, and the shares in force."""

    host: str
    route: Route
    weights: tuple[int, ...]


def migrate(plan: Plan, check: Check) -> tuple[Migrated, ...]:
    """One for each main Ingress, home Service and set of canaries, by namespace and name."""
    every = [_Place(host.name, r, _weights(plan, r)) for host in plan.hosts.values() for r in host.routes if r.versions]
    groups: dict[tuple[object, ...], list[_Place]] = {}
    for place in every:
        if len(place.route.versions) > 1 and place.route.canary_route is None:
            groups.setdefault(_key(place), []).append(place)
    used: dict[tuple[str, str], int] = {}
    made = []
    for places in sorted(groups.values(), key=lambda group: _order(group[0])):
        main = places[0].route.ingress
        number = used[main.namespace, main.name] = used.get((main.namespace, main.name), 0) + 1
        name = main.name if number == 1 else f"{main.name}-{number}"
        made.append(_migrated(name[:LONGEST_NAME].rstrip("-."), places, every, check))
    return tuple(made)


def _key(place: _Place) -> tuple[object, ...]:
    """What routes have in common that one CanaryRoute can speak of."""
    told = tuple((v.ingress, v.service, v.port, v.header, v.cookie) for v in place.route.versions)
    return (place.route.ingress, told, place.weights)


def _order(place: _Place) -> tuple[str, str, str, str]:
    main = place.route.ingress
    return (main.namespace, main.name, place.host, place.route.rule.path)


def _weights(plan: Plan, route: Route) -> tuple[int, ...]:
    """Of 100 where that gives whole numbers, else as small as they can be. Main has what the canaries leave."""
    split = plan.splits.get(route.split or "")
    if split is None:
        return (1, *(0 for _ in route.versions[1:]))
    weights = [share.weight for share in split.shares]
    if split.rest:
        weights[0] = max(0, split.total - sum(weights[1:]))
    divisor = gcd(*weights) or 1
    least = [weight // divisor for weight in weights]
    factor = 100 // sum(least) if sum(least) and 100 % sum(least) == 0 else 1
    return tuple(weight * factor for weight in least)


def _migrated(name: str, places: Sequence[_Place], every: Sequence[_Place], check: Check) -> Migrated:
    route, weights = places[0].route, places[0].weights
    names, rules = _names(route.versions), rules_of(route.versions, weights, check)
    differs = list(rules.differs)
    if len(names) > MOST_VERSIONS:
        differs.append(f"a CanaryRoute has at most {MOST_VERSIONS} versions; the API server refuses this one")
    targets, said = _targets(places, every)
    differs += said
    spec: dict[str, Any] = {"targets": targets} if targets else {}
    spec["versions"] = _versions(names, route, _bounded(weights, differs), every)
    if rules.rules:
        spec["rules"] = rules.documents(names)
    main = route.ingress
    document = {
        "apiVersion": "serin.dev/v1alpha1",
        "kind": "CanaryRoute",
        "metadata": {"name": name, "namespace": main.namespace},
        "spec": spec,
    }
    canaries = tuple(dict.fromkeys(version.ingress for version in route.versions[1:]))
    return Migrated(document, main, canaries, tuple(dict.fromkeys(differs)), tuple(_notes(route)))


# --- versions ---


def _names(versions: Sequence[VersionRoute]) -> list[str]:
    """`home` and `canary`; several canaries are called as their Ingresses, where these names will do."""
    if len(versions) == 2:
        return ["home", "canary"]
    names = ["home"]
    for number, version in enumerate(versions[1:], 1):
        wanted = version.ingress.name
        usable = is_namespace(wanted) and len(wanted) <= LONGEST_VERSION and wanted not in names
        names.append(wanted if usable else f"canary-{number}")
    return names


def _versions(
    names: Sequence[str], route: Route, weights: Sequence[int], every: Sequence[_Place]
) -> list[dict[str, Any]]:
    home = route.versions[0]
    ports = {
        p.route.versions[0].port
        for p in every
        if p.route.ingress.namespace == route.ingress.namespace and p.route.versions[0].service == home.service
    }
    made = []
    for name, version, weight in zip(names, route.versions, weights, strict=True):
        service: dict[str, Any] = {"name": version.service}
        if version.port != home.port or len(ports) > 1:
            service["port"] = int(version.port) if version.port.isdecimal() else version.port
        made.append({"name": name, "service": service, "weight": weight})
    return made


def _bounded(weights: Sequence[int], differs: list[str]) -> Sequence[int]:
    most = max(weights)
    if most <= MOST_WEIGHT:
        return weights
    differs.append(f"weights above {MOST_WEIGHT} are rounded: {', '.join(map(str, weights))}")
    return [max(1, weight * MOST_WEIGHT // most) if weight else 0 for weight in weights]


# --- targets ---


def _targets(places: Sequence[_Place], every: Sequence[_Place]) -> tuple[list[dict[str, str]], list[str]]:
    """As few as say it, and what they say too much of."""
    main, home = places[0].route.ingress, places[0].route.versions[0]
    backends = [p for p in every if p.route.ingress == main and _is_home(p, home)]
    if _all_of(places, backends):
        return [{"name": main.name}], []
    targets = [
        {"name": main.name, **target}
        for host in sorted({p.host for p in places})
        for target in _of_host(host, places, backends)
    ]
    differs = [
        f"{p.host or 'any host'} {p.route.rule.path} ({p.route.rule.path_type}) has no canary, and gets one: "
        "a target cannot tell it from the path beside it"
        for p in backends
        if p not in places and any(_selected(target, p) for target in targets)
    ]
    if len(targets) > MOST_TARGETS:
        differs.append(f"a CanaryRoute has at most {MOST_TARGETS} targets; the API server refuses this one")
    return targets, differs


def _of_host(host: str, places: Sequence[_Place], backends: Sequence[_Place]) -> Iterator[dict[str, str]]:
    chosen = [p for p in places if p.host == host]
    if host and _all_of(chosen, [p for p in backends if p.host == host]):
        yield {"host": host}
        return
    for path in sorted({p.route.rule.path for p in chosen}):
        yield {**({"host": host} if host else {}), "path": path}


def _is_home(place: _Place, home: VersionRoute) -> bool:
    backend = place.route.versions[0]
    return (backend.service, backend.port) == (home.service, home.port)


def _all_of(places: Sequence[_Place], backends: Sequence[_Place]) -> bool:
    return all(backend in places for backend in backends)


def _selected(target: Mapping[str, str], place: _Place) -> bool:
    return target.get("host", place.host) == place.host and target.get("path") in (None, place.route.rule.path)


# --- what to know ---


def _notes(route: Route) -> Iterator[str]:
    canaries = route.versions[1:]
    if route.policy.affinity is not None and any(version.sticky for version in canaries):
        yield "the affinity cookie of the Ingress is asked after the rules here, before them with annotations"
    if any(version.cookie is not None for version in canaries):
        yield "cookies are compared with case here, without with canary-by-cookie"
    if any(version.hash_by is not None for version in canaries):
        yield "upstream-hash-by of the canary's Ingress is not a part of a CanaryRoute"
