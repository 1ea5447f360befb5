"""`metadata` of a raw object. Without a usable name there is no object: nothing could refer to it."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from serin.objects.fields import Fields, Report, shorten
from serin.objects.names import is_namespace, is_object_name
from serin.objects.views import Meta
from serin.refs import Ref

_CLUSTER_SCOPED = frozenset({"IngressClass", "Namespace"})
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)


def read_ref(kind: str, root: Fields) -> Ref | None:
    """The object's name; None, with a problem, when it has none that Kubernetes would take.

    A namespaced object without namespace is in `default`, as for kubectl.
    """
    metadata = root.mapping("metadata")
    if metadata is None:
        if not root.has("metadata"):
            root.report.error("metadata", "name-missing", f"expected a name; this {kind} is ignored")
        return None
    name = metadata.text("name")
    if not name:
        root.report.error("metadata.name", "name-missing", f"expected a name; this {kind} is ignored")
        return None
    if not is_object_name(name):
        text = f"{shorten(name)!r} is no name that Kubernetes takes (a-z, 0-9, '-' and '.'); this {kind} is ignored"
        root.report.error("metadata.name", "invalid-name", text)
        return None
    namespace = _namespace(kind, metadata)
    return None if namespace is None else Ref(kind, namespace, name)


def _namespace(kind: str, metadata: Fields) -> str | None:
    if kind in _CLUSTER_SCOPED:
        return ""
    if not metadata.has("namespace"):
        return "default"
    namespace = metadata.raw["namespace"]
    if isinstance(namespace, str) and is_namespace(namespace):
        return namespace
    text = f"expected a namespace's name (a-z, 0-9 and '-', in quotes if it is a number); this {kind} is ignored"
    metadata.report.error("metadata.namespace", "invalid-name", text)
    return None


def read_meta(root: Fields, ref: Ref, *, order: int, version: str) -> Meta | None:
    """None when annotations cannot be read as a mapping: one of them may be an access rule."""
    metadata = root.mapping("metadata")
    assert metadata is not None
    if metadata.has("annotations") and not isinstance(metadata.raw["annotations"], Mapping):
        text = f"annotations are no mapping and may hold access rules; this {ref.kind} is ignored"
        metadata.report.error("metadata.annotations", "annotations-unreadable", text)
        return None
    return Meta(
        ref=ref,
        created=_created(metadata),
        order=order,
        version=version or metadata.text("resourceVersion"),
        annotations=metadata.string_map("annotations", "annotation-not-string"),
        labels=metadata.string_map("labels", "label-not-string"),
    )


def _created(metadata: Fields) -> float:
    text = metadata.text("creationTimestamp")
    if not text:
        return 0.0
    seconds = parse_timestamp(text)
    if seconds is None:
        note = f"expected a time like 2026-01-31T12:00:00Z, found {shorten(text)!r}; the order read counts as age"
        metadata.report.warning(metadata.at("creationTimestamp"), "invalid-timestamp", note)
        return 0.0
    return seconds


def parse_timestamp(text: str) -> float | None:
    """RFC 3339 to seconds since the epoch. Digits of the fraction beyond the microsecond are dropped."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        return None
    day, clock, fraction, sign, hours, minutes = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC)
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        moment = moment + offset if sign == "-" else moment - offset
    except (ValueError, OverflowError):
        return None
    micros = int((fraction or "0").ljust(6, "0")[:6])
    return moment.timestamp() + micros / 1e6


def nameless_report(kind: str) -> Report:
    """Problems found before the object's name is known."""
    return Report(Ref(kind, "", ""))
