"""Whatever comes is a review or a text about what was expected; what goes out is what an API server takes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.admission.reviews import NOW, World, body_of, envelope, review_of
from unit.compile.manifests import check_pattern, ingress

from serin.admission.judge import Judge
from serin.admission.review import MOST_VALUES, BadReview, Review, answer, read_review
from serin.admission.verdict import ALLOWED, Verdict

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
JUDGE = Judge(World(ingress("main")).state, check_pattern, lambda: NOW)


def judged(body: bytes) -> dict[str, Any]:
    review = read_review(body)
    assert isinstance(review, Review)
    JUDGE.secrets(review)
    found: dict[str, Any] = json.loads(answer(review, JUDGE.verdict(review, {})))
    assert found["kind"] == "AdmissionReview"
    assert found["response"]["uid"] == review.uid
    return found["response"]  # type: ignore[no-any-return]


@given(st.binary(max_size=64) | json_values.map(lambda v: json.dumps(v).encode()))
def test_any_bytes_are_a_review_or_a_text(body: bytes) -> None:
    found = read_review(body)
    assert isinstance(found, BadReview)
    assert found.text.startswith("expected ")


PLACES = ("uid", "operation", "kind", "subResource", "object", "oldObject", "dryRun", "name", "namespace")


@given(st.dictionaries(st.sampled_from(PLACES), json_values, min_size=1, max_size=3))
def test_any_value_in_a_request_is_answered_or_refused(changes: dict[str, Any]) -> None:
    body = body_of(ingress("new", host="new.example"), **changes)
    if isinstance(read_review(body), Review):
        judged(body)


INSIDE = (
    ("metadata",),
    ("metadata", "annotations"),
    ("metadata", "namespace"),
    ("metadata", "deletionTimestamp"),
    ("metadata", "creationTimestamp"),
    ("spec",),
    ("spec", "rules"),
    ("spec", "rules", 0, "http", "paths", 0),
    ("spec", "tls"),
    ("apiVersion",),
)


@given(st.sampled_from(INSIDE), json_values, st.booleans())
def test_any_value_in_an_object_is_judged(place: tuple[Any, ...], value: Any, old: bool) -> None:
    changed = ingress("new", host="new.example", notes={"a/b": "c"})
    inner: Any = changed
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    whole = ingress("new", host="new.example")
    kind = {"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"}
    new, before = (whole, changed) if old else (changed, None)
    judged(body_of(new, before, kind=kind))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"1" * 5000, "JSON"),
        (b'{"a": "\xff"}', "JSON"),
        (b"[]", "AdmissionReview"),
        (b"{}", "kind AdmissionReview of admission.k8s.io/v1"),
        (envelope().replace(b"/v1", b"/v1beta1"), "kind AdmissionReview of admission.k8s.io/v1"),
        (b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}', "request, a mapping"),
        (envelope(uid=""), "request.uid"),
        (envelope(uid="\ud800"), "request.uid"),
        (envelope(uid="u" * 257), "request.uid"),
        (envelope(uid="u", operation="create"), "request.operation"),
        (envelope(uid="u", operation="CREATE", kind="Ingress"), "request.kind"),
        (body_of(None, object=[]), "request.object"),
        (body_of(None, oldObject="x"), "request.oldObject"),
        (b"[" + b"0," * MOST_VALUES + b"0]", "at most"),
    ],
)
def test_what_is_no_review_is_told(body: bytes, expected: str) -> None:
    found = read_review(body)
    assert isinstance(found, BadReview)
    assert expected in found.text


def test_an_allowed_answer_has_nothing_beside_it() -> None:
    found = json.loads(answer(review_of(ingress("main")), ALLOWED))
    assert found == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "u1", "allowed": True},
    }


def test_a_denied_answer_says_why_and_keeps_its_warnings() -> None:
    found = json.loads(answer(review_of(ingress("main")), Verdict(("look here",), "not so", ("path-conflict",))))
    assert found["response"] == {
        "uid": "u1",
        "allowed": False,
        "status": {"code": 400, "reason": "BadRequest", "message": "not so"},
        "warnings": ["look here"],
    }
