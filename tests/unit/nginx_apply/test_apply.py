"""From a plan on disk to files in force: what changed and no more, and never at the cost of what was there."""

import datetime as dt
import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.nginx_apply.stand_in import Oracle, bench, plan, ref, route

from serin.dataplane.certificate import default_certificate
from serin.dataplane.nginx import files as files_module
from serin.dataplane.nginx.apply import ConfigurationRefusedError
from serin.dataplane.nginx.certificates import link_name
from serin.dataplane.nginx.testing import TestResult
from serin.errors import CorruptFileError
from serin.routing.identity import content_digest
from serin.routing.plan import Certificate, Globals, Host


def simple(name: str, *paths: str) -> Host:
    return Host(
        name, tuple(route(name, path, f"{name.partition('.')[0]}-{i}") for i, path in enumerate(paths or ("/",)))
    )


def quarantine(run: Path) -> list[tuple[str, str, str]]:
    found = json.loads((run / "state" / "quarantine.json").read_bytes())
    assert found["version"] == 1
    return [(o["kind"], f"{o['namespace']}/{o['name']}", o["host"]) for o in found["objects"]]


def test_the_first_plan_is_rendered_tested_and_put(tmp_path: Path) -> None:
    nginx = Oracle()
    it = bench(tmp_path, nginx)
    it.publish(simple("a.example"), simple("b.example"))
    applied = it.applier.apply()
    assert (applied.hosts, applied.changed, applied.tests, applied.reload_needed) == (2, 2, 1, True)
    assert applied.quarantined == ()
    assert nginx.tests == [2]
    assert f"return 200 {applied.digest};" in it.main
    assert it.host("a.example")
    assert quarantine(it.run_dir.path) == []


def test_a_change_costs_one_host(tmp_path: Path) -> None:
    nginx = Oracle()
    it = bench(tmp_path, nginx)
    hosts = [simple(f"h{i}.example") for i in range(50)]
    it.publish(*hosts)
    first = it.applier.apply()
    it.applier.confirmed(first.digest)
    it.renderer.hosts.clear()
    nginx.tests.clear()
    it.publish(*hosts[1:], simple("h0.example", "/new"))
    applied = it.applier.apply()
    assert it.renderer.hosts == ["h0.example"]
    assert nginx.tests == [1]
    assert (applied.changed, applied.reload_needed) == (1, True)
    assert applied.digest != first.digest


def test_nothing_new_needs_no_test_and_no_reload(tmp_path: Path) -> None:
    nginx = Oracle()
    it = bench(tmp_path, nginx)
    it.publish(simple("a.example"))
    first = it.applier.apply()
    it.applier.confirmed(first.digest)
    again = it.applier.apply()
    assert (again.digest, again.tests, again.reload_needed) == (first.digest, 0, False)
    assert len(nginx.tests) == 1


def test_comments_need_no_reload(tmp_path: Path) -> None:
    it = bench(tmp_path, Oracle())
    it.publish(simple("a.example"))
    first = it.applier.apply()
    it.applier.confirmed(first.digest)
    it.renderer.comment = "said otherwise"
    it.publish(simple("a.example"), settings=Globals(https_port=8443))
    applied = it.applier.apply()
    assert "said otherwise" in it.host("a.example")
    assert (applied.digest, applied.reload_needed) == (first.digest, False)


def test_a_host_that_goes_needs_a_reload(tmp_path: Path) -> None:
    it = bench(tmp_path, Oracle())
    it.publish(simple("a.example"), simple("b.example"))
    it.applier.confirmed(it.applier.apply().digest)
    it.publish(simple("a.example"))
    applied = it.applier.apply()
    assert (applied.hosts, applied.changed, applied.reload_needed) == (1, 0, True)


def test_an_alias_that_is_anothers_name_is_not_rendered(tmp_path: Path) -> None:
    it = bench(tmp_path, Oracle())
    it.publish(Host("a.example", simple("a.example").routes, aliases=("b.example", "c.example")), simple("b.example"))
    it.applier.apply()
    assert 'server_name "c.example"' in it.host("a.example")
    assert 'server_name "b.example"' not in it.host("a.example")


def test_a_document_that_cannot_be_read_leaves_the_file_before(tmp_path: Path) -> None:
    it = bench(tmp_path, Oracle())
    it.publish(simple("a.example", "/old"))
    it.applier.apply()
    it.publish(simple("a.example", "/new"), simple("b.example"))
    index = it.run_dir.read_index()
    whole = {name: it.run_dir.plan / "hosts" / f"{index.hosts[name]}.json" for name in index.hosts}
    documents = {name: path.read_bytes() for name, path in whole.items()}
    for path in whole.values():
        path.write_bytes(b"{}")
    applied = it.applier.apply()
    assert applied.again
    assert '"/old"' in it.host("a.example")
    assert "return 503" in it.host("b.example")
    for name, path in whole.items():
        path.write_bytes(documents[name])
    applied = it.applier.apply()
    assert not applied.again
    assert '"/new"' in it.host("a.example")
    assert "return 200" in it.host("b.example")


def test_without_an_index_nothing_is_touched(tmp_path: Path) -> None:
    it = bench(tmp_path, Oracle())
    with pytest.raises(CorruptFileError):
        it.applier.apply()
    assert not (it.prefix / "nginx.conf").exists()


def test_a_refused_base_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nginx = Oracle()
    it = bench(tmp_path, nginx)
    it.publish(simple("a.example"))
    it.applier.apply()
    before = it.main
    nginx.bad = {"https_bad"}
    it.renderer.base = "https_bad;"
    it.publish(simple("a.example", "/new"))
    with pytest.raises(ConfigurationRefusedError, match="refused https_bad"):
        it.applier.apply()
    assert it.main == before
    nginx.bad = set()
    assert it.applier.apply().changed == 1
    monkeypatch.setattr(it.renderer, "main", None)
    with pytest.raises(ConfigurationRefusedError, match="not rendered"):
        it.applier.apply()


@pytest.mark.parametrize("named", [True, False])
def test_guilty_objects_are_closed_and_all_else_goes_live(tmp_path: Path, *, named: bool) -> None:
    nginx = Oracle('"/bad1"', '"/bad2"', named=named)
    it = bench(tmp_path, nginx)
    hosts = [simple(f"h{i:03}.example", "/a", "/b", "/c") for i in range(100)]
    hosts[17] = simple("h017.example", "/a", "/bad1", "/c", "/bad2")
    hosts[80] = simple("h080.example", "/bad1")
    it.publish(*hosts)
    applied = it.applier.apply()
    assert [(q.ref, q.host, q.error) for q in applied.quarantined] == [
        (ref("h017-1"), "h017.example", 'refused "/bad1"'),
        (ref("h017-3"), "h017.example", 'refused "/bad2"'),
        (ref("h080-0"), "h080.example", 'refused "/bad1"'),
    ]
    assert quarantine(it.run_dir.path) == [
        ("Ingress", "default/h017-1", "h017.example"),
        ("Ingress", "default/h017-3", "h017.example"),
        ("Ingress", "default/h080-0", "h080.example"),
    ]
    assert applied.hosts == 100
    assert it.host("h017.example").count("return 200") == 2
    assert it.host("h003.example").count("return 200") == 3
    assert applied.tests < 70
    # In quarantine it stays without further tests, until its document changes.
    nginx.tests.clear()
    assert it.applier.apply().quarantined == applied.quarantined
    assert nginx.tests == []
    hosts[80] = simple("h080.example", "/good")
    it.publish(*hosts)
    applied = it.applier.apply()
    assert [q.host for q in applied.quarantined] == ["h017.example"] * 2
    assert nginx.tests == [1]


def test_routes_are_closed_where_that_is_enough_and_left_out_where_not(tmp_path: Path) -> None:
    nginx = Oracle("return 200;\n        poison", '"/badpath"')
    it = bench(tmp_path, nginx)
    host = simple("a.example", "/ok", "/poisoned", "/badpath")
    poisoned = replace(host.routes[1], policy=replace(host.routes[1].policy, forwarded_prefix="poison"))
    it.publish(replace(host, routes=(host.routes[0], poisoned, host.routes[2])))
    applied = it.applier.apply()
    assert [q.ref for q in applied.quarantined] == [ref("a-1"), ref("a-2")]
    text = it.host("a.example")
    assert '"/poisoned" {\n        return 503' in text
    assert '"/badpath"' not in text
    assert '"/ok" {\n        return 200' in text


def test_a_host_that_is_refused_without_any_object_is_not_there(tmp_path: Path) -> None:
    it = bench(tmp_path, Oracle('server_name "bad.example"'))
    it.publish(simple("bad.example"), simple("good.example"))
    applied = it.applier.apply()
    assert [(q.ref, q.host) for q in applied.quarantined] == [(ref("bad-0"), "bad.example")]
    assert applied.hosts == 1
    assert it.applier.apply().quarantined == applied.quarantined
    it.publish(simple("good.example"))
    assert it.applier.apply().quarantined == ()


def test_a_host_that_cannot_be_rendered_is_closed_object_by_object(tmp_path: Path) -> None:
    it = bench(tmp_path, Oracle())
    it.renderer.broken = "/broken"
    it.publish(simple("a.example", "/fine", "/broken"), simple("b.example"))
    applied = it.applier.apply()
    assert [(q.ref, q.host) for q in applied.quarantined] == [(ref("a-1"), "a.example")]
    assert "a fault of the template" in applied.quarantined[0].error
    assert '"/fine"' in it.host("a.example")
    assert it.host("b.example")


def test_hosts_that_clash_cost_the_later_one(tmp_path: Path) -> None:
    class Clash(Oracle):
        def __call__(self, main: Path) -> TestResult:
            text = main.read_text()
            found = super().__call__(main)
            told = [p.read_text() for p in (main.parent / "hosts").glob("*.conf") if p.stem in text]
            clash = sum('"/shared"' in said for said in told) > 1
            return TestResult("duplicate") if clash else found

    it = bench(tmp_path, Clash())
    it.publish(simple("a.example", "/shared"), simple("b.example", "/shared", "/own"), simple("c.example"))
    applied = it.applier.apply()
    assert [(q.ref, q.host) for q in applied.quarantined] == [(ref("b-0"), "b.example")]
    assert '"/own"' in it.host("b.example")


def test_since_is_the_first_time_also_over_a_restart(tmp_path: Path) -> None:
    nginx = Oracle('"/bad"')
    it = bench(tmp_path, nginx)
    it.publish(simple("a.example", "/bad"))
    it.applier.apply()
    it.clock[0] = 50.0
    it.publish(simple("a.example", "/bad", "/more"))
    assert [q.since for q in it.applier.apply().quarantined] == [1000]
    successor = bench(tmp_path, nginx, made=it.run_dir)
    successor.clock[0] = 99.0
    assert [q.since for q in successor.applier.apply().quarantined] == [1000]
    nginx.bad = set()
    third = bench(tmp_path, nginx, made=it.run_dir)
    assert third.applier.apply().quarantined == ()  # a later nginx accepts it


def test_a_full_disk_leaves_what_is_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    it = bench(tmp_path, Oracle())
    it.publish(simple("a.example"))
    first = it.applier.apply()
    it.applier.confirmed(first.digest)
    before = {p: p.read_bytes() for p in it.prefix.rglob("*.conf") if p.name != "test.conf"}
    it.publish(simple("a.example", "/new"), simple("b.example"))
    writes = os.open

    for allowed in range(3):
        left = [allowed]

        def full(path: object, flags: int, *args: int, left: list[int] = left, **more: int) -> int:
            if flags & os.O_CREAT and "state" in str(path):
                if left[0] == 0:
                    raise OSError(errno.ENOSPC, "No space left on device")
                left[0] -= 1
            return writes(path, flags, *args, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "open", full)
        with pytest.raises(OSError, match="No space left"):
            it.applier.apply()
        monkeypatch.undo()
        assert {p: p.read_bytes() for p in before} == before
    applied = it.applier.apply()
    assert (applied.hosts, applied.reload_needed) == (2, True)
    assert it.host("b.example")


def test_the_last_good_file_and_its_hosts_are_kept(tmp_path: Path) -> None:
    it = bench(tmp_path, Oracle())
    it.publish(simple("a.example", "/first"))
    first = it.applier.apply()
    it.applier.confirmed(first.digest)
    good = it.main
    it.clock[0] += 2 * files_module.KEPT_SECONDS
    it.publish(simple("a.example", "/second"))
    second = it.applier.apply()
    for _ in range(3):
        it.applier.confirmed(first.digest)  # the running one still is the first
        it.clock[0] += files_module.KEPT_SECONDS
        it.applier.apply()
    assert (it.prefix / "good.conf").read_text() == good
    assert it.applier.restore()
    assert it.main == good
    assert '"/first"' in it.host("a.example")
    applied = it.applier.apply()
    assert applied.digest == second.digest
    it.applier.confirmed(second.digest)
    it.applier.apply()
    it.clock[0] += 2 * files_module.KEPT_SECONDS
    it.applier.apply()
    assert [p.read_text().count('"/first"') for p in (it.prefix / "hosts").iterdir()] == [0]


def test_a_new_name_with_a_certificate_is_tested_and_a_gone_one_forgotten(tmp_path: Path) -> None:
    pem = default_certificate(dt.datetime.now(dt.UTC))
    made = Certificate(content_digest(pem), pem)
    nginx = Oracle()
    it = bench(tmp_path, nginx)
    link = it.prefix / "certificates" / link_name("a.example")

    def publish(*certificates: Certificate) -> None:
        host = replace(simple("a.example"), certificate=certificates[0].digest if certificates else None)
        found = {c.digest: c for c in certificates}
        assert it.run_dir.publish(replace(plan(host), certificates=found)) == {}

    publish()
    it.applier.confirmed(it.applier.apply().digest)
    nginx.tests.clear()
    publish(made)
    applied = it.applier.apply()
    assert (applied.tests, applied.reload_needed) == (1, True)
    assert link.read_bytes() == pem
    publish()
    applied = it.applier.apply()
    assert link.is_symlink(), "nginx asks for it until it is reloaded"
    it.applier.confirmed(applied.digest)
    assert not link.is_symlink()


def test_files_of_plans_that_are_never_in_force_go(tmp_path: Path) -> None:
    nginx = Oracle()
    it = bench(tmp_path, nginx)
    it.publish(simple("a.example", "/first"), simple("b.example"))
    it.applier.confirmed(it.applier.apply().digest)
    nginx.bad, it.renderer.base = {"https_bad"}, "https_bad;"
    for number in range(20):
        it.clock[0] += files_module.KEPT_SECONDS
        it.publish(simple("a.example", f"/{number}"), simple("b.example"))
        with pytest.raises(ConfigurationRefusedError):
            it.applier.apply()
    assert len(list((it.prefix / "hosts").iterdir())) <= 4
    assert '"/first"' in it.host("a.example")
    nginx.bad = set()
    it.publish(simple("a.example", "/first"), simple("b.example"))
    it.applier.apply()
    assert '"/first"' in it.host("a.example")
    assert it.host("b.example")


def test_a_successor_trusts_what_the_running_nginx_confirmed(tmp_path: Path) -> None:
    nginx = Oracle()
    it = bench(tmp_path, nginx)
    it.publish(simple("a.example"), simple("b.example"))
    first = it.applier.apply()
    it.applier.confirmed(first.digest)
    successor = bench(tmp_path, nginx, made=it.run_dir)
    successor.applier.confirmed(first.digest)
    nginx.tests.clear()
    applied = successor.applier.apply()
    assert (applied.digest, applied.reload_needed, applied.changed) == (first.digest, False, 0)
    assert nginx.tests == [0]


def test_everything_is_tested_when_it_is_asked_for(tmp_path: Path) -> None:
    nginx = Oracle()
    it = bench(tmp_path, nginx)
    it.publish(simple("a.example"), simple("b.example", "/late"), simple("c.example"))
    it.applier.apply()
    nginx.bad = {'"/late"'}  # a quick test did not see it
    applied = it.applier.apply(full=True)
    assert [q.host for q in applied.quarantined] == ["b.example"]
    assert 3 in nginx.tests


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=1, max_size=12), st.booleans())
def test_any_set_of_guilty_objects_is_found_exactly(
    tmp_path_factory: pytest.TempPathFactory, shape: list[list[bool]], named: bool
) -> None:
    nginx = Oracle('"/bad', named=named)
    it = bench(tmp_path_factory.mktemp("guilty"), nginx)
    hosts = [
        simple(f"h{i}.example", *(f"/{'bad' if guilty else 'ok'}{n}" for n, guilty in enumerate(host)))
        for i, host in enumerate(shape)
    ]
    it.publish(*hosts)
    applied = it.applier.apply()
    assert {q.ref.name for q in applied.quarantined} == {
        f"h{i}-{n}" for i, host in enumerate(shape) for n, guilty in enumerate(host) if guilty
    }
    assert applied.hosts == len(shape)
    for i, host in enumerate(shape):
        assert it.host(f"h{i}.example").count("return 200") == host.count(False)
    assert it.applier.apply(full=True).digest == applied.digest


def test_a_refused_host_is_tried_again_after_a_while(tmp_path: Path) -> None:
    nginx = Oracle('"/bad"')
    it = bench(tmp_path, nginx)
    it.publish(simple("a.example", "/bad"), simple("b.example"))
    assert len(it.applier.apply().quarantined) == 1
    nginx.bad = set()  # what was wrong was not the host
    assert len(it.applier.apply().quarantined) == 1
    it.clock[0] += 600.0
    assert it.applier.apply().quarantined == ()
    assert it.host("a.example").count("return 200") == 1
