"""Names, ages, annotations."""

from typing import Any

import pytest

from serin.objects.meta import parse_timestamp
from serin.objects.parse import Parsed, parse_object
from serin.objects.views import Meta
from serin.refs import Ref


def namespace(**metadata: Any) -> Parsed:
    return parse_object({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


def config_map(**metadata: Any) -> Parsed:
    return parse_object({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})


def codes(parsed: Parsed) -> list[str]:
    return [problem.code for problem in parsed.problems]


def test_without_namespace_an_object_is_in_default_and_cluster_scoped_kinds_in_none() -> None:
    assert config_map(name="a").ref == Ref("ConfigMap", "default", "a")
    assert namespace(name="a", namespace="b").ref == Ref("Namespace", "", "a")


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({}, "name-missing"),
        ({"generateName": "a-"}, "name-missing"),
        ({"name": "../../etc"}, "invalid-name"),
        ({"name": "A"}, "invalid-name"),
        ({"name": "a" * 254}, "invalid-name"),
        ({"name": 5}, "wrong-type"),
        ({"name": "a", "namespace": 5}, "invalid-name"),
        ({"name": "a", "namespace": "a.b"}, "invalid-name"),
        ({"name": "a", "annotations": ["auth-type: basic"]}, "annotations-unreadable"),
    ],
)
def test_without_a_usable_name_there_is_no_view(metadata: dict[str, Any], code: str) -> None:
    parsed = config_map(**metadata)
    assert parsed.view is None
    assert code in codes(parsed)


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (8, "8"), (1.5, "1.5"), (None, ""), (["10.0.0.0/8"], '["10.0.0.0/8"]'), ({"a": 1}, '{"a": 1}')],
)
def test_an_annotation_that_is_no_text_stays_visible(value: object, text: str) -> None:
    parsed = config_map(name="a", annotations={"nginx.ingress.kubernetes.io/x": value, "y": "z"})
    assert parsed.view is not None
    assert parsed.view.meta.annotations == {"nginx.ingress.kubernetes.io/x": text, "y": "z"}
    (problem,) = parsed.problems
    assert problem.code == "annotation-not-string"
    assert problem.source.field == "metadata.annotations[nginx.ingress.kubernetes.io/x]"


def test_a_number_as_name_is_told_to_be_quoted() -> None:
    assert 'write "5" in quotes' in config_map(name=5).problems[0].text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("2026-01-01T00:00:00Z", 1767225600.0),
        ("2026-01-01T02:00:00+02:00", 1767225600.0),
        ("2025-12-31t19:00:00-05:00", 1767225600.0),
        ("2026-01-01T00:00:00.250Z", 1767225600.25),
        ("2026-01-01T00:00:00.123456789Z", 1767225600.123456),
        ("2026-01-01", None),
        ("2026-01-01T00:00:00", None),
        ("2026-13-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-99:00", None),
        ("yesterday", None),
    ],
)
def test_timestamps_are_those_of_rfc_3339(text: str, seconds: float | None) -> None:
    assert parse_timestamp(text) == seconds


def test_a_timestamp_that_cannot_be_read_counts_as_none() -> None:
    parsed = config_map(name="a", creationTimestamp="yesterday")
    assert parsed.view is not None
    assert parsed.view.meta.created == 0
    assert codes(parsed) == ["invalid-timestamp"]


def test_age_goes_by_timestamp_then_by_order_then_by_name() -> None:
    def meta(name: str, created: float = 0.0, order: int = 0) -> Meta:
        return Meta(Ref("Ingress", "default", name), created=created, order=order)

    ordered = [
        meta("z", created=10.0, order=9),
        meta("a", created=20.0, order=1),
        meta("b", created=20.0, order=1),
        meta("a", created=20.0, order=2),
        meta("y", order=3),
        meta("a", order=4),
    ]
    assert sorted((ordered[i] for i in (3, 0, 5, 1, 4, 2)), key=lambda m: m.age) == ordered


def test_the_version_is_the_one_given_or_the_objects_own() -> None:
    raw = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "resourceVersion": "7"}}
    own, given = parse_object(raw).view, parse_object(raw, version="abc", order=3).view
    assert own is not None
    assert given is not None
    assert (own.meta.version, given.meta.version, given.meta.order) == ("7", "abc", 3)


def test_an_unknown_version_of_a_known_kind_is_a_problem() -> None:
    parsed = parse_object({"apiVersion": "v2", "kind": "Secret", "metadata": {"name": "a"}})
    assert parsed.view is None
    assert codes(parsed) == ["api-version-unknown"]
