"""Which algorithm and which key the pools of an Ingress get."""

import pytest
from unit.compile.manifests import codes, compile_objects, config_map, ingress, route

from serin.routing.plan import PoolSpec, VersionRoute


def balanced(notes: dict[str, str], **config: str) -> tuple[VersionRoute, PoolSpec, list[str]]:
    objects = [ingress("main", notes=notes)] + ([config_map(**config)] if config else [])
    compiled = compile_objects(*objects, configmap=("serin", "config") if config else None)
    main = route(compiled).versions[0]
    return main, compiled.plan.pools[main.pool].spec, codes(compiled)


@pytest.mark.parametrize(
    ("notes", "algorithm"),
    [
        ({}, "round_robin"),
        ({"load-balance": "round_robin"}, "round_robin"),
        ({"load-balance": "EWMA"}, "ewma"),
        ({"load-balance": "magic"}, "round_robin"),
        ({"load-balance": "least_conn"}, "round_robin"),
        *(
            ({"serin.dev/load-balance": name}, name)
            for name in ("least_conn", "ewma", "random", "shortest_expected_delay", "never_queue", "round_robin")
        ),
        ({"serin.dev/load-balance": "least_conn", "load-balance": "ewma"}, "least_conn"),
        ({"serin.dev/load-balance": "magic", "load-balance": "ewma"}, "ewma"),
    ],
)
def test_algorithms(notes: dict[str, str], algorithm: str) -> None:
    main, spec, _ = balanced(notes)
    assert spec.algorithm == algorithm
    assert main.hash_by is None


@pytest.mark.parametrize("name", ["chash", "chashsubset", "sticky_balanced", "sticky_persistent"])
def test_names_that_need_something_else(name: str) -> None:
    _, spec, found = balanced({"load-balance": name})
    assert spec.algorithm == "round_robin"
    assert "load-balance-without-key" in found


def test_source_hash_is_a_hash_of_the_clients_address() -> None:
    main, spec, _ = balanced({"serin.dev/load-balance": "source_hash"})
    assert spec.algorithm == "hash"
    assert main.hash_by is not None
    assert main.hash_by.parts == ("$remote_addr",)


def test_hash_by_a_text_with_variables() -> None:
    main, spec, found = balanced({"upstream-hash-by": "u:${http_x_user}$request_uri"})
    assert (spec.algorithm, spec.subset_size) == ("hash", 0)
    assert main.hash_by is not None
    assert main.hash_by.parts == ("u:", "$http_x_user", "$request_uri")
    assert found == ["service-not-found"]


def test_hash_subset() -> None:
    notes = {"upstream-hash-by": "$request_uri", "upstream-hash-by-subset": "true"}
    assert balanced(notes)[1].subset_size == 3
    _, spec, _ = balanced(notes | {"upstream-hash-by-subset-size": "2"})
    assert (spec.algorithm, spec.subset_size) == ("hash_subset", 2)


def test_a_constant_is_taken_with_a_word() -> None:
    main, spec, found = balanced({"upstream-hash-by": "client ip"})
    assert spec.algorithm == "hash"
    assert main.hash_by is not None
    assert main.hash_by.parts == ("client ip",)
    assert "hash-by-constant" in found


def test_unknown_variables_are_told() -> None:
    assert "variable-unknown" in balanced({"upstream-hash-by": "$nonsense"})[2]
    assert "variable-unknown" not in balanced({"upstream-hash-by": "$cookie_user$arg_x$HTTP_x"})[2]


def test_our_hash_needs_a_key() -> None:
    assert "load-balance-without-key" in balanced({"serin.dev/load-balance": "hash"})[2]
    _, spec, found = balanced({"serin.dev/load-balance": "hash", "upstream-hash-by": "$uri"})
    assert (spec.algorithm, found) == ("hash", ["service-not-found"])


def test_the_config_maps_default() -> None:
    assert balanced({}, load_balance="ewma")[1].algorithm == "ewma"
    assert balanced({"load-balance": "round_robin"}, load_balance="ewma")[1].algorithm == "round_robin"


def test_pools_of_other_algorithms_are_other_pools() -> None:
    idents = {balanced(notes)[1].id for notes in ({}, {"load-balance": "ewma"}, {"upstream-hash-by": "$uri"})}
    assert len(idents) == 3
