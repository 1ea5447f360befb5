"""Events as the API server has them: core/v1, which `kubectl describe` and all dashboards read. Pure."""

import datetime as dt
import hashlib
from typing import Any

from serin.cluster.events.notes import About, Note
from serin.refs import Ref

COMPONENT = "serin-ingress-controller"
DEFAULT_NAMESPACE = "default"
"""Where Events about objects without a namespace have to lie."""
_NAME_LENGTH = 200
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def event_name(note: Note) -> str:
    """Made of the content: whoever tells the same finds the Event that is there, and cannot make a second one."""
    ref = note.about.ref
    content = "\0".join((ref.kind, ref.namespace, ref.name, note.about.uid, note.reason, note.message, kind_of(note)))
    return f"{ref.name[:_NAME_LENGTH]}.{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def namespace_of(note: Note) -> str:
    return note.about.ref.namespace or DEFAULT_NAMESPACE


def kind_of(note: Note) -> str:
    return "Warning" if note.warning else "Normal"


def new_event(note: Note, count: int, first: float, last: float, instance: str) -> dict[str, Any]:
    """`first` and `last` in seconds since the epoch; `instance` is the replica that tells it."""
    about = note.about
    involved = {
        "apiVersion": about.api_version,
        "kind": about.ref.kind,
        "namespace": about.ref.namespace,
        "name": about.ref.name,
        "uid": about.uid,
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": event_name(note), "namespace": namespace_of(note)},
        "involvedObject": {key: text for key, text in involved.items() if text},
        "type": kind_of(note),
        "reason": note.reason,
        "message": note.message,
        "count": count,
        "firstTimestamp": as_time(first),
        "lastTimestamp": as_time(last),
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "reportingInstance": instance,
    }


def counted_on(count: int, last: float) -> dict[str, Any]:
    """A merge patch."""
    return {"count": count, "lastTimestamp": as_time(last)}


def read_event(raw: dict[str, Any]) -> tuple[Note, str, int, float] | None:
    """Note, name, count and last time of an Event that a replica of ours wrote; None when it is none of that kind."""
    involved = raw.get("involvedObject") or {}
    last = raw.get("lastTimestamp")
    if not last or (raw.get("source") or {}).get("component") != COMPONENT:
        return None
    ref = Ref(involved.get("kind") or "", involved.get("namespace") or "", involved.get("name") or "")
    about = About(ref, involved.get("uid") or "", involved.get("apiVersion") or "")
    note = Note(about, raw.get("reason") or "", raw.get("message") or "", raw.get("type") == "Warning")
    try:
        at = dt.datetime.fromisoformat(last).timestamp()
    except ValueError:
        return None
    return note, raw["metadata"]["name"], raw.get("count") or 1, at


def as_time(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime(_TIME)
