"""A version's endpoints as an upstream block of nginx, for files without Lua.

One block for each split and version: no kept connection passes from one Ingress's settings to another's.
"""

from dataclasses import dataclass
from typing import Literal

from serin.render.nginx.values import Template, Variable
from serin.routing.plan import Algorithm, Endpoint, Pool, Protocol, Route

KEEPALIVE = 32
"""Idle connections that a worker keeps to one version."""
MAX_FAILS = 3
FAIL_SECONDS = 10
"""An endpoint that failed three times in ten seconds is left alone for ten, as the routine does."""

Method = Literal["", "least_conn", "random", "hash"]

_METHODS: dict[Algorithm, Method] = {
    Algorithm.RANDOM: "random",
    Algorithm.LEAST_CONN: "least_conn",
    Algorithm.EWMA: "least_conn",
    Algorithm.SHORTEST_EXPECTED_DELAY: "least_conn",
    Algorithm.NEVER_QUEUE: "least_conn",
    Algorithm.HASH: "hash",
    Algorithm.HASH_SUBSET: "hash",
}
_REPLACED = frozenset((Algorithm.EWMA, Algorithm.SHORTEST_EXPECTED_DELAY, Algorithm.NEVER_QUEUE, Algorithm.HASH_SUBSET))


@dataclass(frozen=True, slots=True)
class UpstreamBlock:
    """`method` empty: in turn. `key`: what is hashed."""

    name: str
    method: Method
    key: Template
    servers: tuple[str, ...]
    max_fails: int = MAX_FAILS
    fail_seconds: int = FAIL_SECONDS
    keepalive: int = KEEPALIVE


def upstream_name(split: str, version: int) -> str:
    return f"serin_{split}_{version}"


def suffixes(route: Route) -> tuple[str, ...]:
    """What is added to an upstream's name: AUTO_HTTP has one for each scheme, `_http` and `_https`."""
    return ("_http", "_https") if route.policy.upstream.protocol is Protocol.AUTO_HTTP else ("",)


def upstream_blocks(
    route: Route, split: str, version: int, pool: Pool, key: str, stick: str = ""
) -> tuple[UpstreamBlock, ...]:
    """Of a version that has endpoints. `key`: the variable with its hash key, empty: the client's address.

    `stick`: the variable with a cookie's key, which comes before both.
    """
    method = "hash" if stick or pool.client_affinity else _METHODS.get(pool.spec.algorithm, "")
    wanted = stick or ("remote_addr" if pool.client_affinity or not key else key)
    servers = tuple(server_text(endpoint) for endpoint in pool.endpoints)
    return tuple(
        UpstreamBlock(upstream_name(split, version) + suffix, method, Template((Variable(wanted),)), servers)
        for suffix in suffixes(route)
    )


def replaced_algorithm(pool: Pool) -> str:
    """What is said where nginx has no such algorithm; empty where it has."""
    if pool.spec.algorithm not in _REPLACED or pool.client_affinity:
        return ""
    return f"{pool.spec.algorithm} is {_METHODS[pool.spec.algorithm]} here"


def server_text(endpoint: Endpoint) -> str:
    address = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return f"{address}:{endpoint.port}"
