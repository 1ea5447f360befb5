"""Ingresses that are not ours, for whoever asks: `serin explain` about their host, `serin lint` about a cluster.

A controller makes no Events of them, since they may be another's.
"""

from collections.abc import Iterator

from serin.compile.classes import ANNOTATION, Classes, is_ours
from serin.compile.findings import Findings
from serin.compile.near import Near
from serin.compile.options import Options
from serin.objects.store import Snapshot
from serin.objects.views import Ingress
from serin.problems import Problem
from serin.refs import Source


def passed_over(snapshot: Snapshot, classes: Classes, options: Options, host: str) -> Iterator[tuple[str, Source]]:
    """Why each of them is not served, and the field that says so, oldest first."""
    for ingress in sorted(snapshot.ingresses.values(), key=lambda each: each.meta.age):
        named = host in {rule.host for rule in ingress.rules}
        if named and not is_ours(ingress, classes, options, Findings()):
            why, field = _why(ingress, snapshot, classes, options)
            yield f"Ingress {ingress.meta.ref.namespace}/{ingress.meta.ref.name} is not served: {why}", field


def of_nobody(snapshot: Snapshot) -> tuple[Problem, ...]:
    """Ingresses of a cluster with a class that no IngressClass has: no controller can be meant."""
    known = {found.meta.ref.name for found in snapshot.ingress_classes.values()}
    near, findings = Near(known), Findings()
    for ingress in snapshot.ingresses.values() if known else ():
        if ingress.class_name is not None and ingress.class_name not in known:
            meant = near.find(ingress.class_name)
            hint = f" (did you mean {meant}?)" if meant else ""
            text = f"there is no IngressClass {ingress.class_name}{hint}; nobody serves it"
            findings.warning(ingress.meta.at("spec.ingressClassName"), "class-unknown", text)
    return tuple(findings.problems)


def _why(ingress: Ingress, snapshot: Snapshot, classes: Classes, options: Options) -> tuple[str, Source]:
    ours = ", ".join(sorted(classes.ours)) or f"none has the controller {options.controller_class}"
    field = ingress.meta.at("spec.ingressClassName")
    if ingress.class_name is not None:
        found = next((c for c in snapshot.ingress_classes.values() if c.meta.ref.name == ingress.class_name), None)
        if found is None:
            return f"there is no IngressClass {ingress.class_name}; ours: {ours}", field
        other = f"IngressClass {ingress.class_name} has the controller {found.controller or '(none)'}"
        return f"{other}, not {options.controller_class}; ours: {ours}", field
    annotated = ingress.meta.annotations.get(ANNOTATION)
    if annotated:
        return f"its class is {annotated}, ours is {options.ingress_class}", ingress.meta.annotation_source(ANNOTATION)
    return f"it has no class, and no IngressClass of ours is the default; ours: {ours}", field
