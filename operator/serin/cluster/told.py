"""What is told of an object, made of the raw one: the view, its identity and its addresses.

Total, and the only place of the watch that holds a raw object, which is dropped at once.
"""

import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from serin.cluster.scope import Feed, Interest
from serin.objects.parse import Parsed, parse_object
from serin.problems import Problem, Severity
from serin.refs import Ref, Source
from serin.telemetry import log

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
DELETED = "DELETED"
READ = "READ"
"""Not of the API: the object was read by ourselves."""
_log = logging.getLogger("serin.cluster.watch")
_ADDRESS_FIELDS = ("ip", "hostname")

Address = tuple[tuple[str, str], ...]
"""One entry of status.loadBalancer.ingress: pairs of field (ip, hostname) and value."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event about one object.

    `parsed` is None when the object was deleted, or is `known` in that version. `listed`: it came out of a list, not as
    a change. `failed`: it could not be read for a fault of ours, and stays what it was.
    """

    feed: Feed
    ref: Ref
    uid: str
    version: str
    parsed: Parsed | None
    listed: bool = False
    addresses: tuple[Address, ...] = ()
    known: bool = False
    failed: bool = False


IsKnown = Callable[[Ref, str, str], bool]
"""Whether the object of that uid is known in that version."""


def read_event(feed: Feed, interest: Interest, event: Mapping[str, Any]) -> Told | None:
    """`event` has `type` (None for an object out of a list) and `object`. None: nobody wants to know of that object."""
    raw = event.get("object")
    ref = ref_of(feed, raw)
    if ref is None or not isinstance(raw, dict) or not interest.keeps(ref):
        return None
    return read_object(feed, ref, raw, event.get("type"))


def read_known(feed: Feed, event: Mapping[str, Any], is_known: IsKnown) -> Told | None:
    """Of an object out of a list that is known in that version; None when it has to be read."""
    raw = event.get("object")
    if event.get("type") is not None or not isinstance(raw, dict) or (ref := ref_of(feed, raw)) is None:
        return None
    uid, version = identity_of(raw)
    return Told(feed, ref, uid, version, None, listed=True, known=True) if is_known(ref, uid, version) else None


def ref_of(feed: Feed, raw: object) -> Ref | None:
    """The object's name; None when there is none."""
    metadata = raw.get("metadata") if isinstance(raw, dict) else None
    if not isinstance(metadata, dict):
        return None
    name = _text(metadata, "name")
    return Ref(feed.kind.name, _text(metadata, "namespace") if feed.kind.namespaced else "", name) if name else None


def read_object(feed: Feed, ref: Ref, raw: dict[str, Any], kind_of_event: str | None) -> Told:
    """`kind_of_event`: None when the watch listed it, READ when we read it ourselves."""
    uid, version = identity_of(raw)
    if kind_of_event == DELETED:
        return Told(feed, ref, uid, version, None)
    annotations = raw["metadata"].get("annotations")
    if isinstance(annotations, dict):
        # kubectl's copy of the whole object, often the larger part of it.
        annotations.pop(LAST_APPLIED, None)
    try:
        parsed = parse_object(raw)
    except Exception as error:
        log.event(_log, log.OBJECT_UNREADABLE, level=logging.ERROR, object=str(ref), error=_where(error))
        return Told(feed, ref, uid, version, _fault(ref), kind_of_event is None, failed=True)
    addresses = _addresses(raw) if ref.kind == "Ingress" else ()
    # The view's own name, so that memory holds one and not two.
    return Told(feed, parsed.ref or ref, uid, version, parsed, kind_of_event is None, addresses)


def _fault(ref: Ref) -> Parsed:
    text = "cannot be read, which is a fault of Serin's: what was read of it before stays in force; the log says more"
    return Parsed(None, (Problem(Source(ref), "object-unreadable", Severity.ERROR, text),), ref)


def _where(error: Exception) -> str:
    """Without its text, which may quote a Secret."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return f"{type(error).__name__} at " + " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))


def identity_of(raw: Mapping[str, Any]) -> tuple[str, str]:
    """uid and resourceVersion, empty where there are none."""
    metadata = raw.get("metadata")
    return (_text(metadata, "uid"), _text(metadata, "resourceVersion")) if isinstance(metadata, dict) else ("", "")


def _addresses(raw: Mapping[str, Any]) -> tuple[Address, ...]:
    found: object = raw
    for key in ("status", "loadBalancer", "ingress"):
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, list):
        return ()
    return tuple(
        tuple((field, text) for field in _ADDRESS_FIELDS if (text := _text(entry, field)))
        for entry in found
        if isinstance(entry, dict)
    )


def _text(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""
