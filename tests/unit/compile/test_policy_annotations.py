"""What annotations ask for on the way: redirects, rewrites, authentication, affinity, endpoints, and what closes."""

from typing import Any

import pytest
from unit.compile.manifests import (
    HOST,
    PREFIX,
    codes,
    compile_objects,
    config_map,
    ingress,
    problem,
    route,
    routes,
    secret,
)

from serin.compile.compiler import Compiled
from serin.routing.plan import PathKind, PathMatch, Policy


def with_notes(notes: dict[str, str], *more: dict[str, Any]) -> Compiled:
    return compile_objects(ingress("main", notes=notes), *more)


def policy(**notes: str) -> Policy:
    """The policy at `/`; keywords with `_` for `-`."""
    return route(with_notes({key.replace("_", "-"): value for key, value in notes.items()})).policy


# --- redirects ---


@pytest.mark.parametrize(
    ("kind", "code", "answered"),
    [
        *(("permanent", code, int(code)) for code in ("300", "301", "302", "303", "307", "308")),
        *(("permanent", code, 301) for code in ("", "200", "299", "304", "399", "999", "-1")),
        *(("temporal", code, int(code)) for code in ("300", "301", "302", "303", "307")),
        *(("temporal", code, 302) for code in ("", "308", "404")),
    ],
)
def test_redirect_codes(kind: str, code: str, answered: int) -> None:
    compiled = with_notes({f"{kind}-redirect": "https://new.example/x?y=1", f"{kind}-redirect-code": code})
    redirect = route(compiled).policy.redirect
    assert redirect is not None
    assert (redirect.code, redirect.url) == (answered, "https://new.example/x?y=1")
    assert ("annotation-invalid" in codes(compiled)) == (code != "" and int(code) != answered)


def test_temporal_goes_before_permanent() -> None:
    redirect = policy(permanent_redirect="/p", temporal_redirect="/t").redirect
    assert redirect is not None
    assert (redirect.url, redirect.code) == ("/t", 302)
    assert redirect.source.field == f"metadata.annotations[{PREFIX}temporal-redirect]"


@pytest.mark.parametrize("name", ["permanent-redirect", "temporal-redirect"])
@pytest.mark.parametrize("url", ["not a url;", "/a b", "https://x.example/$request_uri", "/a\nb", "https://x{}"])
def test_an_unreadable_redirect_leaves_the_ingress_out(name: str, url: str) -> None:
    compiled = with_notes({name: url})
    assert not compiled.plan.hosts
    assert "left out" in problem(compiled, "annotation-invalid").text


@pytest.mark.parametrize("name", ["permanent", "temporal"])
def test_an_unreadable_code_leaves_the_ingress_out(name: str) -> None:
    assert not with_notes({f"{name}-redirect": "/x", f"{name}-redirect-code": "moved"}).plan.hosts


def test_what_is_left_out_leaves_its_host_to_others() -> None:
    bad = ingress("bad", notes={"permanent-redirect": "not a url;"}, created="2026-01-01T00:00:00Z")
    compiled = compile_objects(bad, ingress("good", ("/", "Prefix", "v2")))
    assert route(compiled).ingress.name == "good"


def test_a_redirect_never_proxies() -> None:
    compiled = with_notes({"permanent-redirect": "/there"})
    assert (route(compiled).split, route(compiled).versions, compiled.plan.pools) == (None, (), {})
    assert not compiled.problems


# --- rewrites and prefixes ---


@pytest.mark.parametrize("target", ["/new", "/$1/x", "/$0", "/a-b_c.d~e:f"])
def test_rewrite(target: str) -> None:
    found = route(compile_objects(ingress("main", ("/", "Prefix", "v1"), notes={"rewrite-target": target}))).policy
    assert found.rewrite is not None
    assert (found.rewrite.pattern, found.rewrite.target, found.rewrite.absolute) == ("/", target, False)


@pytest.mark.parametrize("target", ["/a b", "/a;b", "/find?id=$1", "/{x}", "/$host", "/a%20b", "$", ""])
def test_a_bad_rewrite_counts_as_absent(target: str) -> None:
    compiled = with_notes({"rewrite-target": target})
    assert route(compiled).policy.rewrite is None
    assert route(compiled).match.kind == "prefix"
    assert ("annotation-invalid" in codes(compiled)) == (target != "")


def test_an_absolute_rewrite_never_proxies() -> None:
    compiled = with_notes({"rewrite-target": "https://away.example/$1"})
    rewrite = route(compiled).policy.rewrite
    assert rewrite is not None
    assert rewrite.absolute
    assert route(compiled).split is None


@pytest.mark.parametrize(
    ("path", "target", "missing"),
    [
        ("/a(/|$)(.*)", "/$2", ""),
        ("/a(/|$)(.*)", "/$3", "$3"),
        ("/a", "/$1/$2", "$1, $2"),
        ("/a(?:/|$)(.*)", "/$2", "$2"),
        ("/a(?P<rest>.*)(?<=x)", "/$2", "$2"),
        (r"/a\(b[(](c)", "/$2", "$2"),
        ("/a", "/$0", ""),
    ],
)
def test_a_group_that_the_path_does_not_have_is_told(path: str, target: str, missing: str) -> None:
    compiled = compile_objects(
        ingress("main", (path, "ImplementationSpecific", "v1"), notes={"rewrite-target": target})
    )
    found = [p.text for p in compiled.problems if p.code == "rewrite-group-missing"]
    assert [text.partition(" stands")[0] for text in found] == ([missing] if missing else [])


def test_a_target_without_slash_gets_one() -> None:
    rewrite = policy(rewrite_target="new").rewrite
    assert rewrite is not None
    assert rewrite.target == "/new"


def test_forwarded_prefix_goes_with_a_rewrite() -> None:
    assert policy(x_forwarded_prefix="/app", rewrite_target="/new").forwarded_prefix == "/app"


def test_forwarded_prefix_alone_is_not_sent() -> None:
    compiled = with_notes({"x-forwarded-prefix": "/app"})
    assert route(compiled).policy.forwarded_prefix == ""
    assert "forwarded-prefix-unused" in codes(compiled)


def app_roots(compiled: Compiled, host: str = HOST) -> list[str]:
    found = [r.policy.app_root for r in compiled.plan.hosts[host].routes]
    return [root.path for root in found if root is not None]


def test_app_root_is_the_hosts_first_route() -> None:
    compiled = with_notes({"app-root": "/start", "limit-rps": "1"})
    first = compiled.plan.hosts[HOST].routes[0]
    assert (first.match, first.split, first.policy.closed) == (PathMatch(PathKind.EXACT, "/"), None, None)
    assert app_roots(compiled) == ["/start"]


def test_the_app_root_of_the_longest_path_counts() -> None:
    root = ingress("root", ("/", "Prefix", "v1"), notes={"app-root": "/a"})
    deep = ingress("deep", ("/deep", "Prefix", "v1"), notes={"app-root": "/b"})
    lost = ingress("lost", ("/deep", "Prefix", "v1"), notes={"app-root": "/c"})
    assert app_roots(compile_objects(root, deep, lost)) == ["/b"]


@pytest.mark.parametrize("value", ["start", "/a b", "/a;b", "https://x.example"])
def test_a_bad_app_root_counts_as_absent(value: str) -> None:
    assert app_roots(with_notes({"app-root": value})) == []


# --- basic authentication ---

HTPASSWD = "alice:$apr1$abcdefgh$x\n"


def auth(**notes: str) -> dict[str, str]:
    return {"auth-type": "basic", "auth-secret": "users"} | {k.replace("_", "-"): v for k, v in notes.items()}


def test_basic_auth_from_a_file() -> None:
    compiled = with_notes(auth(auth_realm="who are you"), secret("users", auth=HTPASSWD))
    found = route(compiled).policy.auth
    assert found is not None
    assert found.realm == "who are you"
    assert compiled.plan.users[found.users].text == HTPASSWD.encode()
    assert len(found.users) == 32


def test_challenges_of_certificate_authorities_need_no_password() -> None:
    paths = (("/", "Prefix", "v1"), ("/.well-known/acme-challenge/token", "Exact", "solver"))
    users = secret("users", auth=HTPASSWD)
    compiled = compile_objects(ingress("main", *paths, notes=auth()), users)
    assert [r.policy.auth is None for r in routes(compiled)] == [True, False]
    open_to_all = ingress("main", ("/open/x", "Prefix", "v1"), notes=auth())
    settings = config_map(no_auth_locations="/open")
    compiled = compile_objects(open_to_all, users, settings, configmap=("serin", "config"))
    assert routes(compiled)[0].policy.auth is None


def test_basic_auth_from_a_map_is_a_file_in_order() -> None:
    compiled = with_notes(auth(auth_secret_type="auth-map"), secret("users", bob="{SHA}h2", alice="{SHA}h1\n"))
    (file,) = compiled.plan.users.values()
    assert file.text == b"alice:{SHA}h1\nbob:{SHA}h2"


def test_the_own_namespace_may_be_written() -> None:
    assert with_notes(auth(auth_secret="shop/users"), secret("users", auth=HTPASSWD)).plan.users


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("alice:{PLAIN}x", ""),
        ("alice:{ssha}x", ""),
        ("alice:$2y$05$x", ""),
        ("alice:$6$rounds=5000$x$y", ""),
        ("alice:$5$rounds=1000000$x$y", ""),
        ("alice:$2y$15$x", ""),
        ("alice:$6$rounds=1000001$x$secret", "alice has a hash that takes too long"),
        ("alice:$5$rounds=00099999999999$x$secret", "alice has a hash that takes too long"),
        ("alice:$2y$16$secret", "alice has a hash that takes too long"),
        ("alice:$y$j9T$secret", "alice has no hash that is known"),
        ("alice:rqXexS6ZhobKA", ""),
        ("# alice", ""),
        ("", ""),
        ("alice:secret", "alice has no hash that is known"),
        ("alice:$md5$x", "alice has no hash that is known"),
        ("alice", "line 1 is not USER:HASH"),
    ],
)
def test_users_that_nothing_lets_in_are_named(line: str, told: str) -> None:
    compiled = with_notes(auth(), secret("users", auth=f"{line}\nbob:{{PLAIN}}x\n"))
    assert route(compiled).policy.auth is not None
    found = [p.text for p in compiled.problems if p.code == "auth-users-unusable"]
    assert len(found) == bool(told)
    assert all(told in text and "secret" not in text.replace("Secret", "") for text in found)


def users_of(text: str) -> bytes:
    (file,) = with_notes(auth(), secret("users", auth=text)).plan.users.values()
    return file.text


@pytest.mark.parametrize(
    "line",
    [
        "alice:$6$rounds=90000000$x$y",
        "alice:$2y$31$x",
        "alice:$y$j9T$x",
        "alice:$7$CU..../....x",
        "alice",
        "alice\x0b#carol:$6$rounds=90000000$x$y",
        " \x0b#carol:$6$rounds=90000000$x$y",
        "alice\u2028:$6$rounds=90000000$x$y",
    ],
)
def test_nginx_gets_no_hash_that_would_hold_its_worker(line: str) -> None:
    assert users_of(f"{line}\nbob:{{PLAIN}}x\n") == b"bob:{PLAIN}x\n"


def test_of_many_unusable_users_some_are_named() -> None:
    compiled = with_notes(auth(), secret("users", auth="\n".join(f"u{n}:x" for n in range(9))))
    assert problem(compiled, "auth-users-unusable").text.endswith("and 6 more")


@pytest.mark.parametrize(
    ("notes", "data", "code"),
    [
        (auth(), {}, "auth-secret-unusable"),
        (auth(), {"users": "x"}, "auth-secret-unusable"),
        (auth(), {"auth": "no line with a hash"}, "auth-secret-unusable"),
        (auth(auth_secret="absent"), {"auth": HTPASSWD}, "auth-secret-unusable"),
        (auth(auth_secret="other/users"), {"auth": HTPASSWD}, "auth-secret-namespace"),
        (auth(auth_secret=""), {"auth": HTPASSWD}, "auth-secret-missing"),
        (auth(auth_secret="a b"), {"auth": HTPASSWD}, "annotation-invalid"),
        (auth(auth_type="digest"), {"auth": HTPASSWD}, "annotation-invalid"),
        (auth(auth_type="oauth"), {"auth": HTPASSWD}, "annotation-invalid"),
        (auth(auth_secret_type="file"), {"auth": HTPASSWD}, "annotation-invalid"),
    ],
)
def test_authentication_that_cannot_be_had_closes(notes: dict[str, str], data: dict[str, str], code: str) -> None:
    compiled = with_notes(notes, secret("users", **data))
    closed = route(compiled).policy.closed
    assert closed is not None
    assert closed.status == 503
    assert code in codes(compiled)
    assert route(compiled).versions == ()


def test_users_of_a_closed_route_are_not_kept() -> None:
    assert not with_notes(auth(auth_type="digest"), secret("users", auth=HTPASSWD)).plan.users


def test_a_secret_without_auth_type_is_a_problem() -> None:
    compiled = with_notes({"auth-secret": "users"}, secret("users", auth=HTPASSWD))
    assert route(compiled).policy.auth is None
    assert "auth-secret-without-type" in codes(compiled)


@pytest.mark.parametrize("realm", ['a"b', "a\\b", "a\r\nX: y", "é"])
def test_a_bad_realm_counts_as_absent(realm: str) -> None:
    found = route(with_notes(auth(auth_realm=realm), secret("users", auth=HTPASSWD))).policy.auth
    assert found is not None
    assert found.realm == ""


# --- what closes, and what only tells ---


@pytest.mark.parametrize(
    "notes",
    [
        {"auth-tls-secret": "shop/ca"},
        {"enable-owasp-core-rules": "true"},
        {"enable-modsecurity": "true"},
        {"modsecurity-snippet": "SecRuleEngine On"},
        {"configuration-snippet": "deny all;"},
        {"server-snippet": "location /x { return 403; }"},
        {"configuration-snippet": "satisfy any;\nauth_request /x;"},
    ],
)
def test_access_rules_that_are_not_honoured_close(notes: dict[str, str]) -> None:
    compiled = with_notes(notes)
    closed = route(compiled).policy.closed
    assert closed is not None
    assert (closed.status, closed.code) == (503, "annotation-unsupported")
    (found,) = compiled.problems
    assert found.severity == "error"
    assert found.source == closed.source


@pytest.mark.parametrize(
    "notes",
    [
        {"limit-rps": "0"},
        {"enable-modsecurity": "false"},
        {"enable-modsecurity": "False"},
        {"auth-tls-verify-client": "off"},
        {"satisfy": "all"},
        {"enable-cors": "false"},
        {"proxy-buffering": "off"},
        {"whitelist-source-range": ""},
    ],
)
def test_values_that_ask_for_nothing_are_no_problem(notes: dict[str, str]) -> None:
    compiled = with_notes(notes)
    assert route(compiled).policy == Policy()
    assert codes(compiled) == ["service-not-found"]


@pytest.mark.parametrize(
    ("notes", "severity"),
    [
        ({"configuration-snippet": 'more_set_headers "X-A: 1";'}, "error"),
        ({"configuration-snippet": 'add_header Access-Control-Allow-Origin "*";'}, "error"),
        ({"proxy-buffer-size": "lots"}, "warning"),
        ({"enable-opentelemetry": "true"}, "warning"),
    ],
)
def test_others_that_are_not_supported_have_no_effect(notes: dict[str, str], severity: str) -> None:
    compiled = with_notes(notes)
    assert route(compiled).policy == Policy()
    assert problem(compiled, "annotation-unsupported").severity == severity


def test_one_ingress_that_is_closed_leaves_the_others() -> None:
    closed = ingress("closed", ("/a", "Prefix", "v1"), notes={"limit-rps": "words"})
    compiled = compile_objects(ingress("open", ("/", "Prefix", "v1")), closed)
    assert [r.policy.closed is None for r in routes(compiled)] == [False, True]


@pytest.mark.parametrize("name", ["proxy-body-size", "load-balance", "canary-by-header", "app-root", "server-alias"])
def test_control_characters_are_refused_everywhere(name: str) -> None:
    for value in ("a\r\nb", "a\x00b", "a\x7fb", "8m\n"):
        assert "annotation-invalid" in codes(with_notes({name: value}))


def test_unknown_names() -> None:
    compiled = with_notes({"canary-wieght": "1", "zzz": "1", "serin.dev/x": "1", "example.com/mine": "1"})
    told = [p for p in compiled.problems if p.code == "annotation-unknown"]
    assert len(told) == 3
    assert any("canary-weight" in p.text for p in told)


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("ingress.kubernetes.io/rewrite-target", True),
        ("nginx.ingress.kubernets.io/rewrite-target", True),
        ("nginx.ingress.kubernets.io/zzz", False),
        ("haproxy.org/rewrite-target", False),
    ],
)
def test_known_names_under_a_prefix_that_is_almost_ours(key: str, told: bool) -> None:
    assert ("annotation-misplaced" in codes(with_notes({key: "/x"}))) is told


def test_removed_names_say_what_to_do() -> None:
    assert "backend-protocol" in problem(with_notes({"secure-backends": "true"}), "annotation-removed").text


def test_the_newer_of_two_names_counts() -> None:
    compiled = with_notes({"limit-whitelist": "10.0.0.0/8", "limit-allowlist": "10.0.0.1"})
    assert problem(compiled, "annotation-doubled").source.field.endswith("limit-whitelist]")
    assert codes(compiled).count("limit-missing") == 1


def test_an_empty_newer_name_does_not_open_what_the_older_one_closes() -> None:
    compiled = with_notes({"whitelist-source-range": "10.0.0.0/8", "allowlist-source-range": ""})
    assert route(compiled).policy.access.allow == ("10.0.0.0/8",)


def test_another_prefix() -> None:
    notes = {"serin.example/app-root": "/new", "nginx.ingress.kubernetes.io/app-root": "/old"}
    compiled = compile_objects(ingress("main", notes=notes), annotations_prefix="serin.example")
    assert app_roots(compiled) == ["/new"]
    assert codes(compiled) == ["service-not-found"]


# --- affinity ---


def test_affinity_defaults() -> None:
    found = policy(affinity="cookie").affinity
    assert found is not None
    assert (found.name, found.path, found.max_age, found.secure) == ("INGRESSCOOKIE", "/", 0, None)
    assert not found.persistent


def test_affinity_in_full() -> None:
    found = policy(
        affinity="cookie",
        affinity_mode="persistent",
        session_cookie_name="route",
        session_cookie_path="/x",
        session_cookie_domain="example.com",
        session_cookie_expires="60",
        session_cookie_max_age="3600",
        session_cookie_samesite="none",
        session_cookie_conditional_samesite_none="true",
        session_cookie_secure="false",
        session_cookie_change_on_failure="true",
    ).affinity
    assert found is not None
    assert (found.name, found.path, found.domain) == ("route", "/x", "example.com")
    assert (found.expires, found.max_age, found.same_site) == (60, 3600, "None")
    assert (found.conditional_same_site_none, found.secure) == (True, None)
    assert (found.persistent, found.change_on_failure) == (True, True)


def test_the_cookies_path_is_the_rules_own_also_as_pattern() -> None:
    notes = {"affinity": "cookie", "use-regex": "true"}
    compiled = compile_objects(ingress("main", ("/u/[0-9]+", "Prefix", "v1"), ("/app", "Exact", "v1"), notes=notes))
    assert [r.policy.affinity and r.policy.affinity.path for r in routes(compiled)] == ["/u/[0-9]+", "/app"]


def test_a_path_cannot_add_attributes_to_the_cookie() -> None:
    compiled = compile_objects(ingress("main", ("/a;Domain=evil", "Prefix", "v1"), notes={"affinity": "cookie"}))
    found = route(compiled).policy.affinity
    assert found is not None
    assert found.path == "/a"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("session-cookie-name", "a;b"),
        ("session-cookie-name", "a=b"),
        ("session-cookie-path", "/a;b"),
        ("session-cookie-domain", "a b"),
        ("session-cookie-max-age", "1h"),
        ("session-cookie-samesite", "Loose"),
    ],
)
def test_bad_cookie_settings_count_as_absent(name: str, value: str) -> None:
    compiled = with_notes({"affinity": "cookie", name: value})
    assert route(compiled).policy.affinity == policy(affinity="cookie").affinity
    assert "annotation-invalid" in codes(compiled)


# --- endpoints ---


def test_endpoint_defaults_are_one_value_for_all() -> None:
    compiled = compile_objects(ingress("a"), ingress("b", host="b.example.com"))
    assert route(compiled).policy is route(compiled, "b.example.com").policy


def test_endpoint_settings() -> None:
    found = policy(
        backend_protocol="https",
        proxy_connect_timeout="2",
        proxy_send_timeout="3",
        proxy_read_timeout="4",
        proxy_next_upstream="error http_502 non_idempotent",
        proxy_next_upstream_tries="0",
        proxy_next_upstream_timeout="7",
        upstream_vhost="$service_name.$namespace.svc",
        proxy_body_size="0",
    )
    upstream = found.upstream
    assert (upstream.tls, upstream.vhost, found.max_body) == (True, "$service_name.$namespace.svc", 0)
    assert (upstream.connect_timeout, upstream.send_timeout, upstream.read_timeout) == (2.0, 3.0, 4.0)
    assert (upstream.tries, upstream.tries_timeout) == (0, 7.0)
    assert upstream.next_upstream == ("error", "http_502", "non_idempotent")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("proxy-read-timeout", "-1"),
        ("proxy-read-timeout", "0"),
        ("proxy-read-timeout", "1s"),
        ("proxy-next-upstream", "error whenever"),
        ("proxy-next-upstream-tries", "-1"),
        ("proxy-body-size", "lots"),
        ("upstream-vhost", "a b"),
        ("upstream-vhost", "a;b"),
        ("backend-protocol", "FTP"),
    ],
)
def test_bad_endpoint_settings_count_as_absent(name: str, value: str) -> None:
    compiled = with_notes({name: value})
    assert route(compiled).policy == Policy()
    assert "annotation-invalid" in codes(compiled)


@pytest.mark.parametrize("protocol", ["GRPC", "fcgi"])
def test_protocols_that_count_as_http(protocol: str) -> None:
    compiled = with_notes({"backend-protocol": protocol})
    assert not route(compiled).policy.upstream.tls
    assert problem(compiled, "backend-protocol-unsupported").severity == "error"
