"""Raw object → view and problems. Total: any value whatever gives one or the other, never an exception.

Which kinds are read, from which API versions, is a table. Kinds that are not in it are somebody else's and are passed
over without a word: a folder of manifests holds Deployments as well. Only what looks like a slip of the pen (an Ingress
of `v1`, an `ingress`) is told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from serin.objects import canaryroute, endpoints, gone, ingress, plain, services
from serin.objects.fields import Fields, kind_of, shorten
from serin.objects.meta import nameless_report, read_meta, read_ref
from serin.objects.views import Meta, View
from serin.problems import Problem
from serin.refs import Ref

_MAX_LIST_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Parsed:
    """`ref` is the object's name when it is of a kind that is read and has a usable one, with or without a view."""

    view: View | None
    problems: tuple[Problem, ...] = ()
    ref: Ref | None = None


@dataclass(frozen=True, slots=True)
class _Kind:
    """`gone`: API versions that once were, each with what to tell its user."""

    version: str
    read: Callable[[Fields, Meta], View | None]
    gone: Mapping[str, Callable[[Fields, str], None]]


_INGRESS = _Kind("v1", ingress.read_ingress, {"v1beta1": gone.ingress_gone})
_KINDS: Mapping[tuple[str, str], _Kind] = {
    ("networking.k8s.io", "Ingress"): _INGRESS,
    ("extensions", "Ingress"): _Kind("", ingress.read_ingress, {"v1beta1": gone.ingress_gone}),
    ("networking.k8s.io", "IngressClass"): _Kind("v1", ingress.read_ingress_class, {"v1beta1": gone.class_gone}),
    ("discovery.k8s.io", "EndpointSlice"): _Kind("v1", endpoints.read_endpoint_slice, {"v1beta1": gone.slice_gone}),
    ("", "Service"): _Kind("v1", services.read_service, {}),
    ("", "Endpoints"): _Kind("v1", endpoints.read_endpoints, {}),
    ("", "Secret"): _Kind("v1", plain.read_secret, {}),
    ("", "ConfigMap"): _Kind("v1", plain.read_config_map, {}),
    ("", "Namespace"): _Kind("v1", plain.read_namespace, {}),
    ("serin.dev", "CanaryRoute"): _Kind("v1alpha1", canaryroute.read_canary_route, {}),
}
_OUR_KINDS = frozenset(kind for _, kind in _KINDS)
_WRITTEN = {
    kind.lower(): (kind, f"{group}/{entry.version}" if group else entry.version)
    for (group, kind), entry in _KINDS.items()
    if group != "extensions"
}
"""Kind and apiVersion as they are to be written, by the kind in lower case."""


def parse_object(raw: object, *, order: int = 0, version: str = "") -> Parsed:
    """The view of one object. A List is not one object: see `flatten`.

    `order` and `version` go into the view's Meta; an empty `version` is taken from metadata.resourceVersion.
    """
    identified = _identify(raw)
    if isinstance(identified, Parsed):
        return identified
    kind, entry, version_found, root = identified
    ref = read_ref(kind, root)
    if ref is None:
        return Parsed(None, tuple(root.report.problems))
    root.report.ref = ref
    root.report.problems.clear()
    if version_found != entry.version:
        _other_version(root, entry, version_found)
        return Parsed(None, tuple(root.report.problems), ref)
    meta = read_meta(root, ref, order=order, version=version)
    view = None if meta is None else entry.read(root, meta)
    return Parsed(view, tuple(root.report.problems), ref)


def _identify(raw: object) -> "Parsed | tuple[str, _Kind, str, Fields]":
    """The table's entry for the object; a Parsed when there is nothing to read."""
    if not isinstance(raw, Mapping):
        return _not_an_object(f"expected a Kubernetes object, found {kind_of(raw, secret=True)}; it is ignored")
    api_version, kind = raw.get("apiVersion"), raw.get("kind")
    if not isinstance(kind, str) or not kind:
        return _not_an_object("expected a Kubernetes object with apiVersion and kind; it is ignored")
    if not isinstance(api_version, str) or not api_version:
        report = nameless_report(kind if kind in _OUR_KINDS else "")
        text = f"expected apiVersion beside kind {shorten(kind)}; the object is ignored"
        report.error("apiVersion", "api-version-missing", text)
        return Parsed(None, tuple(report.problems))
    group, _, version = api_version.rpartition("/")
    entry = _KINDS.get((group, kind))
    root = Fields(raw, "", nameless_report(kind))
    if entry is None:
        return _slip(root, kind, api_version) if _is_kubernetes(group) else Parsed(None)
    return kind, entry, version, root


def _is_kubernetes(group: str) -> bool:
    """Kubernetes' own API groups, and ours; others may have kinds of the same names (Knative has a Service)."""
    return "." not in group or group.endswith(".k8s.io") or group == "serin.dev"


def _slip(root: Fields, found: str, api_version: str) -> Parsed:
    """A kind of ours with another spelling, or in an API group that does not have it."""
    if found.lower() not in _WRITTEN:
        return Parsed(None)
    kind, expected = _WRITTEN[found.lower()]
    ref = read_ref(kind, root)
    if ref is None:
        return Parsed(None, tuple(root.report.problems))
    root.report.ref = ref
    root.report.problems.clear()
    if found != kind:
        text = f"the kind {shorten(found)} is not known, expected {kind}; this object is ignored"
        root.report.error("kind", "kind-unknown", text)
    else:
        text = f"apiVersion {shorten(api_version)} has no {kind}, expected {expected}; this {kind} is ignored"
        root.report.error("apiVersion", "api-version-unknown", text)
    return Parsed(None, tuple(root.report.problems), ref)


def _not_an_object(text: str) -> Parsed:
    report = nameless_report("")
    report.error("", "not-an-object", text)
    return Parsed(None, tuple(report.problems))


def _other_version(root: Fields, entry: _Kind, version: str) -> None:
    api_version = str(root.raw["apiVersion"])
    tell = entry.gone.get(version)
    if tell is not None:
        tell(root, api_version)
        return
    group, slash, _ = api_version.rpartition("/")
    text = f"apiVersion {shorten(api_version)} is not known, expected {group}{slash}{entry.version or 'v1beta1'}"
    root.report.error("apiVersion", "api-version-unknown", f"{text}; this {root.report.ref.kind} is ignored")


def flatten(raw: object) -> list[object]:
    """The objects of a List (kind List, IngressList, …, nested too), or the object itself.

    Items of a typed list may leave out apiVersion and kind, as in the API server's own answers.
    """
    return _flatten(raw, _MAX_LIST_DEPTH)


def _flatten(raw: object, depth: int) -> list[object]:
    if depth == 0 or not isinstance(raw, Mapping):
        return [raw]
    kind, items = raw.get("kind"), raw.get("items")
    if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(items, list | tuple):
        return [raw]
    api_version, item_kind = raw.get("apiVersion"), kind.removesuffix("List")
    found: list[object] = []
    for item in items:
        if item_kind and isinstance(item, Mapping):
            item = {"apiVersion": api_version, "kind": item_kind, **item}
        found += _flatten(item, depth - 1)
    return found


def parse_objects(raw: object, *, order: int = 0, version: str = "") -> tuple[Parsed, ...]:
    """Every object of a document, Lists flattened; a List's objects share `order` and `version`."""
    return tuple(parse_object(item, order=order, version=version) for item in flatten(raw))


__all__ = ["Parsed", "flatten", "parse_object", "parse_objects"]
