"""What a CanaryRoute's rollout and splitBy put into the plan: from its status alone, and into splits alone."""

from dataclasses import replace
from typing import Any

import pytest
from unit.compile.manifests import (
    HOST,
    Raw,
    canary,
    canary_route,
    check_pattern,
    codes,
    compile_objects,
    ingress,
    problem,
    route,
    views,
)

from serin.compile import host as host_module
from serin.compile.canaries import main_ident
from serin.compile.canaryroute_runs import runs_of
from serin.compile.canaryroutes import version_ident
from serin.compile.compiler import Changes, Compiled, compile_snapshot
from serin.compile.options import Options
from serin.control.publish import same_documents
from serin.objects.canary_status import WHOLE, CanaryStatus, CheckStatus, PastRun, RunStatus
from serin.objects.store import Store
from serin.objects.views import CanaryRoute, View
from serin.refs import Ref
from serin.render.documents import host_document, read_host
from serin.rollout.standing import run_id, salts
from serin.routing.plan import Route, Split, SplitKind, Trial

SHOP = Ref("CanaryRoute", "shop", "shop")
NEW = version_ident(SHOP, "new")
STEPS: list[Raw] = [{"weight": "0%", "mirror": "10%"}, {"weight": "25%"}, {"weight": "100%"}]
VERSIONS = "main:v1=1 new:v2=0"
RULE: Raw = {"version": "new", "matches": [{"headers": [{"name": "X", "value": "1"}]}]}


def rolling(versions: str = VERSIONS, version: str = "new", **spec: Any) -> Raw:
    rollout = {"version": version, "steps": STEPS, **spec.pop("rollout", {})}
    return canary_route("shop", RULE, versions=versions, rollout=rollout, **spec)


def parsed(raw: Raw) -> CanaryRoute:
    (view,) = views([raw])
    assert isinstance(view, CanaryRoute)
    return view


def at(view: CanaryRoute, **run: Any) -> CanaryRoute:
    """The view with a status whose run is the one of its spec."""
    assert view.rollout is not None
    begun = RunStatus(run_id(view), view.rollout.version, started_at=1.0, judged_since=2.0, **run)
    return replace(view, status=CanaryStatus(run=begun))


class World:
    """Objects that are compiled again and again, each time from what was compiled before."""

    def __init__(self, *objects: View | Raw) -> None:
        self.store = Store()
        self.compiled: Compiled | None = None
        self.put(*objects)

    def put(self, *objects: View | Raw) -> Compiled:
        for thing in objects:
            for view in views([thing]) if isinstance(thing, dict) else (thing,):
                self.store.apply(view)
        options, before = Options(standalone=True), self.compiled
        self.compiled = compile_snapshot(self.store.snapshot(), options, check_pattern, before)
        assert self.compiled == compile_snapshot(self.store.snapshot(), options, check_pattern)
        assert "internal-error" not in codes(self.compiled)
        return self.compiled


def split_of(compiled: Compiled, found: Route | None = None) -> Split:
    return compiled.plan.splits[str((found or route(compiled)).split)]


def weights(split: Split) -> tuple[int, ...]:
    return (*(share.weight for share in split.shares), split.total)


def test_a_rollout_that_has_not_begun_gives_nothing() -> None:
    split = split_of(World(ingress("main"), parsed(rolling())).put())
    assert weights(split) == (1, 0, 1)
    assert (split.first, split.suspended, split.salts, split.trial) == (NEW, (), None, None)


def test_a_running_step_has_the_share_of_status_and_a_trial() -> None:
    view = at(parsed(rolling()), step=2, weight=25_000)
    split = split_of(World(ingress("main"), view).put())
    assert weights(split) == (3, 1, 4)
    assert (split.first, split.suspended, split.rest) == (NEW, (), False)
    assert split.trial is not None
    assert (len(split.trial.id), split.trial.place, split.trial.client_errors) == (16, 0, False)


def test_promoted_it_has_everything_and_taken_back_nothing_by_rules_neither() -> None:
    world = World(ingress("main"), parsed(rolling()))
    promoted = split_of(world.put(at(parsed(rolling()), step=3, weight=WHOLE, outcome="Promoted")))
    assert (weights(promoted), promoted.suspended, promoted.trial) == ((0, 1, 1), (), None)
    for outcome in ("RolledBack", "Aborted", "TimedOut"):
        compiled = world.put(at(parsed(rolling()), step=2, weight=0, outcome=outcome))
        split = split_of(compiled)
        assert (weights(split), split.suspended, split.trial) == ((1, 0, 1), (NEW,), None)
        assert route(compiled).match_rules


def test_steps_weights_and_a_rollback_change_no_document() -> None:
    world = World(ingress("main"), parsed(rolling()))
    before = world.put()
    for run in (
        {"step": 2, "weight": 25_000},
        {"step": 3, "weight": WHOLE},
        {"step": 3, "weight": WHOLE, "outcome": "Promoted"},
        {"step": 2, "weight": 0, "outcome": "RolledBack"},
    ):
        after = world.put(at(parsed(rolling()), **run))
        assert same_documents(before.plan, after.plan)
        assert after.changes == Changes(splits=frozenset({str(route(after).split)}))
        before = after


def test_what_is_only_written_down_changes_nothing_and_compiles_no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    view = at(parsed(rolling()), step=2, weight=25_000)
    assert view.status is not None
    assert view.status.run is not None
    world = World(ingress("main"), view)
    before = world.put()
    monkeypatch.setattr(host_module, "own_paths", lambda *_: pytest.fail("a host was compiled"))
    told = replace(view.status, message="x", checks=(CheckStatus("errors", "Pass", log_e=(1.0,)),))
    told = replace(told, run=replace(view.status.run, next_at=9.0, verdict="Pass", awaiting_since=3.0))
    later = replace(view, status=told, action="pause", generation=7, meta=replace(view.meta, version="next"))
    options = Options(standalone=True)
    world.store.apply(later)
    after = compile_snapshot(world.store.snapshot(), options, check_pattern, before)
    assert after.plan == before.plan
    assert after.changes == Changes()
    assert after.plan.splits is before.plan.splits


def test_the_trial_changes_with_the_end_of_the_warm_up_and_is_one_for_all_rules() -> None:
    mains = ingress("main", ("/a", "Prefix", "v1"), ("/b", "Prefix", "v1"))
    view = at(parsed(rolling()), step=2, weight=25_000)
    assert view.status is not None
    assert view.status.run is not None
    warm = replace(view, status=CanaryStatus(run=replace(view.status.run, judged_since=0.0)))
    found = {}
    for name, one in (("judged", view), ("warm", warm)):
        compiled = World(mains, one).put()
        trials = {split.trial for split in compiled.plan.splits.values()}
        assert len(trials) == 1
        found[name] = trials.pop()
    assert found["judged"] != found["warm"]
    assert None not in found.values()


def test_the_others_keep_their_proportions() -> None:
    three = "main:v1=2 other:v3=1 new:v2=0"
    split = split_of(World(ingress("main"), at(parsed(rolling(three)), step=2, weight=25_000)).put())
    assert weights(split) == (2, 1, 1, 4)
    split = split_of(World(ingress("main"), at(parsed(rolling(three)), step=2, weight=333)).put())
    assert weights(split) == (199_334, 99_667, 999, 300_000)


def test_home_can_roll_out_too() -> None:
    """After v2 was folded into the spec, the next release may be the Service that the Ingress names."""
    world = World(ingress("main"), parsed(rolling("main:v1=0 new:v2=1", "main")))
    assert weights(split_of(world.put())) == (0, 1, 1)
    split = split_of(world.put(at(parsed(rolling("main:v1=0 new:v2=1", "main")), step=2, weight=25_000)))
    assert (weights(split), split.first) == ((1, 3, 4), main_ident())
    split = split_of(world.put(at(parsed(rolling("main:v1=0 new:v2=1", "main")), outcome="RolledBack")))
    assert (weights(split), split.suspended) == ((0, 1, 1), (main_ident(),))


def test_a_new_revision_begins_at_nothing_and_is_not_suspended() -> None:
    failed = at(parsed(rolling(rollout={"revision": "1"})), weight=0, outcome="RolledBack")
    again = replace(parsed(rolling(rollout={"revision": "2"})), status=failed.status)
    split = split_of(World(ingress("main"), again).put())
    assert (weights(split), split.suspended) == ((1, 0, 1), ())


def test_without_rollout_the_weights_of_the_spec_hold() -> None:
    view = at(parsed(rolling()), step=2, weight=25_000)
    plain = replace(view, rollout=None, versions=parsed(canary_route(versions="main:v1=9 new:v2=1")).versions)
    split = split_of(World(ingress("main"), plain).put())
    assert (weights(split), split.first, split.trial) == ((9, 1, 10), "", None)


def test_a_slip_in_the_spec_does_not_bring_back_what_was_taken_back() -> None:
    slip = rolling(rollout={"steps": [{"weight": "ten"}]})
    assert parsed(slip).held == "new"
    failed = at(parsed(rolling()), weight=0, outcome="RolledBack").status
    split = split_of(World(ingress("main"), replace(parsed(slip), status=failed)).put())
    assert (weights(split), split.first, split.suspended) == ((1, 0, 1), NEW, (NEW,))
    running = at(parsed(rolling()), step=2, weight=25_000).status
    split = split_of(World(ingress("main"), replace(parsed(slip), status=running)).put())
    assert (weights(split), split.first, split.suspended) == ((1, 0, 1), "", ())


# --- copies for a preview ---


def test_a_step_with_a_mirror_copies_to_the_version_itself() -> None:
    notes = {"proxy-read-timeout": "3", "backend-protocol": "HTTPS"}
    world = World(ingress("main", notes=notes), parsed(rolling()))
    before = world.put()
    compiled = world.put(at(parsed(rolling()), step=1, weight=0, mirror=10_000))
    found = route(compiled)
    assert found.shadow is not None
    to = found.shadow.to
    assert (found.shadow.parts, to.pool, to.service, to.port) == (10_000, found.versions[1].pool, "v2", "80")
    assert (to.upstream.tls, to.upstream.read_timeout, to.upstream.send_timeout, to.upstream.tries) == (True, 3, 10, 1)
    copies, served = compiled.plan.splits[to.split], split_of(compiled)
    assert (weights(copies), copies.shape, served.trial) == (
        (100, 100),
        (to.ident,),
        replace(copies.trial or Trial(""), place=0),
    )
    assert copies.trial is not None
    assert copies.trial.place == 1
    assert not same_documents(before.plan, compiled.plan)
    assert read_host(host_document(compiled.plan.hosts[HOST])) == compiled.plan.hosts[HOST]
    over = world.put(at(parsed(rolling()), step=2, weight=25_000))
    assert route(over).shadow is None
    assert to.split not in over.plan.splits


def test_copies_of_two_paths_are_of_one_split() -> None:
    mains = ingress("main", ("/a", "Prefix", "v1"), ("/b", "Prefix", "v1"))
    other = ingress("other", ("/", "Prefix", "v1"), host="b.example")
    compiled = World(mains, other, at(parsed(rolling()), step=1, mirror=10_000)).put()
    shadows = [r.shadow for host in compiled.plan.hosts.values() for r in host.routes]
    assert len({shadow.to.split for shadow in shadows if shadow is not None}) == 1
    assert len(shadows) == 3


def test_what_was_taken_back_gets_no_copies() -> None:
    compiled = World(ingress("main"), at(parsed(rolling()), step=1, mirror=10_000, outcome="Aborted")).put()
    assert route(compiled).shadow is None


# --- users ---


@pytest.mark.parametrize(
    ("spec", "kind", "name", "ttl"),
    [
        ({"type": "Cookie", "name": "who", "ttl": "1h"}, SplitKind.COOKIE, "who", 3600),
        ({"type": "Cookie", "name": "who"}, SplitKind.COOKIE, "who", 86400),
        ({"type": "Header", "name": "X-User"}, SplitKind.HEADER, "X-User", 86400),
        ({"type": "ClientIP"}, SplitKind.CLIENT, "", 86400),
    ],
)
def test_split_by_is_on_the_route_and_its_salts_on_the_split(spec: Raw, kind: SplitKind, name: str, ttl: int) -> None:
    raw = rolling(splitBy=spec, rollout={"revision": "1"})
    compiled = World(ingress("main"), parsed(raw)).put()
    found = route(compiled).split_by
    assert found is not None
    assert (found.kind, found.name, found.ttl, found.source.field) == (kind, name, ttl, "spec.splitBy")
    assert split_of(compiled).salts == salts(parsed(raw))
    host = compiled.plan.hosts[HOST]
    assert read_host(host_document(host)) == host


def test_the_first_salt_is_of_the_revision_and_the_second_of_the_object() -> None:
    def of(revision: str) -> tuple[int, int]:
        raw = rolling(splitBy={"type": "ClientIP"}, rollout={"revision": revision})
        found = split_of(World(ingress("main"), parsed(raw)).put()).salts
        assert found is not None
        return found

    assert of("1")[0] != of("2")[0]
    assert of("1")[1] == of("2")[1]


def test_request_is_as_without_split_by() -> None:
    asked = World(ingress("main"), parsed(rolling(splitBy={"type": "Request"}))).put()
    assert asked.plan == World(ingress("main"), parsed(rolling())).put().plan


def test_an_affinity_cookie_of_the_same_name_counts_alone() -> None:
    def compiled(cookie: str) -> Compiled:
        notes = {"affinity": "cookie", "session-cookie-name": cookie}
        return World(ingress("main", notes=notes), parsed(rolling(splitBy={"type": "Cookie", "name": "who"}))).put()

    told = problem(compiled("who"), "canaryroute-split-by-affinity")
    assert (told.source.ref, told.source.field) == (SHOP, "spec.splitBy.name")
    assert "Ingress shop/main" in told.text
    assert (route(compiled("who")).split_by, split_of(compiled("who")).salts) == (None, None)
    assert route(compiled("whose")).split_by is not None
    assert "canaryroute-split-by-affinity" not in codes(compiled("whose"))


def test_an_affinity_cookie_before_a_rollout_is_told() -> None:
    notes = {"affinity": "cookie"}
    told = problem(World(ingress("main", notes=notes), parsed(rolling())).put(), "canaryroute-rollout-affinity")
    assert (told.severity, told.source.ref, told.source.field) == ("warning", SHOP, "spec.rollout")
    assert f"{HOST} / of Ingress shop/main" in told.text
    for fine in (World(ingress("main"), parsed(rolling())), World(ingress("main", notes=notes), canary_route())):
        assert "canaryroute-rollout-affinity" not in codes(fine.put())


def test_users_with_client_errors_are_noted_where_a_check_counts_these() -> None:
    def trial(statuses: list[str], split_by: Raw) -> Trial | None:
        check = {"name": "errors", "type": "Errors", "max": "5%", "statuses": statuses}
        view = parsed(rolling(rollout={"checks": [check]}, splitBy=split_by))
        return split_of(World(ingress("main"), at(view, step=2, weight=25_000)).put()).trial

    by_user = {"type": "ClientIP"}
    found = [
        trial(*case) for case in ((["4xx"], by_user), (["5xx", "404"], by_user), (["5xx"], by_user), (["4xx"], {}))
    ]
    assert [one.client_errors for one in found if one is not None] == [True, True, False, False]


def test_canary_ingresses_have_nothing_of_all_this() -> None:
    found = split_of(compile_objects(ingress("main"), canary("canary", notes={"canary-weight": "10"})))
    assert (found.first, found.suspended, found.salts, found.trial, found.rest) == ("", (), None, None, True)


# --- words ---


@pytest.mark.parametrize(
    ("run", "text", "taken_back"),
    [
        ({"step": 2, "steps": 3, "weight": 25_000}, "run of revision 1.8.2, step 2/3", ""),
        ({"step": 2, "steps": 3, "weight": 25_000, "paused": True}, "run of revision 1.8.2, step 2/3, paused", ""),
        ({"step": 3, "steps": 3, "outcome": "Promoted"}, "run of revision 1.8.2, promoted", ""),
        (
            {"step": 2, "steps": 3, "outcome": "RolledBack", "revision": "1.8.2"},
            "run of revision 1.8.2, taken back",
            "run of revision 1.8.2 ended as RolledBack: errors",
        ),
    ],
)
def test_a_run_in_words(run: dict[str, Any], text: str, taken_back: str) -> None:
    view = at(parsed(rolling(rollout={"revision": "1.8.2"})), **run)
    assert view.status is not None
    ident = view.status.run.run_id if view.status.run is not None else ""
    past = PastRun(ident, "new", "1.8.2", "RolledBack", "errors", 1.0, 2.0)
    view = replace(view, status=replace(view.status, history=(past,)))
    told = runs_of(World(ingress("main"), view).put())[SHOP]
    assert (told.version, told.text, told.taken_back) == ("new", text, taken_back)


def test_a_run_that_has_not_begun_and_none_at_all_in_words() -> None:
    assert (
        runs_of(World(ingress("main"), parsed(rolling())).put())[SHOP].text
        == "run without revision, which has not begun: there is no status here"
    )
    assert runs_of(World(ingress("main"), parsed(canary_route())).put()) == {}
