"""The ordered table of a host: which kinds, in which order, and who owns a path. Matched with the routing oracle."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.compile.manifests import HOST, Path, check_pattern, codes, compile_objects, ingress, problem, route, routes

from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.errors import SerinError
from serin.objects.parse import parse_object
from serin.objects.store import Store
from serin.routing.match import find_route
from serin.routing.plan import PathKind, Route
from serin.routing.search import Spans


class Pattern:
    """Python's `re` as the pattern engine."""

    def __init__(self, text: str, *, ignore_case: bool = False, anchored: bool = False) -> None:
        try:
            compiled = re.compile(text.encode(), re.IGNORECASE if ignore_case else 0)
        except re.error as e:
            raise SerinError(str(e)) from e
        self._run = compiled.match if anchored else compiled.search

    def search(self, subject: bytes, /) -> Spans | None:
        found = self._run(subject)
        return None if found is None else (found.span(),)


def hit(compiled: Compiled, path: str) -> Route | None:
    return find_route(compiled.plan.hosts[HOST], path.encode(), Pattern)


def served_by(compiled: Compiled, path: str) -> str | None:
    """The Service of main at a path, `/` for a slash redirect, None for 404."""
    found = hit(compiled, path)
    if found is None:
        return None
    return "/" if found.slash_redirect else found.versions[0].service if found.versions else "closed"


def table(*paths: Path, **notes: str) -> Compiled:
    return compile_objects(ingress("main", *paths, notes={k.replace("_", "-"): v for k, v in notes.items()}))


@pytest.mark.parametrize(
    ("path", "service"),
    [
        *(("/", "root"), ("/a", "a"), ("/a/", "a"), ("/a/c", "a"), ("/a/b", "ab"), ("/a/b/c", "ab"), ("/a/bc", "a")),
        *(("/ab", "root"), ("/exact", "exact"), ("/exact/", "root"), ("/exactly", "root")),
    ],
)
def test_longest_prefix_by_segments(path: str, service: str) -> None:
    compiled = table(
        ("/", "Prefix", "root"),
        ("/a", "ImplementationSpecific", "a"),
        ("/a/b", "Prefix", "ab"),
        ("/exact", "Exact", "exact"),
    )
    assert served_by(compiled, path) == service


def test_exact_before_prefix() -> None:
    compiled = table(("/a", "Prefix", "prefix"), ("/a", "Exact", "exact"))
    assert [served_by(compiled, path) for path in ("/a", "/a/", "/a/b")] == ["exact", "prefix", "prefix"]
    assert codes(compiled).count("path-conflict") == 0


def test_order_is_by_length_then_reverse_text() -> None:
    compiled = table(*((path, "Prefix", "v") for path in ("/", "/aa", "/b", "/ab", "/bb")))
    assert [r.match.path for r in routes(compiled)] == ["/bb", "/ab", "/aa", "/b", "/"]


def test_length_is_in_bytes() -> None:
    compiled = table(("/éé", "Prefix", "v"), ("/abc", "Prefix", "v"))
    assert [r.match.path for r in routes(compiled)] == ["/éé", "/abc"]


@pytest.mark.parametrize("kind", ["Prefix", "Exact"])
def test_a_path_with_slash_draws_the_one_without_to_it(kind: str) -> None:
    compiled = table(("/foo/", kind, "foo"), ("/", "Prefix", "root"))
    assert served_by(compiled, "/foo") == "/"
    assert served_by(compiled, "/foo/") == "foo"
    assert served_by(compiled, "/foobar") == "root"
    assert served_by(compiled, "/foo/bar") == ("foo" if kind == "Prefix" else "root")


def test_the_slash_redirect_meets_no_policy() -> None:
    """nginx answers it before anything else of the location."""
    compiled = table(("/foo/", "Prefix", "foo"), force_ssl_redirect="true")
    found = hit(compiled, "/foo")
    assert found is not None
    assert (found.split, found.policy.tls_redirect, found.slash_redirect) == (None, None, True)


@pytest.mark.parametrize("kind", ["Prefix", "Exact"])
def test_no_slash_redirect_where_something_owns_the_path(kind: str) -> None:
    compiled = table(("/foo/", "Prefix", "with"), ("/foo", kind, "without"))
    assert served_by(compiled, "/foo") == "without"
    assert served_by(compiled, "/foo/") == "with"
    assert served_by(compiled, "/foo/x") == "with"


def test_no_slash_redirect_to_a_closed_path() -> None:
    compiled = table(("/foo/", "Prefix", "foo"), enable_modsecurity="true")
    assert [r.match.path for r in routes(compiled)] == ["/foo/", "/"]


def test_oldest_owns_a_path_whatever_the_order() -> None:
    old = ingress("old", ("/", "Prefix", "old"), created="2026-01-01T00:00:00Z")
    new = ingress("new", ("/", "Prefix", "new"), ("/own", "Prefix", "new"), created="2026-01-02T00:00:00Z")
    for objects in ((old, new), (new, old)):
        compiled = compile_objects(*objects)
        assert served_by(compiled, "/") == "old"
        assert served_by(compiled, "/own") == "new"
        found = problem(compiled, "path-conflict")
        assert found.source.ref.name == "new"
        assert "Ingress shop/old" in found.text


def test_of_the_same_age_and_order_the_last_name_is_first() -> None:
    """As ingress-nginx sorts; on a cluster all objects have the same order."""
    store = Store()
    for name in ("b", "a", "c"):
        view = parse_object(ingress(name, ("/", "Prefix", name)), order=0).view
        assert view is not None
        store.apply(view)
    compiled = compile_snapshot(store.snapshot(), Options(standalone=True), check_pattern)
    assert served_by(compiled, "/") == "c"


def test_a_path_twice_in_one_ingress() -> None:
    compiled = table(("/", "Prefix", "first"), ("/", "Prefix", "second"))
    assert served_by(compiled, "/") == "first"
    assert "already in this Ingress" in problem(compiled, "path-conflict").text


def test_another_type_is_no_conflict() -> None:
    assert "path-conflict" not in codes(table(("/a", "Prefix", "v1"), ("/a", "Exact", "v2")))


def test_a_path_with_control_characters_is_left_out() -> None:
    compiled = table(("/a\r\nX: y", "ImplementationSpecific", "v1"), ("/b", "Prefix", "v2"))
    assert [r.match.path for r in routes(compiled)] == ["/b"]
    assert "path-invalid" in codes(compiled)


def test_a_backend_that_cannot_be_used_closes_its_path_alone() -> None:
    paths = [
        {"path": "/bad", "pathType": "Prefix", "backend": {"resource": {"kind": "Bucket", "name": "b"}}},
        {"path": "/good", "pathType": "Prefix", "backend": {"service": {"name": "v1", "port": {"number": 80}}}},
    ]
    compiled = compile_objects(ingress("main", rules=[{"host": HOST, "http": {"paths": paths}}]))
    bad = hit(compiled, "/bad")
    assert bad is not None
    assert bad.policy.closed is not None
    assert (bad.policy.closed.status, bad.policy.closed.code) == (503, "backend-unusable")
    assert served_by(compiled, "/good") == "v1"


# --- regular expressions ---


@pytest.mark.parametrize("path", ["/abc", "/ABC", "/abcd", "/abc/d"])
def test_one_use_regex_makes_the_whole_host_regex(path: str) -> None:
    plain = ingress("plain", ("/abc", "Exact", "plain"))
    compiled = compile_objects(plain, ingress("rx", ("/x[0-9]", "Prefix", "rx"), notes={"use-regex": "true"}))
    assert {r.match.kind for r in routes(compiled)} == {PathKind.REGEX}
    assert served_by(compiled, path) == "plain"
    assert problem(compiled, "path-becomes-regex").source.ref.name == "plain"


def test_regex_stays_on_its_host() -> None:
    rx = ingress("rx", notes={"use-regex": "true"}, host="rx.example.com")
    assert route(compile_objects(ingress("plain"), rx)).match.kind is PathKind.PREFIX


def test_an_ingress_without_a_path_left_does_not_make_regex() -> None:
    """It lost its only path on the host."""
    compiled = compile_objects(ingress("main"), ingress("rx", ("/", "Prefix", "v2"), notes={"use-regex": "true"}))
    assert route(compiled).match.kind is PathKind.PREFIX


def test_a_canary_does_not_make_regex() -> None:
    notes = {"canary": "true", "use-regex": "true", "rewrite-target": "/x"}
    compiled = compile_objects(ingress("main"), ingress("canary", ("/", "Prefix", "v2"), notes=notes))
    assert route(compiled).match.kind is PathKind.PREFIX


@pytest.mark.parametrize(
    ("path", "kind", "target", "regex"),
    [
        ("/", "Prefix", "/", False),
        ("/a", "Exact", "/a", False),
        ("/a/", "Prefix", "/a/", False),
        ("/a", "Prefix", "/a", True),
        ("/a", "Prefix", "/", True),
        ("/a", "Exact", "/b", True),
        ("/", "Prefix", "/a b", False),
    ],
)
def test_a_rewrite_that_changes_something_makes_regex(path: str, kind: str, target: str, regex: bool) -> None:
    """`/` of the host is another's, whose annotations would hold for paths that no rule takes."""
    root = ingress("root", ("/" if path != "/" else "/z", "Prefix", "v2"))
    compiled = compile_objects(root, ingress("main", (path, kind, "v1"), notes={"rewrite-target": target}))
    main = next(r for r in routes(compiled) if r.rule.path == path and not r.slash_redirect)
    assert (main.match.kind is PathKind.REGEX) == regex
    assert (main.policy.rewrite is not None) == regex


def test_a_rewrite_makes_regex_also_by_the_paths_that_no_rule_takes() -> None:
    """In ingress-nginx the location for the rest has the oldest Ingress's rewrite-target, too."""
    assert routes(table(("/a", "Exact", "v1"), rewrite_target="/a"))[0].match.kind is PathKind.REGEX


def test_no_slash_redirect_in_regex_mode() -> None:
    compiled = table(("/foo/", "Prefix", "v1"), use_regex="true")
    assert not any(r.slash_redirect for r in routes(compiled))


def test_a_bad_pattern_closes_its_path_alone() -> None:
    compiled = table(("/bad(", "ImplementationSpecific", "bad"), ("/good", "Prefix", "good"), use_regex="true")
    assert served_by(compiled, "/good/x") == "good"
    assert served_by(compiled, "/bad(") == "closed"
    assert served_by(compiled, "/bad") is None
    assert problem(compiled, "path-regex-bad").source.field == "spec.rules[0].http.paths[0]"


def test_a_prefix_that_others_make_a_pattern_leaves_its_path_to_exact() -> None:
    plain = ingress("plain", ("/e", "Prefix", "prefix"), ("/e", "Exact", "exact"), ("/p", "Prefix", "p"))
    compiled = compile_objects(plain, ingress("rx", ("/x[0-9]", "Prefix", "x"), notes={"use-regex": "true"}))
    assert [served_by(compiled, path) for path in ("/e", "/ex", "/e/x", "/p", "/px")] == [
        *("exact", "exact", "prefix", "p", "p")
    ]


def test_a_target_that_is_the_prefix_itself_rewrites_what_lies_below() -> None:
    compiled = table(("/a", "Prefix", "v"), rewrite_target="/a")
    rewritten = {path: (r := hit(compiled, path)) and r.policy.rewrite is not None for path in ("/a", "/ax", "/a/x")}
    assert rewritten == {"/a": False, "/ax": False, "/a/x": True}
    assert len(compiled.plan.splits) == 1
    with_regex = table(("/a", "Prefix", "v"), rewrite_target="/a", use_regex="true")
    assert [r.policy.rewrite for r in routes(with_regex)] == [None]


def test_an_exact_root_among_patterns_takes_the_root_alone() -> None:
    pattern = ingress("rx", ("/x[0-9]", "Prefix", "x"), notes={"use-regex": "true"})
    compiled = compile_objects(ingress("root", ("/", "Exact", "root")), pattern)
    assert [served_by(compiled, path) for path in ("/", "/y", "/x1")] == ["root", None, "x"]
    compiled = compile_objects(ingress("root", ("/", "Exact", "root"), ("/", "Prefix", "all")), pattern)
    assert [served_by(compiled, path) for path in ("/", "/y", "/x1")] == ["all", "all", "x"]
    assert "path-never-served" in codes(compiled)


def test_regex_order_of_equal_paths_is_age() -> None:
    compiled = table(("/e", "Prefix", "prefix"), ("/e", "Exact", "exact"), use_regex="true")
    assert served_by(compiled, "/e") == "prefix"


def test_a_literal_that_looks_like_a_pattern_is_told() -> None:
    compiled = table(("/api/(.*)", "Prefix", "v1"))
    assert "path-taken-literally" in codes(compiled)
    assert served_by(compiled, "/api/(.*)") == "v1"
    assert served_by(compiled, "/api/x") is None


segment = st.text(alphabet="ab", min_size=1, max_size=2)
text = st.lists(segment, max_size=3).map(lambda parts: "/" + "/".join(parts))
rule = st.tuples(text, st.sampled_from(["Exact", "Prefix"]))


@given(st.lists(rule, min_size=1, max_size=6, unique=True), text, st.booleans())
def test_plain_tables_serve_as_nginx_would(rules: list[tuple[str, str]], asked: str, slash: bool) -> None:
    """Exact first, then the longest prefix by segments: independent of the table's order."""
    compiled = table(*((path, kind, f"s{n}") for n, (path, kind) in enumerate(rules)))
    asked = asked + "/" if slash and asked != "/" else asked
    exact = [n for n, (path, kind) in enumerate(rules) if kind == "Exact" and path == asked]
    prefixes = [
        (len(path), n)
        for n, (path, kind) in enumerate(rules)
        if kind == "Prefix" and (path == "/" or asked == path or asked.startswith(path + "/"))
    ]
    expected = f"s{exact[0]}" if exact else f"s{max(prefixes)[1]}" if prefixes else None
    assert served_by(compiled, asked) == expected
