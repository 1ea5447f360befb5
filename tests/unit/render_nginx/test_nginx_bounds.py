"""Patterns and sessions that nginx must not be trusted with: what is rendered in their place."""

from dataclasses import replace

import pytest
from unit.render_nginx.nginx_text import settings_in
from unit.render_nginx.stock_nginx import POOL, SOURCE, one

from serin.refs import Ref
from serin.render.nginx.host import server_of
from serin.render.nginx.location import Location
from serin.render.nginx.main import host_file, render_main
from serin.render.nginx.policies import Answer, rewrite_of
from serin.render.nginx.weights import Weights
from serin.routing.plan import (
    ClientAuth,
    ClientVerify,
    Endpoint,
    Globals,
    Host,
    PathKind,
    PathMatch,
    Policy,
    Pool,
    PoolSpec,
    Rewrite,
    Route,
    Share,
    Split,
)

UNBOUNDED = "/(a*)*(b*)*c"
QUADRATIC = "x[a-z]*y"
CLOSED = Answer(503)


def locations(*routes: Route, lua: bool) -> dict[object, Location]:
    pool = Pool(PoolSpec(POOL, "shop", "web", 80), (Endpoint("127.0.0.1", 80),))
    splits = {r.split: Split(r.split, r.rule, (Share("1" * 16, POOL, 100),)) for r in routes if r.split}
    weights = Weights(splits, {POOL: pool})
    server = server_of(Host("h.example", routes), settings_in(lua=lua), Globals(), weights)
    return {getattr(found.path, "value", found.path): found for found in server.locations}


def of(ingress: str, route: Route) -> Route:
    return replace(route, ingress=Ref("Ingress", "shop", ingress))


def test_without_lua_a_path_without_bound_closes_its_ingress() -> None:
    """Its other routes would else take what was meant for it."""
    found = locations(
        of("bad", one(1, UNBOUNDED, Policy(), PathKind.REGEX)),
        of("bad", one(2, "/sibling", Policy())),
        of("good", one(3, "/good", Policy())),
        lua=False,
    )
    assert not any(UNBOUNDED in str(path) for path in found)
    assert found["/sibling/"].answer == CLOSED
    assert found["/sibling/"].proxy is None
    assert found["/good/"].answer is None
    assert found["/good/"].proxy is not None


@pytest.mark.parametrize("lua", [True, False])
def test_a_subject_s_pattern_without_bound_lets_nobody_in(lua: bool) -> None:
    found = locations(one(1, "/", Policy(client_match="CN=(a*)*(b*)*c")), lua=lua)["/"]
    assert (found.answer, found.proxy) == (CLOSED, None)


def test_a_costly_one_is_run_only_where_nobody_else_could() -> None:
    route = one(1, "/", Policy(client_match=QUADRATIC))
    assert locations(route, lua=True)["/"].answer == CLOSED
    found = locations(route, lua=False)["/"]
    assert found.answer is None
    assert found.client_match is not None


@pytest.mark.parametrize("lua", [True, False])
def test_a_rewrite_without_bound(lua: bool) -> None:
    found = locations(one(1, "/", Policy(rewrite=Rewrite(UNBOUNDED, "/$1", False, SOURCE))), lua=lua)["/"]
    assert found.rewrite is None
    assert (found.lua_rewrite is not None, found.answer) == ((True, None) if lua else (False, CLOSED))


def test_the_whole_match_beside_groups_is_not_nginxs() -> None:
    """Its `$1` would be another group."""
    match = PathMatch(PathKind.PREFIX, "/")
    assert rewrite_of(Rewrite("/a(b)", "/x$0/$1", False, SOURCE), match, lua=True) is None
    assert rewrite_of(Rewrite("/a", "/x$0", False, SOURCE), match, lua=True) is not None


@pytest.mark.parametrize("asked", [True, False])
def test_no_session_is_resumed_where_a_host_asks_for_certificates(asked: bool) -> None:
    """Sessions are the listening socket's: one of another host would do instead of a certificate."""
    auth = ClientAuth("a" * 32, ClientVerify.ON, SOURCE) if asked else None
    hosts = [host_file(Host("plain.example"), "a"), host_file(Host("m.example", client_auth=auth), "b")]
    text = render_main(Globals(), hosts, {}, settings_in(), "0" * 32)
    assert ("ssl_session_cache shared:" in text) is not asked
    assert ("ssl_session_cache off;" in text) is asked
    assert "ssl_session_tickets off;" in text
