"""Which Ingresses are ours."""

from collections.abc import Mapping
from dataclasses import dataclass

from serin.compile.findings import Findings
from serin.compile.options import Options
from serin.objects.store import Key
from serin.objects.views import Ingress, IngressClass

ANNOTATION = "kubernetes.io/ingress.class"


@dataclass(frozen=True, slots=True)
class Classes:
    """`ours`: names of IngressClasses that are served. `default`: one of them is for Ingresses without any class."""

    ours: frozenset[str]
    known: frozenset[str]
    default: bool


def read_classes(classes: Mapping[Key, IngressClass], options: Options) -> Classes:
    def is_ours(found: IngressClass) -> bool:
        by_name = options.ingress_class_by_name or options.standalone
        return found.controller == options.controller_class or (
            by_name and found.meta.ref.name == options.ingress_class
        )

    ours = {c.meta.ref.name for c in classes.values() if is_ours(c)}
    known = {c.meta.ref.name for c in classes.values()}
    if options.standalone:
        ours.add(options.ingress_class)
    default = any(c.is_default for c in classes.values() if c.meta.ref.name in ours)
    return Classes(frozenset(ours), frozenset(known), default)


def is_ours(ingress: Ingress, classes: Classes, options: Options, findings: Findings) -> bool:
    """spec.ingressClassName decides; only without it the annotation; only without both the default class.

    On files alone, an Ingress that nobody can be meant to serve is a problem; on a cluster it may be another's.
    """
    if ingress.class_name is not None:
        if options.standalone and ingress.class_name not in classes.ours | classes.known:
            text = f"there is no IngressClass {ingress.class_name}, expected {options.ingress_class}; it is not served"
            findings.warning(ingress.meta.at("spec.ingressClassName"), "class-unknown", text)
        return ingress.class_name in classes.ours
    annotated = ingress.meta.annotations.get(ANNOTATION)
    if annotated:
        return annotated == options.ingress_class
    if options.watch_ingress_without_class or classes.default:
        return True
    if options.standalone:
        text = f"expected {options.ingress_class}; without a class it is not served"
        findings.warning(ingress.meta.at("spec.ingressClassName"), "class-missing", text)
    return False


def is_anothers(ingress: Ingress, classes: Classes) -> bool:
    """Whether an Ingress that is not ours can be meant for another controller: its class is there, or an annotation.

    One whose class nobody has is more likely misspelt.
    """
    if ingress.class_name is not None:
        return ingress.class_name in classes.known
    return bool(ingress.meta.annotations.get(ANNOTATION))
