"""Taking away what nginx refused opens nothing."""

from dataclasses import replace

from unit.nginx_apply.stand_in import ref, route

from serin.refs import Source
from serin.render.nginx.closing import close, close_host, leave_out, objects_of
from serin.routing.conditions import MatchRule
from serin.routing.plan import (
    ClientAuth,
    ClientVerify,
    HashBy,
    HeaderRule,
    Host,
    Policy,
    VersionRoute,
    WwwRedirect,
)


def version(ingress: str, **given: object) -> VersionRoute:
    return VersionRoute(f"{ingress:0>16}", ingress, ref(ingress), ingress, "80", "00", **given)  # type: ignore[arg-type]


ROUTE = replace(
    route("a", "/x", "main", split="cc"),
    versions=(version("main"), version("canary", header=HeaderRule("X"), hash_by=HashBy(("$uri",)))),
    policy=Policy(forwarded_prefix="/p"),
)
HOST = Host("a", (ROUTE, route("a", "/", "other")), aliases=("b",), certificate="dd")


def statuses(host: Host) -> list[int]:
    return [0 if r.policy.closed is None else r.policy.closed.status for r in host.routes]


def test_objects_are_those_with_routes_then_those_with_rules() -> None:
    assert objects_of(HOST) == (ref("main"), ref("other"), ref("canary"))
    promoted = replace(ROUTE, canary_route=ref("roll", "CanaryRoute"))
    assert objects_of(Host("a", (promoted,)))[-1] == ref("roll", "CanaryRoute")


def test_a_closed_object_has_503_on_its_routes_alone() -> None:
    closed = close(HOST, ref("main"))
    assert statuses(closed) == [503, 0]
    assert (closed.routes[0].split, closed.routes[0].versions) == (None, ())
    assert closed.routes[0].policy.forwarded_prefix == ""
    assert closed.routes[1] == HOST.routes[1]
    assert (closed.aliases, closed.certificate) == (("b",), "dd")


def test_a_canary_loses_its_rules_and_keeps_its_place() -> None:
    closed = close(HOST, ref("canary"))
    assert statuses(closed) == [0, 0]
    bare = closed.routes[0].versions[1]
    assert (bare.header, bare.cookie, bare.hash_by) == (None, None, None)
    assert [v.ident for v in closed.routes[0].versions] == [v.ident for v in ROUTE.versions]
    assert leave_out(HOST, ref("canary")) == closed


def test_a_canaryroute_loses_its_rules() -> None:
    roll = ref("roll", "CanaryRoute")
    host = Host("a", (replace(ROUTE, canary_route=roll, match_rules=(MatchRule(1, ()),)),))
    assert close(host, roll).routes[0].match_rules == ()
    assert close(host, roll).routes[0].split == "cc"


def test_left_out_routes_are_gone() -> None:
    assert [r.match.path for r in leave_out(HOST, ref("main")).routes] == ["/"]


def test_without_its_client_certificates_a_host_is_shut() -> None:
    auth = ClientAuth("ee", ClientVerify.ON, Source(ref("other")))
    closed = close(replace(HOST, client_auth=auth), ref("other"))
    assert closed.client_auth is None
    assert statuses(closed) == [503, 503]


def test_without_its_redirect_a_host_is_shut() -> None:
    host = replace(HOST, www=WwwRedirect("www.a", 308, Source(ref("main"))))
    closed = close(host, ref("main"))
    assert closed == close_host(host)
    assert closed.www is None
    assert [r.match.path for r in closed.routes] == ["/"]
    assert statuses(closed) == [503]


def test_a_host_without_routes_can_be_closed() -> None:
    assert statuses(close_host(Host("a"))) == [503]
