"""ConfigMaps that Ingresses and the controller's own one name: who reads them, and what a change of one compiles."""

from typing import Any

import pytest
from unit.compile.manifests import (
    Raw,
    check_pattern,
    codes,
    compile_objects,
    config_map,
    ingress,
    problem,
    route,
    views,
)

from serin.compile import header_maps
from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.concerned import concerned
from serin.compile.header_maps import MOST_LINES, for_clients
from serin.compile.options import Options
from serin.objects.store import Store
from serin.objects.views import ConfigMap
from serin.refs import Ref
from serin.routing.lines import HeaderLine

NAME = ("serin", "config")
OWN = Ref("ConfigMap", *NAME)
OPTIONS = Options(standalone=True, configmap=NAME)
CUSTOM = {"custom-headers": "more"}
ALLOWING = config_map(global_allowed_response_headers="X-More, x-OTHER")


def data_map(name: str, namespace: str = "shop", **data: str) -> Raw:
    """Keys with `_` for `-`."""
    texts = {key.replace("_", "-"): value for key, value in data.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": texts}


class World:
    """Objects put one after the other, compiled with the memo of before."""

    def __init__(self, *objects: Raw) -> None:
        self.store = Store()
        self.compiled: Compiled | None = None
        self.put(*objects)

    def put(self, *objects: Raw) -> Compiled:
        for view in views(objects):
            self.store.apply(view)
        return self._compile()

    def drop(self, ref: Ref) -> Compiled:
        self.store.delete(ref)
        return self._compile()

    def _compile(self) -> Compiled:
        self.compiled = compile_snapshot(self.store.snapshot(), OPTIONS, check_pattern, self.compiled)
        return self.compiled


def test_headers_of_a_config_map() -> None:
    compiled = compile_objects(
        ingress("main", notes=CUSTOM), ALLOWING, data_map("more", X_More="1", X_Other="$host"), configmap=NAME
    )
    assert route(compiled).policy.answer_headers == (HeaderLine("X-More", "1"), HeaderLine("X-Other", "$host"))
    assert compiled.reads == {OWN, Ref("ConfigMap", "shop", "more")}


@pytest.mark.parametrize(
    ("notes", "objects", "code"),
    [
        (CUSTOM, (ALLOWING,), "custom-headers-unusable"),
        (CUSTOM, (ALLOWING, data_map("more", X_More="1", X_Third="1")), "custom-headers-unusable"),
        (CUSTOM, (data_map("more", X_More="1"),), "custom-headers-unusable"),
        (CUSTOM, (ALLOWING, data_map("more", X_More="a\nb")), "custom-headers-unusable"),
        (CUSTOM, (ALLOWING, data_map("more", X_More="$no_such")), "custom-headers-unusable"),
        (CUSTOM, (ALLOWING, data_map("more", **{"X More": "1"})), "custom-headers-unusable"),
        (
            {"custom-headers": "other/more"},
            (ALLOWING, data_map("more", "other", X_More="1")),
            "custom-headers-namespace",
        ),
        ({"custom-headers": "a b"}, (ALLOWING,), "annotation-invalid"),
    ],
)
def test_headers_that_cannot_be_set_close_the_routes(
    notes: dict[str, str], objects: tuple[Raw, ...], code: str
) -> None:
    compiled = compile_objects(ingress("main", notes=notes), *objects, configmap=NAME)
    closed = route(compiled).policy.closed
    assert closed is not None
    assert (closed.status, closed.code) == (503, code)
    assert problem(compiled, code).source.field == "metadata.annotations[nginx.ingress.kubernetes.io/custom-headers]"


def test_a_config_map_that_comes_opens_the_hosts_that_wait_for_it() -> None:
    world = World(ingress("main", notes=CUSTOM), ingress("other", host="other.example"), ALLOWING)
    assert route(world.put()).policy.closed is not None
    after = world.put(data_map("more", X_More="1"))
    assert route(after).policy.answer_headers == (HeaderLine("X-More", "1"),)
    assert after.changes.hosts == {"shop.example.com"}
    assert route(world.put(data_map("more", X_More="2"))).policy.answer_headers == (HeaderLine("X-More", "2"),)
    assert route(world.drop(Ref("ConfigMap", "shop", "more"))).policy.closed is not None


def test_what_nobody_names_is_not_kept() -> None:
    world = World(ingress("main", notes=CUSTOM), ALLOWING, data_map("more", X_More="1"))
    after = world.drop(Ref("Ingress", "shop", "main"))
    assert after.reads == {OWN}
    assert not any((after.memo.config_maps, after.memo.config_map_readers))


def test_a_config_map_that_nobody_names_compiles_nothing() -> None:
    world = World(ingress("main", notes=CUSTOM), ALLOWING)
    before = world.put()
    after = world.put(data_map("unrelated", X_More="1"))
    assert after.plan.hosts is before.plan.hosts
    assert after.plan.globals is before.plan.globals


def test_it_is_read_once_for_all_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    read = header_maps.for_clients

    def for_clients(found: Any) -> header_maps.HeaderMap:
        calls.append(found)
        return read(found)

    monkeypatch.setattr(header_maps, "for_clients", for_clients)
    hosts = [ingress(f"i{n}", host=f"h{n}.example", notes=CUSTOM) for n in range(5)]
    compile_objects(*hosts, ALLOWING, data_map("more", X_More="1"), configmap=NAME)
    assert len(calls) == 1


def test_who_is_concerned() -> None:
    world = World(ingress("main", notes=CUSTOM), ingress("other"), ALLOWING)
    ref = Ref("ConfigMap", "shop", "more")
    assert concerned(world.put(data_map("more", X_More="1")), ref) == (Ref("Ingress", "shop", "main"),)


# --- headers for all hosts ---

BOTH_LISTS = config_map(proxy_set_headers="serin/to", add_headers="serin/from", hide_headers="X-Secret")


def test_headers_of_all_hosts() -> None:
    to = data_map("to", "serin", X_Host="$host", X_Gone="", X_Id="$http_x_id")
    compiled = compile_objects(BOTH_LISTS, to, data_map("from", "serin", X_Resp="yes"), configmap=NAME)
    lines = compiled.plan.globals.lines
    assert {line.name: line.value for line in lines.to_endpoints} == {
        "X-Host": "$host",
        "X-Gone": "",
        "X-Id": "$http_x_id",
    }
    assert lines.to_clients == (HeaderLine("X-Resp", "yes"),)
    assert lines.hidden == ("X-Secret",)
    assert compiled.reads == {OWN, Ref("ConfigMap", "serin", "to"), Ref("ConfigMap", "serin", "from")}


@pytest.mark.parametrize("name", ["Host", "host", "Content-Length", "transfer-encoding", "Connection", "TE", "a b", ""])
def test_names_that_nobody_may_set_are_told(name: str) -> None:
    to = data_map("to", "serin", X_Good="1")
    to["data"][name] = "x"
    compiled = compile_objects(config_map(proxy_set_headers="serin/to"), to, configmap=NAME)
    assert compiled.plan.globals.lines.to_endpoints == (HeaderLine("X-Good", "1"),)
    found = problem(compiled, "header-invalid")
    assert found.source.ref == Ref("ConfigMap", "serin", "to")
    assert found.severity == "error"


def test_a_list_that_is_not_there_is_told_on_the_line_that_names_it() -> None:
    compiled = compile_objects(BOTH_LISTS, data_map("from", "serin"), configmap=NAME)
    found = problem(compiled, "config-map-not-found")
    assert str(found.source) == "ConfigMap serin/config: data[proxy-set-headers]"


def test_a_change_of_headers_of_all_hosts_compiles_no_host() -> None:
    world = World(ingress("main"), BOTH_LISTS)
    before = world.put(data_map("to", "serin", X_A="1"), data_map("from", "serin"))
    after = world.put(data_map("to", "serin", X_A="2"))
    assert after.plan.hosts is before.plan.hosts
    assert after.plan.globals.lines.to_endpoints == (HeaderLine("X-A", "2"),)
    assert codes(after) == codes(before)


def test_a_header_twice_in_other_letters_is_set_once() -> None:
    found = header_maps.for_clients(views([data_map("m", **{"X-A": "1", "x-a": "2"})])[0])  # type: ignore[arg-type]
    assert found.lines == (HeaderLine("X-A", "1"),)
    assert [key for key, _ in found.faults] == ["x-a"]


def test_a_fault_of_ours_leaves_plain_options_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(found: Any) -> header_maps.HeaderMap:
        raise RuntimeError("boom")

    monkeypatch.setattr(header_maps, "for_endpoints", fail)
    told = config_map(proxy_set_headers="serin/to", hsts="false", block_cidrs="10.0.0.0/8")
    compiled = compile_objects(ingress("main"), told, data_map("to", "serin"), configmap=NAME)
    assert (compiled.plan.globals.hsts, compiled.plan.globals.blocks.cidrs) == ("", ("10.0.0.0/8",))
    found = problem(compiled, "internal-error")
    assert (found.source.ref, "boom" in found.text) == (OWN, True)
    assert route(compiled).policy.closed is None


def test_no_more_lines_are_read_than_every_request_can_bear() -> None:
    (view,) = views([data_map("more", **{f"X_{number:04}": "1" for number in range(300)})])
    assert isinstance(view, ConfigMap)
    found = for_clients(view)
    assert len(found.lines) == MOST_LINES
    assert [key for key, _ in found.faults] == [f"X-{MOST_LINES:04}"]
