"""Documents give back what was written, and give nothing when a byte is off."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.errors import CorruptFileError
from serin.refs import Ref, Source
from serin.render.codec import from_plain, to_plain
from serin.render.documents import Index, host_document, index_document, read_host, read_index
from serin.routing.plan import (
    Affinity,
    HeaderRule,
    Host,
    PathKind,
    PathMatch,
    Policy,
    Route,
    RuleId,
    Upstream,
    VersionRoute,
)

st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))

INGRESS = Ref("Ingress", "default", "shop")
HOST = Host(
    "shop.example",
    (
        Route(
            PathMatch(PathKind.PREFIX, "/"),
            RuleId("shop.example", "/", "Prefix"),
            INGRESS,
            "0123456789abcdef",
            (
                VersionRoute("0" * 16, "main", INGRESS, "shop", "80", "1" * 16),
                VersionRoute(
                    "2" * 16, "canary", INGRESS, "shop", "80", "3" * 16, HeaderRule("Region", pattern="cd|sz")
                ),
            ),
            Policy(affinity=Affinity("INGRESSCOOKIE", "/"), upstream=Upstream(read_timeout=5.0)),
            source=Source(INGRESS, "spec.rules[0].http.paths[0]"),
        ),
    ),
    certificate="a" * 32,
)


@settings(max_examples=50)
@given(st.from_type(Host))
def test_any_host_is_read_back(host: Host) -> None:
    assert read_host(host_document(host)) == host


def test_a_document_leaves_out_defaults_and_is_equal_for_equal_hosts() -> None:
    document = host_document(HOST)
    assert document == host_document(replace(HOST, routes=tuple(replace(r) for r in HOST.routes)))
    plain = json.loads(document)["host"]
    assert plain["routes"][0]["policy"] == {
        "affinity": {"name": "INGRESSCOOKIE", "path": "/"},
        "upstream": {"read_timeout": 5.0},
    }
    assert "www" not in plain


def test_a_lone_surrogate_in_a_users_text_does_no_harm() -> None:
    host = replace(HOST, name="\ud800")
    assert read_host(host_document(host)) == host


@given(st.data())
def test_no_changed_byte_is_taken(data: st.DataObject) -> None:
    document = host_document(HOST)
    place = data.draw(st.integers(0, len(document) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda n: n != document[place]))
    with pytest.raises(CorruptFileError):
        read_host(document[:place] + bytes((other,)) + document[place + 1 :])


@pytest.mark.parametrize("cut", [0, 1, 30, 60, -1])
def test_no_cut_document_is_taken(cut: int) -> None:
    with pytest.raises(CorruptFileError):
        read_host(host_document(HOST)[:cut])


def test_another_schema_is_refused_by_its_number() -> None:
    with pytest.raises(CorruptFileError, match="schema 2"):
        read_host(host_document(HOST).replace(b'"schema":1', b'"schema":2', 1))


def test_a_host_is_no_index() -> None:
    with pytest.raises(CorruptFileError):
        read_index(host_document(HOST))
    with pytest.raises(CorruptFileError):
        read_host(index_document(Index(1, {}, {})))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("name",), 7),
        (("surprise",), 7),
        (("routes",), {}),
        (("routes", 0, "slash_redirect"), 1),
        (("routes", 0, "split"), 5),
        (("routes", 0, "match", "kind"), "suffix"),
        (("routes", 0, "policy", "max_body"), "1m"),
        (("routes", 0, "policy", "max_body"), True),
        (("routes", 0, "policy", "upstream", "read_timeout"), "5s"),
        (("routes", 0, "policy"), None),
    ],
)
def test_a_value_of_another_type_is_refused(path: tuple[str | int, ...], value: object) -> None:
    plain = to_plain(HOST)
    assert from_plain(Host, plain) == HOST
    part: Any = plain
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    with pytest.raises(CorruptFileError):
        from_plain(Host, plain)


def test_a_missing_field_is_refused_by_name() -> None:
    plain = to_plain(HOST)
    del plain["routes"][0]["rule"]
    with pytest.raises(CorruptFileError, match="Route: without rule"):
        from_plain(Host, plain)


@given(st.from_type(Index))
@settings(max_examples=50)
def test_any_index_is_read_back(index: Index) -> None:
    assert read_index(index_document(index)) == index
