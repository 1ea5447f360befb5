"""AdmissionReview of admission.k8s.io/v1, from bytes to a value and from a verdict to bytes.

Total: any bytes give a review, or a text that says what is wrong with them. What an object means is not known here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serin.admission.verdict import Verdict
from serin.objects.fields import is_text, kind_of

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"
MOST_BYTES = 9 * 1024 * 1024
"""Of a body: ingress-nginx's bound. The API server takes objects of 3 MiB; a review holds two of them."""
MOST_VALUES = 500_000
"""Of JSON in a body: 9 MiB of empty lists would take 300 MB of memory."""
REFUSED = 400
"""The status that a denied request gets, as from ingress-nginx: a client must not try it again."""

_LONGEST_UID = 256
_OPERATIONS = frozenset(("CREATE", "UPDATE", "DELETE", "CONNECT"))

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose request it is, as the API server found out."""

    name: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Review:
    """What is asked. `new` is the object as it would be stored, `old` as it is now. `kind` is (API group, kind)."""

    uid: str
    operation: str
    kind: tuple[str, str]
    sub_resource: str = ""
    new: Raw | None = None
    old: Raw | None = None
    dry_run: bool = False
    asker: Asker = Asker()

    @property
    def name(self) -> str:
        """Of the object, for people: kind, namespace and name as far as they can be read."""
        metadata = (self.new or self.old or {}).get("metadata")
        found = metadata if isinstance(metadata, dict) else {}
        return f"{self.kind[1]} {found.get('namespace', '')}/{found.get('name', '')}"


@dataclass(frozen=True, slots=True)
class BadReview:
    """Not a review; `text` says what was expected."""

    text: str


def read_review(body: bytes) -> Review | BadReview:
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_VALUES:
        return BadReview(f"expected at most {MOST_VALUES} values")
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        return BadReview("expected JSON")
    if not isinstance(raw, dict):
        return BadReview(f"expected an {KIND}, found {kind_of(raw, secret=True)}")
    if raw.get("kind") != KIND or raw.get("apiVersion") != API_VERSION:
        return BadReview(f"expected kind {KIND} of {API_VERSION}")
    request = raw.get("request")
    return _request(request) if isinstance(request, dict) else BadReview("expected request, a mapping")


def _request(request: Raw) -> Review | BadReview:
    uid, operation, kind = request.get("uid"), request.get("operation"), request.get("kind")
    if not is_text(uid) or not 0 < len(uid) <= _LONGEST_UID:
        return BadReview(f"expected request.uid, a text of 1 to {_LONGEST_UID} characters")
    if not isinstance(operation, str) or operation not in _OPERATIONS:
        return BadReview(f"expected request.operation, one of {', '.join(sorted(_OPERATIONS))}")
    if not isinstance(kind, dict) or not is_text(kind.get("kind")) or not is_text(kind.get("group", "")):
        return BadReview("expected request.kind with group and kind")
    for name in ("object", "oldObject"):
        if not isinstance(request.get(name), dict | None):
            return BadReview(f"expected request.{name}, a mapping")
    sub_resource = request.get("subResource")
    return Review(
        uid=uid,
        operation=operation,
        kind=(kind.get("group", ""), kind["kind"]),
        sub_resource=sub_resource if is_text(sub_resource) else "",
        new=request.get("object"),
        old=request.get("oldObject"),
        dry_run=request.get("dryRun") is True,
        asker=_asker(request.get("userInfo")),
    )


def _asker(told: Any) -> Asker:
    """What cannot be read is left out: then nobody is asked about, who has no rights."""
    found = told if isinstance(told, dict) else {}
    name, uid, extra = found.get("username"), found.get("uid"), found.get("extra")
    return Asker(
        name if is_text(name) else "",
        uid if is_text(uid) else "",
        _texts(found.get("groups")),
        {key: _texts(values) for key, values in extra.items()} if isinstance(extra, dict) else {},
    )


def _texts(told: Any) -> tuple[str, ...]:
    return tuple(each for each in told if is_text(each)) if isinstance(told, list) else ()


def answer(review: Review, verdict: Verdict) -> bytes:
    response: dict[str, Any] = {"uid": review.uid, "allowed": verdict.allowed}
    if not verdict.allowed:
        response["status"] = {"code": REFUSED, "reason": "BadRequest", "message": verdict.message}
    if verdict.warnings:
        response["warnings"] = list(verdict.warnings)
    return json.dumps({"apiVersion": API_VERSION, "kind": KIND, "response": response}).encode()
