"""What is denied, what is warned of, and whom it concerns: each as a user would meet it."""

import copy
from typing import Any

import pytest
from golden.certificates import tls_secret
from hypothesis import given
from hypothesis import strategies as st
from unit.admission.reviews import NOW, OLD, OLDER, World, review_of
from unit.compile.manifests import (
    HOST,
    PREFIX,
    Raw,
    canary,
    check_pattern,
    endpoints,
    ingress,
    ingress_class,
    secret,
    service,
    views,
)
from unit.compile.test_incremental import ingresses

from serin.admission.judge import MOST_ENTRIES, NOT_SYNCED, TOO_LARGE, Judge
from serin.admission.verdict import ALLOWED, Result, Verdict
from serin.refs import Ref

READY = (service("v1"), endpoints("v1", "10.0.0.1"), service("v2"), endpoints("v2", "10.0.0.2"))


def world(*objects: Raw, **options: Any) -> World:
    return World(*READY, *objects, **options)


def changed(raw: Raw, **notes: str | None) -> Raw:
    """A copy with annotations set, or taken away; `_` for `-`."""
    made = copy.deepcopy(raw)
    found = made["metadata"].setdefault("annotations", {})
    for name, value in notes.items():
        key = PREFIX + name.replace("_", "-")
        found.pop(key, None)
        if value is not None:
            found[key] = value
    return made


def denied(verdict: Verdict) -> str:
    assert verdict.result is Result.DENIED, verdict
    return verdict.message


def warned(verdict: Verdict) -> str:
    assert verdict.result is Result.WARNED, verdict
    return "\n".join(verdict.warnings)


# --- what is none of our business ---


def test_an_object_without_fault_is_allowed_without_a_word() -> None:
    assert world().verdict(ingress("main")) == ALLOWED


@pytest.mark.parametrize(
    "changes",
    [
        {"operation": "DELETE", "object": None},
        {"operation": "CONNECT"},
        {"subResource": "status"},
        {"kind": {"group": "", "version": "v1", "kind": "Pod"}},
        {"kind": {"group": "example.com", "version": "v1", "kind": "Ingress"}},
        {"object": None},
    ],
)
def test_what_is_not_asked_of_us_is_allowed_without_a_word(changes: dict[str, Any]) -> None:
    first = ingress("first", created=OLD)
    assert world(first).verdict(ingress("second"), **changes) == ALLOWED
    denied(world(first).verdict(ingress("second")))


def test_an_object_being_deleted_is_allowed_without_a_word() -> None:
    """Its finalizers are taken away by updates."""
    bad = ingress("bad", notes={"limit-rps": "many"})
    bad["metadata"]["deletionTimestamp"] = OLD
    assert world().verdict(bad, changed(bad, limit_rps=None)) == ALLOWED


@pytest.mark.parametrize("class_name", ["other", None])
def test_an_ingress_of_another_class_is_allowed_without_a_word(class_name: str | None) -> None:
    theirs = ingress("theirs", class_name=class_name, notes={"limit-rps": "many"})
    classes = ingress_class("other", "another/controller")
    assert world(ingress("first", created=OLD), classes).verdict(theirs) == ALLOWED


def test_a_class_that_nobody_has_is_told() -> None:
    found = warned(world().verdict(ingress("lost", class_name="ngnix", notes={"limit-rps": "many"})))
    assert found.startswith(
        "class-unknown: spec.ingressClassName: there is no IngressClass ngnix (did you mean nginx?)"
    )


def test_an_ingress_that_comes_into_our_class_is_judged_as_a_new_one() -> None:
    theirs = ingress("main", class_name="other", notes={"limit-rps": "many"}, created=OLD)
    ours = ingress("main", notes={"limit-rps": "many"}, created=OLD)
    assert "limit-rps" in denied(world(theirs).verdict(ours, theirs))


def test_a_class_by_default_is_ours() -> None:
    default = ingress_class("nginx", default=True)
    without = ingress("main", class_name=None, notes={"limit-rps": "many"})
    assert denied(World(*READY, default).verdict(without))


def test_namespaces_that_are_not_watched_are_none_of_our_business() -> None:
    made = world(ingress("first", created=OLD))
    judge = Judge(made.state, check_pattern, lambda: NOW, lambda namespace: namespace == "watched")
    assert judge.verdict(review_of(ingress("second")), {}) == ALLOWED
    bad = ingress("bad", namespace="watched", notes={"limit-rps": "many"})
    assert not judge.verdict(review_of(bad), {}).allowed


def test_before_the_first_sync_nobody_is_kept_out_and_everybody_is_told() -> None:
    judge = Judge(lambda: None, check_pattern, lambda: NOW)
    review = review_of(ingress("bad", notes={"limit-rps": "many"}))
    assert judge.secrets(review) == frozenset()
    verdict = judge.verdict(review, {})
    assert (verdict.allowed, verdict.result) == (True, Result.UNCHECKED)
    assert NOT_SYNCED in verdict.warnings[0]
    assert judge.verdict(review_of(ingress("x"), subResource="status"), {}) == ALLOWED


def test_an_ingress_beyond_measure_is_not_judged() -> None:
    many = [{"host": f"h{n}.example", "http": {"paths": []}} for n in range(MOST_ENTRIES + 1)]
    verdict = world().verdict(ingress("huge", rules=many))
    assert verdict.result is Result.UNCHECKED
    assert TOO_LARGE in verdict.warnings[0]


# --- host and path ---


def test_a_host_and_path_that_another_ingress_has() -> None:
    made = world(ingress("first", created=OLD))
    found = denied(made.verdict(ingress("second", namespace="other")))
    assert found == f'host "{HOST}" and path "/" is already defined in ingress shop/first (pathType Prefix)'


def test_the_same_with_an_app_root_of_a_third_ingress() -> None:
    root = ingress("root", ("/x", "Prefix", "v1"), notes={"app-root": "/start"}, created=OLDER)
    found = denied(world(ingress("first", created=OLD), root).verdict(ingress("second")))
    assert "shop/first" in found


def test_a_path_of_any_host() -> None:
    made = world(ingress("first", host="", created=OLD))
    assert 'path "/" of any host is already defined in ingress shop/first' in denied(
        made.verdict(ingress("second", host=""))
    )
    only_default = ingress("third", rules=(), default="v1")
    assert "shop/first" in denied(made.verdict(only_default))


@pytest.mark.parametrize(
    "second",
    [
        ingress("second", ("/", "Exact", "v1")),
        ingress("second", ("/other", "Prefix", "v1")),
        ingress("second", host="other.example"),
        canary("second", notes={"canary-weight": "10"}),
    ],
)
def test_what_is_no_conflict(second: Raw) -> None:
    assert world(ingress("first", created=OLD)).verdict(second) == ALLOWED


def test_two_canaries_of_one_path_are_no_conflict() -> None:
    made = world(ingress("first", created=OLD), canary("one", notes={"canary-weight": "10"}))
    assert made.verdict(canary("two", notes={"canary-by-header": "X"})) == ALLOWED


def test_a_canary_that_stops_being_one() -> None:
    now = canary("second", notes={"canary-weight": "10"}, created=OLD)
    made = world(ingress("first", created=OLDER), now)
    assert "shop/first" in denied(made.verdict(changed(now, canary="false"), now))


def test_an_older_ingress_must_not_take_the_path_of_a_younger_one() -> None:
    """Age decides whom a path belongs to: what is denied is that the other one loses it."""
    older = ingress("older", ("/a", "Prefix", "v1"), created=OLDER)
    more = ingress("older", ("/a", "Prefix", "v1"), ("/b", "Prefix", "v1"), created=OLDER)
    younger = ingress("younger", ("/b", "Prefix", "v1"), namespace="other", created=OLD)
    found = denied(world(older, younger).verdict(more, older))
    assert found == (
        f'host "{HOST}" and path "/b" is already defined in ingress other/younger (pathType Prefix), '
        "which would lose it"
    )


def test_a_path_twice_in_one_ingress_is_served_once() -> None:
    twice = ingress("main", ("/a", "Prefix", "v1"), ("/a", "Prefix", "v2"))
    assert warned(world().verdict(twice)).startswith("path-conflict: spec.rules[0].http.paths[1]: ")


def test_the_moment_of_creation_is_now_when_nobody_said_it() -> None:
    """An object without a timestamp would else be the oldest of all."""
    denied(world(ingress("first", created=OLD)).verdict(ingress("second", created="")))


def test_the_same_answer_when_the_store_has_the_object_already() -> None:
    """The watch may be faster than the answer to an earlier try; or the delete before a second create, slower."""
    second = ingress("second")
    made = world(ingress("first", created=OLD), second)
    denied(made.verdict(second))


# --- objects that were there before ---


def test_an_update_that_makes_nothing_worse_is_allowed() -> None:
    first, second = ingress("first", created=OLDER), ingress("second", ("/", "Prefix", "v1"), created=OLD)
    made = world(first, second)
    assert "path-conflict" in warned(made.verdict(changed(second, proxy_read_timeout="5"), second))


def test_also_when_its_lists_were_moved() -> None:
    second = ingress("second", ("/", "Prefix", "v1"), created=OLD)
    moved = ingress("second", ("/new", "Prefix", "v1"), ("/", "Prefix", "v1"), created=OLD)
    warned(world(ingress("first", created=OLDER), second).verdict(moved, second))


def test_a_further_fault_of_the_same_kind_is_denied() -> None:
    first = ingress("first", ("/", "Prefix", "v1"), ("/b", "Prefix", "v1"), created=OLDER)
    second = ingress("second", created=OLD)
    more = ingress("second", ("/", "Prefix", "v1"), ("/b", "Prefix", "v1"), created=OLD)
    verdict = world(first, second).verdict(more, second)
    assert 'path "/b"' in denied(verdict)
    assert 'path "/"' not in verdict.message
    assert "path-conflict" in verdict.warnings[0]


def test_the_stored_object_counts_as_the_api_server_has_it() -> None:
    """The watch may not have brought it yet."""
    second = ingress("second", created=OLD)
    warned(world(ingress("first", created=OLDER)).verdict(changed(second, proxy_read_timeout="5"), second))


def test_a_stored_object_without_fault_may_not_get_one() -> None:
    now = ingress("main", created=OLD)
    assert "limit-rps" in denied(world(now).verdict(changed(now, limit_rps="many"), now))


def test_a_fault_that_is_repaired_leaves_no_word() -> None:
    bad = ingress("main", notes={"limit-rps": "many"}, created=OLD)
    assert world(bad).verdict(changed(bad, limit_rps=None), bad) == ALLOWED


def _name(raw: Raw) -> tuple[str, str]:
    return raw["metadata"]["namespace"], raw["metadata"]["name"]


some_ingresses = st.lists(ingresses(), min_size=1, max_size=5)


@given(some_ingresses, st.integers(0, 4), st.sampled_from(["", "x"]))
def test_nobody_is_locked_out_of_what_is_stored(found: list[Raw], which: int, label: str) -> None:
    """Whatever is in force: an update that leaves it as it is, or sets a label, is never denied."""
    made = world(*found)
    old = found[which % len(found)]
    old = [raw for raw in found if _name(raw) == _name(old)][-1]
    new = copy.deepcopy(old)
    new["metadata"]["labels"] = {"label": label}
    assert made.verdict(new, old).allowed


# --- annotations ---


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ({"allowlist-source-range": "10.0.0.0/33"}, "allowlist-source-range"),
        ({"whitelist-source-range": "x"}, "whitelist-source-range"),
        ({"limit-rps": "five"}, "limit-rps"),
        ({"auth-type": "digest"}, "auth-type: expected basic"),
        ({"auth-type": "basic"}, "auth-secret-missing"),
        ({"auth-type": "basic", "auth-secret": "other/users"}, "auth-secret-namespace"),
        ({"auth-url": "ftp://auth.example"}, "auth-url"),
        ({"permanent-redirect": "not a url;"}, "this Ingress is left out"),
        ({"use-regex": "true"}, "path-regex-bad"),
    ],
)
def test_annotations_that_would_close_or_leave_out(notes: dict[str, str], said: str) -> None:
    verdict = world().verdict(ingress("main", ("/a(", "ImplementationSpecific", "v1"), notes=notes))
    assert said in denied(verdict)


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ({"proxy-body-size": "lots"}, "annotation-invalid: nginx.ingress.kubernetes.io/proxy-body-size: expected"),
        ({"proxy-http-version": "1.0"}, "annotation-unsupported"),
        ({"permanent-redirect": "https://a.example/", "permanent-redirect-code": "200"}, "annotation-invalid"),
        ({"no-such-thing": "1"}, "annotation-unknown"),
        ({"canary": "true", "canary-weight": "10.5"}, "annotation-invalid"),
        ({"canary": "true", "canary-by-header": "X", "canary-by-header-pattern": "[a"}, "canary-pattern-broken"),
        ({"affinity": "cookie", "canary-weight": "10"}, "canary-rules-ignored"),
    ],
)
def test_annotations_that_count_as_absent(notes: dict[str, str], said: str) -> None:
    """ingress-nginx takes such objects."""
    main = ingress("main", created=OLD)
    host = HOST if notes.get("canary") else "other.example"
    assert said in warned(world(main).verdict(ingress("new", ("/", "Prefix", "v2"), host=host, notes=notes)))


def test_every_bad_access_annotation_is_named() -> None:
    found = denied(world().verdict(ingress("main", notes={"limit-rps": "five", "allowlist-source-range": "x"})))
    assert "limit-rps" in found
    assert "allowlist-source-range" in found


def test_config_maps_that_an_ingress_names_are_fetched() -> None:
    asked = ingress(
        "main", notes={"custom-headers": "more", "auth-url": "http://a/", "auth-proxy-set-headers": "lines"}
    )
    more, lines = Ref("ConfigMap", "shop", "more"), Ref("ConfigMap", "shop", "lines")
    assert world().judge.secrets(review_of(asked)) == {more, lines}
    assert world().verdict(asked, secrets={}) == ALLOWED, "nothing is known of them"
    told = warned(world().verdict(asked, secrets={more: None, lines: None}))
    assert "auth-headers-unusable" in told


def test_the_plane_decides_what_can_be_honoured() -> None:
    asked = ingress("main", notes={"auth-tls-secret": "trust", "proxy-http-version": "1.0"})
    assert "needs the nginx plane (--plane nginx)" in denied(world().verdict(asked))
    on_nginx = world(plane="nginx")
    assert on_nginx.judge.secrets(review_of(asked)) == {Ref("Secret", "shop", "trust")}
    assert on_nginx.verdict(asked, secrets={}) == ALLOWED, "nothing is known of the Secret"
    assert "auth-tls-secret-unusable" in warned(on_nginx.verdict(asked))
    bad = ingress("main", notes={"auth-tls-secret": "a b"})
    assert "expected a Secret's name" in denied(on_nginx.verdict(bad))
    assert "auth-tls-secret-missing" in denied(on_nginx.verdict(ingress("main", notes={"auth-tls-match-cn": "CN=a"})))


# --- what may come later ---


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (ingress("main", ("/", "Prefix", "v3")), "service-not-found"),
        (ingress("main", ("/", "Prefix", "v1:81")), "service-port-not-found"),
        (ingress("main", tls=[{"hosts": [HOST], "secretName": "missing"}]), "certificate-unusable"),
        (ingress("main", notes={"auth-type": "basic", "auth-secret": "missing"}), "auth-secret-unusable"),
        (canary("early", notes={"canary-weight": "5"}), "canary-without-main"),
    ],
)
def test_what_may_come_later_is_a_warning(new: Raw, code: str) -> None:
    assert warned(world().verdict(new)).startswith(f"{code}: ")


def test_endpoints_may_come_later() -> None:
    verdict = World(service("v1")).verdict(ingress("main"))
    assert "no-ready-endpoints" in warned(verdict)


def test_what_holds_in_many_places_is_said_once() -> None:
    paths = [(f"/{n}", "Prefix", "v3") for n in range(20)]
    (line,) = world().verdict(ingress("main", *paths)).warnings
    assert "spec.rules[0].http.paths[0] and 19 more places: there is no Service shop/v3" in line


# --- Secrets ---


PAIR = tls_secret("shop", "pair", "other.example")
WITH_TLS = ingress("main", tls=[{"hosts": [HOST], "secretName": "pair"}])
PAIR_REF = Ref("Secret", "shop", "pair")


def test_a_secret_that_is_not_in_memory_is_asked_for() -> None:
    made = world()
    assert made.judge.secrets(review_of(WITH_TLS)) == {PAIR_REF}
    (pair,) = views([PAIR])
    assert "certificate-name-mismatch" in warned(made.verdict(WITH_TLS, secrets={PAIR_REF: pair}))


def test_what_could_not_be_found_out_is_not_judged() -> None:
    assert world().verdict(WITH_TLS, secrets={}) == ALLOWED
    locked = ingress("main", notes={"auth-type": "basic", "auth-secret": "users"})
    assert world().verdict(locked, secrets={}) == ALLOWED


def test_a_secret_that_the_plan_looks_at_is_in_memory() -> None:
    made = world(PAIR, WITH_TLS)
    assert made.judge.secrets(review_of(WITH_TLS)) == frozenset()
    assert "certificate-name-mismatch" in warned(made.verdict(WITH_TLS, secrets={}))


def test_one_that_the_plan_does_not_look_at_may_be_there_without_what_is_in_it() -> None:
    empty = secret("pair")
    made = world(empty)
    assert made.judge.secrets(review_of(WITH_TLS)) == {PAIR_REF}
    assert made.verdict(WITH_TLS, secrets={}) == ALLOWED


def test_secrets_of_other_classes_namespaces_and_mistaken_rules_are_not_asked_for() -> None:
    made = world()
    theirs = ingress("theirs", class_name="other", tls=[{"hosts": [HOST], "secretName": "pair"}])
    foreign = ingress("main", notes={"auth-type": "basic", "auth-secret": "other/users"})
    assert made.judge.secrets(review_of(theirs)) == frozenset()
    assert made.judge.secrets(review_of(foreign)) == frozenset()


def test_a_secret_is_never_quoted() -> None:
    locked = ingress("main", notes={"auth-type": "basic", "auth-secret": "users"})
    (users,) = views([secret("users", auth="alice:not-a-hash")])
    found = warned(world().verdict(locked, secrets={users.meta.ref: users}))
    assert found.startswith("auth-users-unusable: nginx.ingress.kubernetes.io/auth-secret: ")
    assert "alice" not in found


# --- what is brought upon others ---


def test_others_in_the_same_namespace_are_told_of_whole() -> None:
    now = ingress("main", created=OLDER)
    made = world(now, canary("c", notes={"canary-weight": "5"}, created=OLD))
    moved = ingress("main", host="other.example", created=OLDER)
    found = warned(made.verdict(moved, now))
    assert "canary-without-main: this object would bring it upon Ingress shop/c, spec.rules[0].http.paths[0]: " in found


def test_of_others_elsewhere_nothing_is_told_but_the_name() -> None:
    held = ingress("held", notes={"server-alias": "secret-alias.example"}, namespace="other", created=OLD)
    found = warned(world(held).verdict(ingress("new", host="secret-alias.example")))
    assert found == "host-name-taken: this object would bring it upon Ingress other/held"


def test_a_path_of_another_ingress_that_stops_compiling() -> None:
    literal = ingress("literal", ("/a(", "ImplementationSpecific", "v1"), namespace="other", created=OLD)
    found = denied(world(literal).verdict(ingress("regex", ("/b", "Prefix", "v1"), notes={"use-regex": "true"})))
    assert found == "path-regex-bad: this object would bring it upon Ingress other/literal"


def test_problems_of_others_that_were_there_are_not_the_candidates() -> None:
    broken = [ingress(f"i{n}", host=f"h{n}.example", notes={"limit-rps": "5"}, created=OLD) for n in range(3)]
    assert world(*broken).verdict(ingress("new", host="new.example")) == ALLOWED


def test_the_judge_leaves_everything_as_it_was() -> None:
    made = world(ingress("first", created=OLD))
    before = (made.store.revision, made.compiled, dict(made.compiled.memo.problems))
    made.verdict(ingress("second"))
    made.verdict(ingress("third", host="third.example"))
    assert (made.store.revision, made.compiled, dict(made.compiled.memo.problems)) == before
    assert made.store.snapshot().find(Ref("Ingress", "shop", "third")) is None


def test_a_dry_run_is_judged_alike() -> None:
    made = world(ingress("first", created=OLD))
    assert made.verdict(ingress("second"), dryRun=True) == made.verdict(ingress("second"))
