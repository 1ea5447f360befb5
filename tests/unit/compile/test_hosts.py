"""Hosts: catch-all, default backends, aliases, www, and what is done with paths that no rule takes."""

import pytest
from unit.compile.manifests import HOST, codes, compile_objects, config_map, ingress, problem, route, routes, service

from serin.compile.compiler import Compiled


def services(compiled: Compiled, host: str) -> dict[str, str]:
    return {r.match.path: r.versions[0].service for r in routes(compiled, host) if r.versions}


def test_many_ingresses_make_one_host() -> None:
    compiled = compile_objects(ingress("a", ("/a", "Prefix", "a")), ingress("b", ("/b", "Prefix", "b")))
    assert services(compiled, HOST) == {"/a": "a", "/b": "b"}


def test_many_hosts_of_one_ingress() -> None:
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "v1", "port": {"number": 80}}}}
    rules = [{"host": host, "http": {"paths": [path]}} for host in ("a.example", "*.b.example", "A.example")]
    compiled = compile_objects(ingress("main", rules=rules))
    assert set(compiled.plan.hosts) == {"a.example", "*.b.example"}


def test_an_ingress_with_only_a_default_backend_is_the_catch_all() -> None:
    compiled = compile_objects(ingress("default", rules=[], default="v1"))
    assert services(compiled, "") == {"/": "v1"}


def test_the_oldest_default_backend_wins() -> None:
    compiled = compile_objects(ingress("a", rules=[], default="v1"), ingress("b", rules=[], default="v2"))
    assert services(compiled, "") == {"/": "v1"}
    assert problem(compiled, "path-conflict").source.ref.name == "b"


def test_a_default_backend_beside_rules_serves_its_hosts_rest() -> None:
    compiled = compile_objects(ingress("main", ("/app", "Prefix", "v1"), default="v2"))
    assert services(compiled, HOST) == {"/app": "v1", "/": "v2"}
    assert "" not in compiled.plan.hosts


def test_a_root_path_goes_before_a_default_backend() -> None:
    compiled = compile_objects(ingress("main", default="v2"))
    assert services(compiled, HOST) == {"/": "v1"}


def test_a_rule_without_paths_leaves_all_to_the_default_backend() -> None:
    compiled = compile_objects(ingress("main", rules=[{"host": HOST}], default="v2"))
    assert services(compiled, HOST) == {"/": "v2"}


def test_a_rule_without_anything_is_a_host_with_404() -> None:
    assert compile_objects(ingress("main", rules=[{"host": HOST}])).plan.hosts[HOST].routes == ()


@pytest.mark.parametrize("note", ["permanent-redirect", "app-root", "rewrite-target", "force-ssl-redirect"])
def test_redirects_do_nothing_on_a_default_backend_alone(note: str) -> None:
    value = "true" if note == "force-ssl-redirect" else "/x"
    policy = route(compile_objects(ingress("default", rules=[], default="v1", notes={note: value})), "").policy
    assert (policy.redirect, policy.app_root, policy.rewrite, policy.tls_redirect) == (None, None, None, None)


def test_access_rules_count_on_a_default_backend_alone() -> None:
    notes = {"whitelist-source-range": "10.0.0.0/8"}
    found = route(compile_objects(ingress("d", rules=[], default="v1", notes=notes)), "").policy
    assert found.access.allow == ("10.0.0.0/8",)


def test_catch_all_can_be_disabled() -> None:
    compiled = compile_objects(
        ingress("default", rules=[], default="v1"),
        ingress("hostless", host=""),
        ingress("named"),
        disable_catch_all=True,
    )
    assert set(compiled.plan.hosts) == {HOST}
    assert codes(compiled).count("catch-all-disabled") == 2


def test_global_default_backend() -> None:
    compiled = compile_objects(
        ingress("main", ("/app", "Prefix", "v1")),
        service("errors", {"name": "first", "port": 9000}),
        default_backend_service=("shop", "errors"),
    )
    assert services(compiled, HOST) == {"/app": "v1", "/": "errors"}
    assert services(compiled, "") == {"/": "errors"}


def test_without_a_global_default_backend_nothing_takes_the_rest() -> None:
    compiled = compile_objects(ingress("main", ("/app", "Prefix", "v1")))
    assert [r.match.path for r in routes(compiled)] == ["/app"]
    assert "" not in compiled.plan.hosts


@pytest.mark.parametrize(
    ("notes", "part"),
    [
        ({"permanent-redirect": "/there"}, "redirect"),
        ({"force-ssl-redirect": "true"}, "tls_redirect"),
        ({"rewrite-target": "https://away.example/"}, "rewrite"),
        ({"limit-rps": "1"}, "limits"),
        ({"auth-url": "http://auth.example"}, "external_auth"),
        ({"enable-modsecurity": "true"}, "closed"),
    ],
)
def test_paths_that_no_rule_takes_meet_the_oldest_ingress(notes: dict[str, str], part: str) -> None:
    """As ingress-nginx's own location for `/` does."""
    compiled = compile_objects(
        ingress("first", ("/app", "Prefix", "v1"), notes=notes), ingress("z", ("/z", "Prefix", "z"))
    )
    rest = routes(compiled)[-1]
    assert (rest.match.path, rest.split, rest.ingress.name) == ("/", None, "first")
    assert getattr(rest.policy, part) is not None


def test_a_younger_ingress_does_not_speak_for_the_rest() -> None:
    younger = ingress("younger", ("/b", "Prefix", "v1"), notes={"force-ssl-redirect": "true"})
    compiled = compile_objects(ingress("first", ("/a", "Prefix", "v1")), younger)
    assert [r.match.path for r in routes(compiled)] == ["/b", "/a"]


# --- names beside the host's own ---


def test_aliases() -> None:
    notes = {"server-alias": "b.example, *.c.example,a.example"}
    compiled = compile_objects(ingress("main", host="a.example", notes=notes))
    assert compiled.plan.hosts["a.example"].aliases == ("**.c.example", "b.example")


def test_of_a_hosts_ingresses_the_oldest_with_aliases_sets_them() -> None:
    plain = ingress("plain", ("/p", "Prefix", "v1"), host="a.example")
    first = ingress("first", ("/f", "Prefix", "v1"), host="a.example", notes={"server-alias": "one.example"})
    second = ingress("second", ("/s", "Prefix", "v1"), host="a.example", notes={"server-alias": "two.example"})
    other = ingress("other", host="b.example", notes={"server-alias": "two.example"})
    compiled = compile_objects(plain, first, second, other)
    assert compiled.plan.hosts["a.example"].aliases == ("one.example",)
    assert compiled.plan.hosts["b.example"].aliases == ("two.example",)
    assert problem(compiled, "server-alias-unused").source.ref.name == "second"


def test_an_alias_that_is_a_host_stays_that_hosts() -> None:
    main = ingress("main", notes={"server-alias": "taken.example"})
    compiled = compile_objects(main, ingress("taken", host="taken.example"))
    assert compiled.plan.hosts[HOST].aliases == ()
    assert problem(compiled, "host-name-taken").source.ref.name == "main"


def test_a_canary_does_not_take_a_name() -> None:
    notes = {"canary": "true"}
    main = ingress("main", notes={"server-alias": "free.example"})
    compiled = compile_objects(main, ingress("canary", host="free.example", notes=notes))
    assert compiled.plan.hosts[HOST].aliases == ("free.example",)


def test_the_oldest_alias_wins() -> None:
    first = ingress("first", host="a.example", notes={"server-alias": "x.example"})
    second = ingress("second", host="b.example", notes={"server-alias": "x.example"})
    compiled = compile_objects(first, second)
    assert compiled.plan.hosts["a.example"].aliases == ("x.example",)
    assert compiled.plan.hosts["b.example"].aliases == ()
    assert "Ingress shop/first" in problem(compiled, "host-name-taken").text


@pytest.mark.parametrize(("host", "other"), [("a.example", "www.a.example"), ("www.a.example", "a.example")])
def test_www(host: str, other: str) -> None:
    compiled = compile_objects(ingress("main", host=host, notes={"from-to-www-redirect": "true"}))
    www = compiled.plan.hosts[other].www
    assert www is not None
    assert (www.host, www.code) == (host, 308)
    assert compiled.plan.hosts[host].www is None


def test_www_that_is_a_host_is_not_redirected() -> None:
    main = ingress("main", host="a.example", notes={"from-to-www-redirect": "true"})
    compiled = compile_objects(main, ingress("www", host="www.a.example"))
    assert compiled.plan.hosts["www.a.example"].www is None
    assert problem(compiled, "host-name-taken").source.ref.name == "main"


def test_www_goes_before_an_alias() -> None:
    alias = ingress("alias", host="b.example", notes={"server-alias": "www.a.example"})
    main = ingress("main", host="a.example", notes={"from-to-www-redirect": "true"})
    compiled = compile_objects(alias, main)
    assert compiled.plan.hosts["www.a.example"].www is not None
    assert compiled.plan.hosts["b.example"].aliases == ()


def test_www_of_a_wildcard_is_nothing() -> None:
    compiled = compile_objects(ingress("main", host="*.a.example", notes={"from-to-www-redirect": "true"}))
    assert set(compiled.plan.hosts) == {"*.a.example"}
    assert "www-redirect-wildcard" in codes(compiled)


def test_www_uses_the_redirect_code_of_the_settings() -> None:
    main = ingress("main", host="a.example", notes={"from-to-www-redirect": "true"})
    compiled = compile_objects(main, config_map(http_redirect_code="301"), configmap=("serin", "config"))
    www = compiled.plan.hosts["www.a.example"].www
    assert www is not None
    assert www.code == 301
