"""nginx.conf for a reader: which hosts, what is said of them, and whether nginx has the same."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from unit.compile.manifests import canary, compile_objects, endpoints, ingress, service
from unit.dataplane_parent.published_plan import HOST, Published

from serin.dataplane.nginx import settings_file, shown
from serin.dataplane.nginx.files import acted_on
from serin.errors import RunDirectoryError, UsageError
from serin.render.nginx.settings import LuaPaths, NginxSettings
from serin.render.nginx.stock import GENERAL
from serin.render.nginx.weights import Weights
from serin.routing.identity import content_digest
from serin.routing.plan import Endpoint, Globals, Host, Plan

PLAN = compile_objects(
    ingress("shop", host="shop.example", notes={"server-alias": "store.example"}),
    ingress("wild", host="*.wild.example"),
    ingress("any", host=""),
    canary("next", host="shop.example", notes={"canary-weight": "10"}),
    *(service(name) for name in ("v1", "v2")),
    endpoints("v1", "10.0.0.1"),
    plane="nginx",
).plan


class Renderer:
    """A line for each thing, so that a test sees what it was given."""

    def host(self, host: Host, globals_: Globals, weights: Weights | None) -> str:
        assert weights is not None
        drawn = [s.weight for r in host.routes if r.split for s in weights.splits[r.split].shares]
        return f"# weights {drawn}\nserver {host.name or '_'};\n"

    def include(self, host: Host, file: str) -> object:
        return file

    def main(self, globals_: Globals, hosts: Sequence[object], certified: Mapping[str, str], digest: str) -> str:
        return "main;\n" + "".join(f"include {file};\n" for file in hosts)


@pytest.fixture
def published(tmp_path: Path) -> Iterator[Published]:
    made = Published(tmp_path)
    made.pool(Endpoint("127.0.0.1", 1))
    made.plan("/a")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("shop.example", "shop.example"),
        ("SHOP.example.", "shop.example"),
        ("store.example", "shop.example"),
        ("x.wild.example", "*.wild.example"),
        ("*.wild.example", "*.wild.example"),
        ("_", ""),
    ],
)
def test_a_host_by_any_name_that_it_answers_to(wanted: str, name: str) -> None:
    (host,) = shown.from_plan(PLAN, wanted).hosts
    assert host.name == name


@pytest.mark.parametrize("wanted", ["shp.example", "a.b.wild.example", "nothing"])
def test_an_unknown_host_is_refused_with_what_is_near(wanted: str) -> None:
    """That the host for any name would take it does not help a reader who has mistyped."""
    with pytest.raises(UsageError, match=f"--host {wanted}: no host has this name") as refused:
        shown.from_plan(PLAN, wanted)
    assert ("did you mean shop.example" in str(refused.value)) == (wanted == "shp.example")


def test_without_a_host_for_any_name_there_is_none() -> None:
    plan = Plan({}, {}, {}, {}, {})
    with pytest.raises(UsageError, match="0 are known"):
        shown.from_plan(plan, "_")


def test_the_whole_is_the_main_file_and_each_host() -> None:
    text = shown.text(shown.from_plan(PLAN, None), Renderer(), whole=True, head=("said\nfirst",))
    assert text.startswith("# said first\nmain;\n")
    assert [line for line in text.splitlines() if line.startswith("server")] == [
        "server _;",
        "server *.wild.example;",
        "server shop.example;",
    ]
    files = [line.split()[1].rstrip(";") for line in text.splitlines() if line.startswith("include ")]
    assert [f"# --- {file}" in text for file in files] == [True] * 3


def test_a_host_comes_without_the_main_file_and_with_its_weights() -> None:
    text = shown.text(shown.from_plan(PLAN, "store.example"), Renderer(), whole=False)
    assert "main;" not in text
    assert "# weights [90, 10]" in text


def test_a_host_that_cannot_be_rendered_is_shown_closed() -> None:
    class Fails(Renderer):
        def host(self, host: Host, globals_: Globals, weights: Weights | None) -> str:
            if any(r.policy.closed is None for r in host.routes):
                raise ValueError("too\nlong")
            return "server closed;\n"

    text = shown.text(shown.from_plan(PLAN, "shop.example"), Fails(), whole=False)
    assert "# not rendered: ValueError('too\\nlong')\n# All requests for this host get 503.\nserver closed;" in text


def test_what_is_lost_without_lua_is_said() -> None:
    lost = shown.losses(shown.from_plan(PLAN, None))
    assert set(lost) >= set(GENERAL)


def test_the_plan_and_the_weights_of_a_run_directory(published: Published, tmp_path: Path) -> None:
    found = shown.from_run_dir(tmp_path, HOST)
    assert [host.name for host in found.hosts] == [HOST]
    assert found.given is None, "no nginx was ever here"
    text = shown.text(found, Renderer(), whole=False)
    assert "# weights [100, 100]" in text
    assert f"of the plan in {tmp_path}" in text
    assert shown.from_run_dir(tmp_path, None).hosts == found.hosts
    with pytest.raises(UsageError, match="did you mean shop"):
        shown.from_run_dir(tmp_path, "shop.exampl")


def test_whether_nginx_has_it(published: Published, tmp_path: Path) -> None:
    """Comments do not count: the weights are in them, which are elsewhere when nginx draws them itself."""
    text = f"# other weights\nserver {HOST};\n"
    name = content_digest(text.encode())
    hosts = tmp_path / "state" / "nginx" / "hosts"
    hosts.mkdir(parents=True)
    (hosts / f"{name}.conf").write_text(text)
    (hosts.parent / "nginx.conf").write_text(f"http {{\ninclude hosts/{name}.conf;\n}}\n")
    found = shown.from_run_dir(tmp_path, HOST)
    assert found.given == {acted_on(text): name}
    assert f"# --- hosts/{name}.conf: as nginx has it\n" in shown.text(found, Renderer(), whole=False)
    other = dataclasses.replace(found, given={})
    assert "nginx has another one" in shown.text(other, Renderer(), whole=False)


def test_objects_in_quarantine_are_named_and_cannot_break_out(published: Published, tmp_path: Path) -> None:
    one = {"kind": "Ingress", "namespace": "prod", "name": "shop", "host": HOST, "error": "no\n}\nevil;", "since": 1}
    other = one | {"host": "other.example", "name": "elsewhere"}
    (tmp_path / "state" / "quarantine.json").write_text(json.dumps({"version": 1, "objects": [one, other]}))
    text = shown.text(shown.from_run_dir(tmp_path, HOST), Renderer(), whole=False)
    assert f"# in quarantine: Ingress prod/shop on {HOST}: no }} evil;\n" in text
    assert "elsewhere" not in text


def test_weights_that_cannot_be_read_are_said(published: Published, tmp_path: Path) -> None:
    (tmp_path / "plan" / "pools.bin").write_bytes(b"x" * 4096)
    found = shown.from_run_dir(tmp_path, HOST)
    assert found.weights == Weights({}, {})
    assert any(note.startswith("no weights: ") for note in found.notes)


def test_a_run_directory_without_a_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="has no plan"):
        shown.from_run_dir(tmp_path, None)


@pytest.mark.parametrize("lua", [None, LuaPaths("/l/?.lua", "/libserin.so")])
def test_settings_are_read_back(lua: LuaPaths | None, tmp_path: Path) -> None:
    settings = NginxSettings("/r", str(tmp_path), ("127.0.0.1:80",), (), "/s", lua, ("/m.so",), temp="/t")
    settings_file.save(settings)
    assert settings_file.load(tmp_path) == settings


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"lua": null, "unheard": 1}', '{"lua": []}'])
def test_settings_of_another_version_are_none(text: str, tmp_path: Path) -> None:
    (tmp_path / settings_file.NAME).write_text(text)
    assert settings_file.load(tmp_path) is None
    assert settings_file.load(tmp_path / "absent") is None
