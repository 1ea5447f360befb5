"""`kubectl canary` against a real API server and controller; and the manifests of docs, as a server takes them."""

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from harness import canaryroutes
from harness.controllers import Field
from harness.drill_fixtures import backends, network, shared_field
from harness.kube import Kube
from harness.kube_rollouts import Release, serving
from harness.pages import manifests
from harness.rollouts import step
from harness.serving import Serving

from serin.cli.canary import main

__all__ = ["backends", "network", "serving", "shared_field"]

HELD = step("20%", approval="Required")


@pytest.fixture
def release(shared_field: Field, serving: Serving) -> Iterator[Release]:
    made = Release(shared_field)
    made.put(HELD, HELD, revision="1")
    made.becomes("AwaitingApproval")
    yield made
    made.delete(serving)


def line(release: Release, *words: str) -> list[str]:
    return [*words, "-n", release.field.namespace, "--kubeconfig", str(release.field.kube.kubeconfig)]


def test_verbs_by_the_plugin(release: Release, capsys: pytest.CaptureFixture[str]) -> None:
    before = release.object
    assert main(line(release, "pause", "release")) == 0
    assert release.becomes("Paused")["rollout"]["paused"]
    assert main(line(release, "pause", "release")) == 0
    assert main(line(release, "retry", "release")) == 1
    assert "was ignored: the run is going on: abort it first" in capsys.readouterr().err
    assert main(line(release, "resume", "release")) == 0
    release.becomes("AwaitingApproval")
    assert main(line(release, "promote", "release")) == 0
    release.reaches(2)
    assert main(line(release, "abort", "release")) == 0
    release.becomes("RolledBack")
    assert main(line(release, "retry", "release")) == 0
    release.becomes("AwaitingApproval")
    assert main(line(release, "promote-full", "release")) == 0
    release.becomes("Promoted")
    assert main(line(release, "revert", "release")) == 0
    status = release.becomes("RolledBack")
    assert status["lastAction"]["result"] == "Accepted"
    after = release.object
    assert after["spec"] == before["spec"]
    assert set(after["metadata"]["annotations"]) <= {"serin.dev/action", *before["metadata"].get("annotations", {})}


def test_a_promotion_that_comes_too_late_is_ignored(release: Release) -> None:
    run = release.run["runId"]
    assert main(line(release, "promote", "release")) == 0
    release.reaches(2)
    told = release.act(f"promote/{run}.1.1")
    assert (told["result"], told["message"]) == ("Ignored", "step 1 is already over")


def test_list_and_status(release: Release, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line(release, "list")) == 0
    _, row = capsys.readouterr().out.splitlines()
    assert row.split()[:4] == [release.field.namespace, "release", "AwaitingApproval", "next"]
    assert main(line(release, "status", "release")) == 0
    shown = capsys.readouterr().out
    assert "waits for an approval: kubectl canary promote release" in shown
    assert main(line(release, "status", "release", "--json")) == 0
    assert json.loads(capsys.readouterr().out)["status"]["phase"] == "AwaitingApproval"
    assert main(line(release, "status", "absent")) == 2
    assert "there is no CanaryRoute absent" in capsys.readouterr().err


def test_kubectl_finds_the_plugin(release: Release, tmp_path: pathlib.Path) -> None:
    plugin = tmp_path / "kubectl-canary"
    plugin.write_text(f'#!/bin/sh\nexec {sys.executable} -m serin.cli.canary "$@"\n')
    plugin.chmod(0o755)
    kubectl = release.field.kube.kubectl("version", "--client").args[0]
    told = subprocess.run(
        [str(kubectl), "canary", "status", "release", "-n", release.field.namespace],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "KUBECONFIG": str(release.field.kube.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert f"{release.field.namespace}/release   AwaitingApproval" in told.stdout


@pytest.mark.parametrize("page", ["tutorial-rollout.md", "rollout.md"])
def test_a_server_takes_every_manifest_of_the_page(page: str, api_server: Kube, namespace: str) -> None:
    canaryroutes.install(api_server)
    for block in manifests(page):
        placed: list[dict[str, Any]] = [
            {**raw, "metadata": {**raw["metadata"], "namespace": namespace}} for raw in block
        ]
        text = yaml.safe_dump_all(placed)
        told = api_server.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=text)
        assert told.stdout.count("serverside-applied") == len(block)
