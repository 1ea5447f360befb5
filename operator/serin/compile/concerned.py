"""From an object to the Ingresses that it has to do with, and which Ingresses changed between two compiles.

A user looks at an Ingress first: what is wrong with a Secret or CanaryRoute has to be told there as well. Pure; reads
what compile left for its next run.
"""

from collections.abc import Iterable, Iterator, Mapping

from serin.compile.compiler import Compiled
from serin.compile.ingresses import IngressReading
from serin.compile.options import Key
from serin.problems import Problem
from serin.refs import Ref

INGRESS = "Ingress"
_SHARED = frozenset((INGRESS, "IngressClass", "Service", "Endpoints", "EndpointSlice", "Secret"))
"""Kinds that a cluster has many of, for others than us."""


def concerned(compiled: Compiled, ref: Ref) -> tuple[Ref, ...]:
    """The Ingresses of ours that name the object, sorted; none for objects that concern all, as --configmap does."""
    if ref.kind == INGRESS:
        return (ref,) if ref in compiled.ingresses else ()
    key = (ref.namespace, ref.name)
    if ref.kind in ("Service", "Endpoints"):
        return _arranged(_users_of(compiled, key))
    if ref.kind == "EndpointSlice":
        piece = compiled.memo.snapshot.endpoint_slices.get(key)
        return () if piece is None else _arranged(_users_of(compiled, (ref.namespace, piece.service)))
    if ref.kind == "Secret":
        readers = compiled.memo.secret_readers.get(key) or {}
        members = (reading for host in readers for reading in compiled.memo.members.get(host) or ())
        return _arranged(reading.ref for reading in members if _names_secret(reading, key))
    if ref.kind == "ConfigMap":
        readers = compiled.memo.config_map_readers.get(key) or {}
        members = (reading for host in readers for reading in compiled.memo.members.get(host) or ())
        return _arranged(reading.ref for reading in members if key in reading.config_maps)
    if ref.kind == "IngressClass":
        readings = compiled.memo.readings.values()
        return _arranged(reading.ref for reading in readings if reading.ingress.class_name == ref.name)
    if ref.kind == "CanaryRoute":
        # Only what it does share out: of a rule that an older one has it says itself whose that is.
        hosts = (compiled.plan.hosts.get(name) for name in compiled.memo.attached.get(key) or ())
        routes = (route for host in hosts if host is not None for route in host.routes)
        return _arranged(route.ingress for route in routes if route.canary_route == ref)
    return ()


def of_ours(compiled: Compiled, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Of the problems that objects have by themselves those to be told: not those of another controller's Ingress.

    Objects are read before it is known whose they are, and another controller may think otherwise of them.
    """
    for problem in problems:
        if problem.source.ref.kind not in _SHARED or concerned(compiled, problem.source.ref):
            yield problem


def changed_ingresses(before: Compiled | None, now: Compiled) -> frozenset[Ref]:
    """Ingresses of ours that came or were changed by their users since; none at the first compile, when all are new."""
    if before is None:
        return frozenset()
    old, new = before.memo.readings, now.memo.readings
    if old is new:
        return frozenset()
    refs = now.memo.snapshot.differs_from(before.memo.snapshot)
    if refs is None:
        refs = now.ingresses
    elif now.ingresses is not before.ingresses:
        # Also those that became ours without being touched, by their class.
        refs |= now.ingresses - before.ingresses
    return frozenset(ref for ref in refs if ref.kind == INGRESS and _is_other(old, new, ref))


def _users_of(compiled: Compiled, service: Key) -> Iterable[Ref]:
    for ident in compiled.memo.pools_of.get(service) or ():
        for sources in (compiled.memo.pool_users.get(ident) or {}).values():
            yield from (source.ref for source in sources if source.ref.kind == INGRESS)


def _names_secret(reading: IngressReading, key: Key) -> bool:
    namespace, name = key
    if key in reading.secrets:
        return True
    return reading.ref.namespace == namespace and any(entry.secret == name for entry in reading.ingress.tls)


def _is_other(old: Mapping[Key, IngressReading], new: Mapping[Key, IngressReading], ref: Ref) -> bool:
    key = (ref.namespace, ref.name)
    before, now = old.get(key), new.get(key)
    return now is not None and (before is None or before.ingress is not now.ingress)


def _arranged(refs: Iterable[Ref]) -> tuple[Ref, ...]:
    """By a key: thousands may name one IngressClass, and to compare Refs themselves is five times as slow."""
    return tuple(sorted(set(refs), key=lambda ref: (ref.namespace, ref.name)))
