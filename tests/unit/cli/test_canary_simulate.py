"""`serin canary simulate`: what it says of the example, whatever the traffic; and of files that it cannot use."""

import json
import pathlib
import re

import pytest

from serin.cli import main

EXAMPLES = pathlib.Path(__file__).parents[3] / "examples"
EXAMPLE = str(EXAMPLES / "canaryroute.yaml")
ROUTE = """
apiVersion: serin.dev/v1alpha1
kind: CanaryRoute
metadata: {name: shop}
spec:
  versions:
  - {name: v1, service: {name: a}, weight: 1}
  - {name: v2, service: {name: b}}
"""
ROLLOUT = """
  rollout:
    version: v2
    steps: [{weight: "50%", duration: 1m, approval: Required}]
    checks:
    - {name: smoke, type: Webhook, webhook: {url: "http://smoke"}}
"""


def simulate(*line: str) -> int:
    return main(["canary", "simulate", *line])


@pytest.mark.parametrize(
    ("traffic", "ends"),
    [
        ("--rps 50 --error-rate 0.05", "rolled back after"),
        ("--rps 50 --error-rate 0.002", "promoted after"),
        ("--rps 50 --error-rate 0.001 --latency-factor 2", "rolled back after"),
        ("--rps 50 --error-rate 1% --baseline-error-rate 1%", "promoted after"),
        ("--rps 0.01 --error-rate 0", "waits: "),
        ("--rps 50", "promoted after"),
        ("--rps 50 --latency-factor 2", "rolled back after"),
    ],
)
def test_the_example_ends_as_its_traffic_lets_it(traffic: str, ends: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(EXAMPLE, *traffic.split()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith(ends)
    assert "approvals" not in "\n".join(lines)
    rows = [line.split() for line in lines if re.match(r"\w+ +\d/3 ", line)]
    assert rows[0][:4] == ["0s", "1/3", "0s", "0%"]
    assert [row[2] for row in rows if row[1] == "2/3"][:1] in ([], ["0s"])


def test_a_bad_version_never_gets_more_than_the_first_step_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(EXAMPLE, "--rps", "50", "--error-rate", "0.05", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["outcome"] == "RolledBack"
    assert {one["weight"] for one in told["happenings"]} == {"0%", "10%"}
    assert 0 < told["errors"] < told["requests"]


def test_the_same_seed_tells_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for seed in ("1", "1", "2"):
        assert simulate(EXAMPLE, "--rps", "20", "--error-rate", "0.03", "--seed", seed) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != said[2]


@pytest.mark.parametrize(("given", "baseline"), [("0.05", "0.5%"), ("0.002", "0.2%")])
def test_the_baseline_has_no_more_errors_than_the_new_version(
    given: str, baseline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(EXAMPLE, "--rps", "50", "--error-rate", given) == 0
    assert f"errors beside {baseline}, 50 requests in a second" in capsys.readouterr().out


def test_what_is_taken_for_granted_is_said(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(ROUTE + ROLLOUT)
    assert simulate(str(tmp_path / "a.yaml"), "--rps", "1", "--error-rate", "1") == 0
    said = capsys.readouterr().out
    assert "approvals count as given at once" in said
    assert "asked elsewhere, and counted as passing: smoke" in said
    assert said.splitlines()[-1].startswith("promoted")


def test_one_of_several_is_chosen_by_name(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.yaml"
    file.write_text((ROUTE + ROLLOUT).replace("shop", "one") + "---" + (ROUTE + ROLLOUT).replace("shop", "two"))
    line = (str(file), "--rps", "1", "--error-rate", "0")
    assert simulate(*line) == 2
    assert "expected one CanaryRoute, or --name to choose; there is one, two" in capsys.readouterr().err
    assert simulate(*line, "--name", "three") == 2
    assert "expected a CanaryRoute three; there is one, two" in capsys.readouterr().err
    assert simulate(*line, "--name", "two") == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ROUTE, "has no rollout that could be simulated"),
        (ROUTE + ROLLOUT.replace("50%", "500%"), "spec.rollout.steps[0].weight"),
        (ROUTE + ROLLOUT.replace("type: Webhook", "type: Webhok"), "spec.rollout.checks[0].type"),
        ("a: b", "there is none"),
    ],
)
def test_a_file_without_a_rollout_that_can_run_is_refused(
    text: str, said: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert simulate(str(tmp_path / "a.yaml"), "--rps", "1", "--error-rate", "0") == 2
    assert said in capsys.readouterr().err


def test_a_file_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate("nowhere.yaml", "--rps", "1", "--error-rate", "0") == 2
    assert capsys.readouterr().err == "serin canary: nowhere.yaml: no such file or folder\n"
