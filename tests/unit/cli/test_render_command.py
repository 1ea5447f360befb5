"""serin render: over files, over a run directory, with and without nginx on the machine."""

import pathlib
from collections.abc import Iterator

import pytest
from golden.certificates import make_pair, tls_secret
from harness.manifests import canary, endpoint_slice, ingress, put, service
from unit.dataplane_parent.published_plan import HOST as PUBLISHED_HOST
from unit.dataplane_parent.published_plan import Published

from serin.cli import main
from serin.dataplane.nginx import settings_file
from serin.render.nginx.settings import NginxSettings
from serin.routing.plan import Endpoint

HOST = "shop.example"


@pytest.fixture
def manifests(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "manifests"
    folder.mkdir()
    for name, address in (("main", "127.0.0.1"), ("next", "127.0.0.2")):
        put(folder / f"{name}-service.yaml", service(name), endpoint_slice(name, [address]))
    put(folder / "main.yaml", ingress("main", HOST, "main"))
    put(folder / "canary.yaml", canary("canary", HOST, "next", weight="10", by_header="Region", by_header_value="cd"))
    put(folder / "other.yaml", ingress("other", "other.example", "main"))
    return folder


@pytest.fixture(autouse=True)
def no_nginx(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """What is rendered must not depend on the machine."""
    monkeypatch.setenv("SERIN_NGINX", str(tmp_path / "nowhere"))


@pytest.fixture
def run_dir(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    path = tmp_path / "run"
    published = Published(path)
    published.pool(Endpoint("127.0.0.9", 1))
    published.plan()
    yield path
    published.close()


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["render", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["render", *map(str, arguments)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    return told.err


def test_one_host_with_its_weights_and_where_they_come_from(
    manifests: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, manifests, "--host", HOST)
    assert text.startswith("# by `serin render`, with nginx's Lua module, which is taken to be there")
    assert f'server_name "{HOST}";' in text
    assert "other.example" not in text
    assert "Ingress drills/canary" in text
    assert any("90 %" in line and line.lstrip().startswith("#") for line in text.splitlines())
    assert any("10 %" in line and line.lstrip().startswith("#") for line in text.splitlines())
    assert "127.0.0.2" not in text, "endpoints are in shared memory"


def test_all_of_it_begins_with_the_main_file(manifests: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, manifests)
    assert text.index("http {") < text.index(f'server_name "{HOST}";')
    assert 'server_name "other.example";' in text


def test_without_lua_weights_and_endpoints_are_nginxs_own(
    manifests: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(capsys, manifests, "--host", HOST, "--nginx-lua", "off")
    assert "without nginx's Lua module" in text.splitlines()[0]
    assert "split_clients" in text
    assert "127.0.0.2" in text
    assert "by_lua" not in text


def test_no_secret_is_in_it(manifests: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    tls = tls_secret("drills", "cert", "tls.example")
    users = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "users", "namespace": "drills"}}
    put(manifests / "secrets.yaml", tls, users | {"stringData": {"auth": "alice:{PLAIN}opensesame"}})
    trust = users | {"metadata": {"name": "trust", "namespace": "drills"}}
    certificate, key = (text.decode() for text in make_pair("us.example"))
    data = {"ca.crt": certificate, "tls.crt": certificate, "tls.key": key}
    put(manifests / "trust.yaml", trust | {"stringData": data})
    notes = {"auth_type": "basic", "auth_secret": "users", "backend_protocol": "HTTPS", "proxy_ssl_secret": "trust"}
    made = ingress("locked", "tls.example", "main", auth_tls_secret="trust", **notes)
    made["spec"]["tls"] = [{"hosts": ["tls.example"], "secretName": "cert"}]
    put(manifests / "locked.yaml", made)
    text = shown(capsys, manifests)
    assert "tls.example" in text
    assert "ssl_verify_client on;" in text
    assert "proxy_ssl_certificate " in text
    for hidden in ("opensesame", "alice", "BEGIN", "PRIVATE"):
        assert hidden not in text


def test_a_run_directory_needs_nothing_else(run_dir: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--run-dir", run_dir, "--host", PUBLISHED_HOST)
    assert f'server_name "{PUBLISHED_HOST}";' in text
    assert "of the plan in" in text
    assert "100 %" in text


def test_a_run_directory_is_shown_with_its_data_planes_settings(
    run_dir: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = run_dir / "state" / "nginx"
    prefix.mkdir(parents=True)
    settings_file.save(NginxSettings(str(run_dir), str(prefix), ("127.0.0.1:8123",), (), "/s", None))
    text = shown(capsys, "--run-dir", run_dir)
    assert "listen 127.0.0.1:8123" in text
    assert "server 127.0.0.9:1" in text


def test_what_is_wrong_is_one_line(
    manifests: pathlib.Path, run_dir: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no host has this name; did you mean shop.example" in refused(capsys, manifests, "--host", "shp.example")
    assert "expected one of them" in refused(capsys, manifests, "--run-dir", run_dir)
    assert "has no plan" in refused(capsys, "--run-dir", manifests)
    assert "or --run-dir DIR" in refused(capsys)
