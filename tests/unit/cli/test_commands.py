"""Commands that only look: lint and explain, over files."""

import json
import pathlib
from typing import Any

import pytest
from harness.manifests import canary, endpoint_slice, ingress, put, service

from serin.cli import main

HOST = "shop.example"


@pytest.fixture
def good(tmp_path: pathlib.Path) -> pathlib.Path:
    put(tmp_path / "main.yaml", service("main"), endpoint_slice("main", ["127.0.0.1"]), ingress("main", HOST, "main"))
    put(tmp_path / "next.yaml", service("next"), endpoint_slice("next", ["127.0.0.2"]))
    put(tmp_path / "canary.yaml", canary("canary", HOST, "next", weight="10", by_header="Region", by_header_value="cd"))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(arguments)
    return code, capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(run(capsys, *arguments, "--json")[1])


def test_lint_of_good_manifests_is_zero(good: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "lint", str(good)) == (0, "0 errors, 0 warnings\n")
    assert as_json(capsys, "lint", str(good)) == []


def test_lint_names_code_object_and_field_and_is_one(good: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(good / "closed.yaml", ingress("closed", "closed.example", "main", auth_type="basic", auth_secret="absent"))
    code, text = run(capsys, "lint", str(good))
    assert code == 1
    assert "Ingress drills/closed: metadata.annotations[nginx.ingress.kubernetes.io/auth-secret]" in text
    (found,) = as_json(capsys, "lint", str(good))
    assert (found["severity"], found["kind"], found["name"]) == ("error", "Ingress", "closed")
    assert found["code"] in text


def test_lint_with_warnings_alone_is_zero(good: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(good / "next.yaml", service("next"), endpoint_slice("next", []))
    code, text = run(capsys, "lint", str(good))
    assert code == 0
    assert text.startswith("warning ")


def test_lint_tells_of_files_that_cannot_be_read(good: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (good / "broken.yaml").write_text("kind: [unclosed")
    code, text = run(capsys, "lint", str(good))
    assert code == 1
    assert "broken.yaml" in text


def test_explain_names_the_rule_that_decided(good: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = as_json(capsys, "explain", str(good), "--url", f"http://{HOST}/x", "-H", "Region: cd")
    assert (told["version"], told["service"], told["reason"]) == ("canary", "next", "header")
    assert told["ingress"] == "drills/main"


def test_explain_names_shares_where_nothing_else_decides(
    good: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = as_json(capsys, "explain", str(good), "--url", f"http://{HOST}/x")
    assert told["reason"] == "weight"
    assert "10" in told["version"]
    assert {"status", "host", "path", "rule", "rewritten_path", "redirect", "problems"} <= told.keys()


def test_explain_in_words(good: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "explain", str(good), "--url", "http://nobody.example/")
    assert code == 0
    assert "404" in text


def test_a_url_that_is_none_is_one_clear_line(good: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(good), "--url", "shop"]) == 2
    assert capsys.readouterr().err.startswith("serin explain: ")


def test_explain_of_a_404_names_what_else_there_is_for_the_host(
    good: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ingress("other", "other.example", "main")
    other["spec"]["ingressClassName"] = "ngnix"
    put(good / "other.yaml", other)
    found = as_json(capsys, "explain", str(good), "--url", "http://other.example/")
    assert (found["status"], len(found["lost"])) == (404, 1)
    assert found["lost"][0].startswith("Ingress drills/other is not served: there is no IngressClass ngnix")
    found = as_json(capsys, "explain", str(good), "--url", "http://shopp.example/")
    assert found["lost"] == ["there is a rule for shop.example, which is nearly the same"]
    assert as_json(capsys, "explain", str(good), "--url", f"http://{HOST}/")["lost"] == []
