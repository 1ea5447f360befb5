"""`serin lint` beyond problems: notes, pages of codes, the report for a move, from files and from a cluster."""

import asyncio
import json
import pathlib
from typing import Any

import pytest
from aiohttp import web
from harness.fake_server import FakeServer
from harness.manifests import endpoint_slice, ingress, put, service

from serin.cli import main

HOST = "shop.example"
CONTROLLER = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "ingress-nginx-controller", "namespace": "ingress"},
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {
                        "image": "registry.example/ingress-nginx/controller:v1.15.1",
                        "args": [
                            "/nginx-ingress-controller",
                            "--configmap=$(POD_NAMESPACE)/options",
                            "--sync-rate-limit=0.3",
                        ],
                    }
                ]
            }
        }
    },
}
OPTIONS = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "options", "namespace": "ingress"},
    "data": {"proxy-body-size": "8m"},
}
SHOP = (
    service("main"),
    endpoint_slice("main", ["10.0.0.1"]),
    ingress("main", HOST, "main", path="/shop", rewrite_target="/"),
)


@pytest.fixture
def shop(tmp_path: pathlib.Path) -> str:
    put(tmp_path / "shop.yaml", *SHOP, CONTROLLER, OPTIONS)
    return str(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *line: str) -> tuple[int, str]:
    code = main(["lint", *line])
    shown = capsys.readouterr()
    return code, shown.out + shown.err


def test_notes_have_an_example_and_do_not_fail(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, shop)
    assert code == 0
    assert "info rewrite-drops-rest Ingress drills/main" in text
    assert f"  GET http://{HOST}/shop/some/page: main, which gets /" in text
    assert "0 errors, 0 warnings, 2 notes" in text


def test_notes_can_be_left_out(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, shop, "--quiet") == (0, "0 errors, 0 warnings\n")


def test_notes_in_json(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, shop, "--json")[1])
    assert {entry["severity"] for entry in found} == {"info"}
    assert all({"request", "serin", "ingressNginx"} <= entry.keys() for entry in found)


def test_a_code_is_explained_without_files(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "--explain", "canary-without-main")
    assert code == 0
    assert text == pathlib.Path(__file__).parents[3].joinpath("docs/problems/canary-without-main.md").read_text()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--explain canary-without-mian", "did you mean canary-without-main?"),
        ("x --format json", "belongs to --from"),
        ("x --args y", "belongs to --from"),
        ("--from ingress-nginx", "expected files or folders"),
        ("--from traefik x", "invalid choice"),
        ("x --from ingress-nginx --json --format text", "exclude each other"),
    ],
)
def test_a_wrong_line_is_two(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code, text = run(capsys, *line.split())
    except SystemExit as stop:
        code, text = int(str(stop.code)), capsys.readouterr().err
    assert code == 2
    assert said in text


def check_report(report: dict[str, Any]) -> None:
    assert [one["name"] for one in report["ingresses"]] == ["main"]
    assert [one["name"] for one in report["configMaps"]] == ["options"]
    assert [line["name"] for line in report["flags"]["lines"]] == ["--configmap", "--sync-rate-limit"]
    assert report["totals"]["nginx"]["options"]["same"] == 1


def test_the_flags_are_those_of_the_deployment(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, shop, "--from", "ingress-nginx", "--json")
    assert code == 0
    check_report(json.loads(text))


def test_or_those_of_a_file(shop: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = tmp_path / "flags"
    args.write_text("--ingress-class=blue\n--controller-class=example.com/blue\n")
    report = json.loads(run(capsys, shop, "--from", "ingress-nginx", "--args", str(args), "--json")[1])
    assert report["ingresses"] == []
    assert len(report["otherIngresses"]) == 1
    assert report["advice"][1] == "--ingress-class=blue"


async def test_a_cluster_is_read_the_same_way(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serin.telemetry.log.configure", lambda *_: None)  # it is the whole process's
    classes = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "nginx"},
        "spec": {"controller": "k8s.io/ingress-nginx"},
    }

    async def deployments(request: web.Request) -> web.StreamResponse | None:
        if not request.path.endswith("/deployments"):
            return None
        return web.json_response({"kind": "DeploymentList", "metadata": {}, "items": [CONTROLLER]})

    async with FakeServer() as server:
        server.misbehave = deployments
        for raw in (*SHOP, OPTIONS, classes):
            server.put(raw)
        path = tmp_path / "kubeconfig"
        cluster = {"name": "a", "cluster": {"server": server.server}}
        context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
        user = {"name": "a", "user": {"token": "none"}}
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [cluster],
                    "contexts": [context],
                    "users": [user],
                    "current-context": "a",
                }
            )
        )
        given = ["lint", "--kubeconfig", str(path), "--controller-class", "k8s.io/ingress-nginx", "--json"]
        assert await asyncio.to_thread(main, given) == 0
        assert "rewrite-drops-rest" in capsys.readouterr().out
        given = ["lint", "--from", "ingress-nginx", "--kubeconfig", str(path), "--json"]
        assert await asyncio.to_thread(main, given) == 0
        check_report(json.loads(capsys.readouterr().out))
