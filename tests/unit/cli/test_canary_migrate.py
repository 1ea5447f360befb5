"""`serin canary migrate`: what it prints can be put beside the canary Ingresses, and changes nobody's share."""

import argparse
import pathlib
from collections.abc import Mapping
from fractions import Fraction

import pytest
import yaml

from serin.cli import main
from serin.cli.arguments import build_parser
from serin.cli.offline import look
from serin.routing.plan import Plan, Route

EXAMPLES = pathlib.Path(__file__).parents[3] / "examples"
CANARIES = sorted(path for path in EXAMPLES.glob("*.yaml") if 'canary: "true"' in path.read_text())
ALONE = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: alone
  annotations: {nginx.ingress.kubernetes.io/canary: "true", nginx.ingress.kubernetes.io/canary-weight: "10"}
spec:
  ingressClassName: nginx
  rules:
  - host: alone.example
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}
"""


def compiled(*paths: pathlib.Path) -> Plan:
    given: argparse.Namespace = build_parser().parse_args(["lint", *map(str, paths)])
    given.plane = "proxy"
    return look(given).plan


def shares(plan: Plan) -> Mapping[tuple[str, str], Mapping[str, Fraction]]:
    """By host and path, what each Service has of the requests that no rule decides, where there is more than one."""
    found = [(host.name, route) for host in plan.hosts.values() for route in host.routes if len(route.versions) > 1]
    return {(host, route.rule.path): _parts(plan, route) for host, route in found}


def _parts(plan: Plan, route: Route) -> Mapping[str, Fraction]:
    split = plan.splits[route.split or ""]
    weights = [share.weight for share in split.shares]
    if split.rest:
        weights[0] = split.total - sum(weights[1:])
    return {v.service: Fraction(w, sum(weights)) for v, w in zip(route.versions, weights, strict=True)}


@pytest.mark.parametrize("file", CANARIES, ids=lambda file: str(file.name))
def test_beside_the_canaries_of_the_examples_shares_stay(
    file: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backends = EXAMPLES / "backends.yaml"
    assert main(["canary", "migrate", str(file), str(backends)]) == 0
    made = tmp_path / "made.yaml"
    made.write_text(capsys.readouterr().out)
    assert [raw["kind"] for raw in yaml.safe_load_all(made.read_text())] == ["CanaryRoute"]
    before, after = compiled(file, backends), compiled(file, backends, made)
    assert shares(before) == shares(after) != {}
    for host in after.hosts.values():
        assert all(route.canary_route for route in host.routes if len(route.versions) > 1)


def test_a_canary_that_has_no_effect_is_said_and_not_carried_over(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "alone.yaml").write_text(ALONE)
    assert main(["canary", "migrate", str(tmp_path)]) == 3
    said = capsys.readouterr()
    assert said.out.startswith("# differs: Ingress default/alone: spec.rules[0]")
    assert [raw for raw in yaml.safe_load_all(said.out) if raw is not None] == []
    assert "nothing to print" in said.err


def test_only_the_namespace_that_was_asked_for(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["canary", "migrate", str(EXAMPLES), "-n", "other"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["canary", "migrate"]) == 2
    assert "expected files or folders as PATH, or a cluster by --kubeconfig FILE" in capsys.readouterr().err
