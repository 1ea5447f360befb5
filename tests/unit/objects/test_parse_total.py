"""Parsing is total: whatever is given, there is a view or there are problems, and every field has its type."""

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.objects.parse import flatten, parse_object, parse_objects
from serin.problems import Problem

KINDS = (
    *("Ingress", "IngressClass", "Service", "EndpointSlice", "Endpoints", "Secret", "ConfigMap", "Namespace"),
    *("CanaryRoute", "List"),
)
VERSIONS = (
    "v1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "extensions/v1beta1",
    "discovery.k8s.io/v1",
    "serin.dev/v1alpha1",
    "/",
    "",
)
KEYS = [
    "name", "namespace", "annotations", "labels", "creationTimestamp", "resourceVersion", "spec", "rules",
    "host", "http", "paths", "path", "pathType", "backend", "service", "port", "number", "resource",
    "serviceName", "servicePort", "defaultBackend", "tls", "hosts", "secretName", "controller", "type",
    "clusterIP", "externalName", "ports", "targetPort", "protocol", "sessionAffinity",
    "sessionAffinityConfig", "clientIP", "timeoutSeconds", "addressType", "endpoints", "addresses",
    "conditions", "ready", "serving", "terminating", "subsets", "notReadyAddresses", "ip", "data",
    "stringData", "items", "kind", "apiVersion", "metadata", "ingressClassName", "kubernetes.io/service-name",
    "auth",
]  # fmt: skip
TEXTS = [
    "Prefix", "Exact", "/", "/a", "a.example.com", "*.example.com", "*.", "10.0.0.1", "::1", "IPv4", "FQDN",
    "ClientIP", "ExternalName", "YQ==", "true", "2026-01-01T00:00:00Z", "9999-99-99T99:99:99Z",
]  # fmt: skip

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(TEXTS),
    st.integers(0, 70000),
    st.just("\ud800"),
    st.binary(max_size=3),
)
keys = st.one_of(st.sampled_from(KEYS), st.text(max_size=5), st.integers(), st.none())
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=6), st.tuples(inner)),
    max_leaves=30,
)
paths = st.dictionaries(st.sampled_from(["path", "pathType", "backend", "x"]), values, max_size=4)
rules = st.fixed_dictionaries(
    {},
    optional={"host": values, "http": st.fixed_dictionaries({"paths": st.lists(st.one_of(paths, values), max_size=3)})},
)
specs = st.one_of(
    values,
    st.fixed_dictionaries({}, optional={"rules": st.lists(st.one_of(rules, values), max_size=3), "tls": values}),
)
objects = st.fixed_dictionaries(
    {"apiVersion": st.sampled_from(VERSIONS), "kind": st.sampled_from(KINDS)},
    optional={
        "metadata": st.one_of(
            values,
            st.fixed_dictionaries(
                {"name": st.just("x")},
                optional={"annotations": values, "labels": values, "namespace": values, "creationTimestamp": values},
            ),
        ),
        "spec": specs,
        "data": values,
        "stringData": values,
        "subsets": values,
        "endpoints": values,
        "ports": values,
        "items": values,
    },
)


def conforms(value: object, hint: typing.Any) -> bool:
    """Whether a value is of a type as annotated in the views."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(conforms(value, argument) for argument in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and all(conforms(item, arguments[0]) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            conforms(k, arguments[0]) and conforms(v, arguments[1]) for k, v in value.items()
        )
    if is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return type(value) is hint and all(conforms(getattr(value, f.name), hints[f.name]) for f in fields(hint))
    if hint is str:
        return isinstance(value, str) and value.encode("utf-8", "replace").decode() == value
    return type(value) is (type(None) if hint is None else hint)


@settings(max_examples=300, deadline=None)
@given(st.one_of(values, objects))
def test_any_value_gives_a_view_or_problems(raw: object) -> None:
    for parsed in (parse_object(raw), *parse_objects(raw)):
        assert parsed.view is None or conforms(parsed.view, type(parsed.view))
        assert all(isinstance(p, Problem) and conforms(p.source.field, str) and p.text for p in parsed.problems)
        if parsed.view is not None:
            assert parsed.ref == parsed.view.meta.ref
            hash(parsed.ref)


def test_the_type_check_of_this_test_can_fail() -> None:
    assert not conforms((1,), tuple[str, ...])
    assert not conforms({"a": 1}, Mapping[str, str])
    assert not conforms(True, int)
    assert not conforms("\ud800", str)


@pytest.mark.parametrize("raw", [None, 5, "text", [], [{}], b"", {}, {"kind": "Ingress"}, {"apiVersion": "v1"}, {1: 2}])
def test_what_is_no_object_is_said_so(raw: object) -> None:
    (problem,) = parse_object(raw).problems
    assert problem.code in ("not-an-object", "api-version-missing")


@pytest.mark.parametrize(
    ("version", "kind"),
    [("apps/v1", "Deployment"), ("flagger.app/v1beta1", "Canary"), ("config.openshift.io/v1", "Ingress")],
)
def test_kinds_of_others_are_passed_over_quietly(version: str, kind: str) -> None:
    assert parse_object({"apiVersion": version, "kind": kind, "metadata": 5}).problems == ()


@pytest.mark.parametrize(
    ("version", "kind", "code", "ours"),
    [
        ("v1", "Ingress", "api-version-unknown", "Ingress"),
        ("networking.k8s.io/v1", "Service", "api-version-unknown", "Service"),
        ("networking.k8s.io/v1", "ingress", "kind-unknown", "Ingress"),
        ("v1", "endpointslice", "kind-unknown", "EndpointSlice"),
        ("serin.dev/v1alpha1", "Canaryroute", "kind-unknown", "CanaryRoute"),
        ("serin.dev/v1", "CanaryRoute", "api-version-unknown", "CanaryRoute"),
    ],
)
def test_a_slip_of_the_pen_is_told(version: str, kind: str, code: str, ours: str) -> None:
    parsed = parse_object({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}})
    assert (parsed.view, [(p.code, p.source.ref.kind) for p in parsed.problems]) == (None, [(code, ours)])


def test_lists_are_flattened_and_items_may_leave_out_their_kind() -> None:
    items = [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]
    inner = {"apiVersion": "v1", "kind": "NamespaceList", "items": items}
    raw = {"apiVersion": "v1", "kind": "List", "items": [inner, {"apiVersion": "v1", "kind": "Secret"}]}
    assert [item["kind"] for item in flatten(raw) if isinstance(item, dict)] == ["Namespace", "Namespace", "Secret"]


def test_a_list_in_itself_ends() -> None:
    raw: dict[str, object] = {"apiVersion": "v1", "kind": "List"}
    raw["items"] = [raw]
    assert len(flatten(raw)) == 1
