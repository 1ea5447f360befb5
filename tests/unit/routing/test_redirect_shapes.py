"""Locations that we complete ourselves: relative ones, and those with a port."""

import pytest

from serin.refs import Ref, Source
from serin.routing.outcome import Asked, Reply, before_proxying
from serin.routing.plan import Globals, PathKind, PathMatch, Policy, Route, RuleId, UrlRedirect

INGRESS = Ref("Ingress", "ns", "shop")
SOURCE = Source(INGRESS, "spec")


def location(
    policy: Policy, *, slash: bool, tls: bool = False, port: int = 0, settings: Globals | None = None
) -> bytes:
    route = Route(
        PathMatch(PathKind.PREFIX, "/a"), RuleId("h", "/a", "Prefix"), INGRESS, None, (), policy, slash_redirect=slash
    )
    asked = Asked("GET", tls, "h.example", b"H.example:1", b"/a?b", b"/a", server_port=port)
    reply = before_proxying(route, asked, settings or Globals(), None)
    assert isinstance(reply, Reply)
    return reply.location


def redirect(url: str, *, relative: bool = False) -> Policy:
    return Policy(redirect=UrlRedirect(301, url, SOURCE), relative_redirects=relative)


def test_usually_a_location_has_scheme_and_host_without_port() -> None:
    assert location(Policy(), slash=True, port=8080) == b"http://h.example/a/?b"
    assert location(redirect("/x"), slash=False, tls=True, port=8443) == b"https://h.example/x"


def test_relative_ones_have_neither() -> None:
    assert location(Policy(relative_redirects=True), slash=True) == b"/a/?b"
    assert location(redirect("/x", relative=True), slash=False) == b"/x"
    assert location(redirect("https://o/x", relative=True), slash=False) == b"https://o/x"


@pytest.mark.parametrize(
    ("tls", "port", "written"),
    [(False, 8080, b"http://h.example:8080"), (False, 80, b"http://h.example"), (True, 443, b"https://h.example")],
)
def test_the_port_is_written_where_it_is_asked_for_and_not_the_schemes_own(
    tls: bool, port: int, written: bytes
) -> None:
    assert location(Policy(port_in_redirects=True), slash=True, tls=tls, port=port) == written + b"/a/?b"


def test_the_port_of_the_settings_comes_first() -> None:
    policy = Policy(port_in_redirects=True)
    assert location(policy, slash=True, tls=True, port=8443, settings=Globals(https_port=444)) == (
        b"https://h.example:444/a/?b"
    )
