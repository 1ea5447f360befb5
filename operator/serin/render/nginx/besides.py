"""Who is asked beside a host's routes, as upstream blocks of the host's own: authentication, mirrors, error pages.

A block knows its split by itself. Variables cannot say it: subrequests and redirects share them with the request, whose
retries would then go to somebody else. Kept connections of one host never serve another's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from serin.render.nginx.names import schemes, upstream_key
from serin.render.nginx.settings import NginxSettings
from serin.render.nginx.spec import Spec, SpecVersion
from serin.render.nginx.upstreams import FAIL_SECONDS, KEEPALIVE, MAX_FAILS, server_text
from serin.render.nginx.values import Template, Text, Variable
from serin.render.nginx.weights import Weights
from serin.routing.identity import digest64
from serin.routing.plan import Beside, Globals, Host, Policy, Route


@dataclass(frozen=True, slots=True)
class BesideBlock:
    """`spec`: what Lua is told; empty without Lua, where `servers` has the endpoints (none: nobody answers)."""

    name: str
    spec: Text
    servers: tuple[str, ...] = ()
    keepalive: int = KEEPALIVE
    max_fails: int = MAX_FAILS
    fail_seconds: int = FAIL_SECONDS


def of_policy(policy: Policy) -> Iterator[Beside]:
    if policy.external_auth is not None:
        yield policy.external_auth.to
    if policy.errors is not None and policy.errors.by is not None:
        yield policy.errors.by
    if policy.fallback is not None:
        yield policy.fallback
    if policy.mirror is not None:
        yield policy.mirror.to


def of_route(route: Route) -> Iterator[Beside]:
    yield from of_policy(route.policy)
    if route.shadow is not None:
        yield route.shadow.to


def of_routes(routes: Iterable[Route]) -> tuple[Beside, ...]:
    return tuple(dict.fromkeys(beside for route in routes for beside in of_route(route)))


def of_globals(globals_: Globals) -> tuple[Beside, ...]:
    """Those that every host may need, for paths that no route takes. The default backend has routes of its own."""
    by = None if globals_.errors is None else globals_.errors.by
    return () if by is None else (by,)


def splits_of(host: Host, globals_: Globals) -> frozenset[str]:
    """Splits whose endpoints are in the host's file, without Lua, beside those of its routes."""
    return frozenset(beside.split for beside in (*of_routes(host.routes), *of_globals(globals_)))


def block_name(host: str, beside: Beside, suffix: str = "") -> str:
    key = [upstream_key(beside.upstream, scheme).name for scheme in schemes(beside.upstream)]
    return f"serin_b_{digest64((host, beside.split, *key))}{suffix}"


def beside_url(host: str, beside: Beside) -> Template:
    """For `proxy_pass` (`grpc_pass`, where its upstream says so), without a path. `host` is the name of the host."""
    found = schemes(beside.upstream)
    name = block_name(host, beside)
    if len(found) > 1:
        return Template((Variable("scheme"), "://", name))
    return Template((f"{found[0]}://{name}",))


def beside_blocks(
    host: str, besides: Iterable[Beside], settings: NginxSettings, weights: Weights | None
) -> tuple[BesideBlock, ...]:
    """One for each split and way of speaking; in stock mode `weights` has their endpoints."""
    made = {block_name(host, beside): beside for beside in besides}
    return tuple(_block(name, beside, settings, weights) for name, beside in made.items())


def _block(name: str, beside: Beside, settings: NginxSettings, weights: Weights | None) -> BesideBlock:
    if settings.lua is not None:
        spec = Spec(beside.split, (SpecVersion(beside.ident, beside.name),), beside.upstream.tries)
        return BesideBlock(name, Text(spec.text()))
    return BesideBlock(name, Text(""), servers_of(beside, weights))


def servers_of(beside: Beside, weights: Weights | None) -> tuple[str, ...]:
    """Its endpoints in force, without Lua."""
    pool = None if weights is None else weights.pools.get(beside.pool)
    return () if pool is None else tuple(server_text(endpoint) for endpoint in pool.endpoints)
