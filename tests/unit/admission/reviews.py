"""Reviews as an API server sends them, and a judge over objects of a test."""

import json
from collections.abc import Mapping
from typing import Any

from unit.compile.manifests import Raw, check_pattern, ingress_class, views

from serin.admission.judge import Judge
from serin.admission.review import BadReview, Review, read_review
from serin.admission.verdict import Verdict
from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.objects.store import Snapshot, Store
from serin.objects.views import View
from serin.refs import Ref

NOW = 1_900_000_000.0
"""2030: whatever a test creates is younger than what is there."""
OLD, OLDER = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"


def envelope(**request: Any) -> bytes:
    asked = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return json.dumps(asked).encode()


def body_of(new: Raw | None, old: Raw | None = None, **changes: Any) -> bytes:
    """CREATE, or with `old` UPDATE; `changes` replace fields of the request."""
    some = new or old or {}
    group = str(some.get("apiVersion")).rpartition("/")[0]
    return envelope(
        **{
            "uid": "u1",
            "kind": {"group": group, "version": "v1", "kind": some.get("kind", "Ingress")},
            "operation": "CREATE" if old is None else "UPDATE",
            "object": new,
            "oldObject": old,
            "dryRun": False,
        }
        | changes
    )


def review_of(new: Raw | None, old: Raw | None = None, **changes: Any) -> Review:
    read = read_review(body_of(new, old, **changes))
    assert not isinstance(read, BadReview), read.text
    return read


class World:
    """Objects in force, compiled, and a judge over them."""

    def __init__(self, *objects: Raw, **options: Any) -> None:
        self.store = Store()
        for view in views([ingress_class("nginx"), *objects]):
            self.store.apply(view)
        self.options = Options(**options)
        self.compiled: Compiled = compile_snapshot(self.store.snapshot(), self.options, check_pattern)
        self.judge = Judge(self.state, check_pattern, lambda: NOW)

    def state(self) -> tuple[Snapshot, Compiled]:
        return self.store.snapshot(), self.compiled

    def verdict(
        self, new: Raw, old: Raw | None = None, *, secrets: Mapping[Ref, View | None] | None = None, **changes: Any
    ) -> Verdict:
        """Secrets that nobody gave are found missing."""
        review = review_of(new, old, **changes)
        found = dict.fromkeys(self.judge.secrets(review)) if secrets is None else secrets
        return self.judge.verdict(review, found)
