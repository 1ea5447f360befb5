"""A CanaryRoute as it lies in RUN_DIR/plan/canary/: as an API server would give it, as far as it is known. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from serin.objects.canary_status import CanaryStatus
from serin.objects.canary_status_reading import read_status
from serin.objects.canaryroute import ACTION
from serin.objects.fields import Fields, Report
from serin.objects.views import CanaryRollout, CanaryRoute
from serin.refs import Ref
from serin.rollout.status_document import to_document

KIND = "CanaryRoute"
API_VERSION = "serin.dev/v1alpha1"


def to_object(view: CanaryRoute, written: str) -> dict[str, Any]:
    """`written`: the action that the manifest has, where another one came after it."""
    ref = view.meta.ref
    annotations = {ACTION: view.action, f"{ACTION}-written": written}
    metadata: dict[str, Any] = {"namespace": ref.namespace, "name": ref.name}
    if view.generation:
        metadata["generation"] = view.generation
    metadata["annotations"] = {name: text for name, text in annotations.items() if text}
    spec: dict[str, Any] = {
        "versions": [{"name": v.name, "service": {"name": v.service}, "weight": v.weight} for v in view.versions],
        "paused": view.paused,
    }
    if view.rollout is not None:
        spec["rollout"] = _rollout(view.rollout)
    made: dict[str, Any] = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}
    if view.status is not None:
        made["status"] = to_document(view.status)
    return made


def _rollout(rollout: CanaryRollout) -> dict[str, Any]:
    return {
        "version": rollout.version,
        "revision": rollout.revision,
        "baseline": rollout.baseline,
        "falseAlarm": f"{rollout.false_alarm * 100:.6g}%",
        "steps": [
            {
                "name": step.name,
                "weight": f"{step.weight / 1000:.6g}%",
                "duration": f"{step.duration:.6g}s",
                "approval": "Required" if step.approval else "None",
            }
            for step in rollout.steps
        ],
    }


def reread(ref: Ref, status: CanaryStatus) -> CanaryStatus:
    """As it comes back when it has been written."""
    found = dict[object, object](to_document(status).items())
    return read_status(Fields(found, "status", Report(ref)))


def read_document(data: bytes) -> tuple[Ref, CanaryStatus | None, Mapping[str, str]]:
    """Name, status and annotations. ValueError when that is not what it holds."""
    found = json.loads(data)
    metadata = found.get("metadata") if isinstance(found, dict) else None
    if not isinstance(metadata, dict) or found.get("kind") != KIND:
        raise ValueError(f"expected a {KIND}")
    names = [metadata.get("namespace"), metadata.get("name")]
    if not all(isinstance(name, str) and name for name in names):
        raise ValueError("expected metadata with namespace and name")
    ref = Ref(KIND, str(names[0]), str(names[1]))
    annotations = metadata.get("annotations")
    texts = annotations if isinstance(annotations, dict) else {}
    status = found.get("status")
    read = read_status(Fields(status, "status", Report(ref))) if isinstance(status, dict) else None
    return ref, read, {name: text for name, text in texts.items() if isinstance(text, str)}
