"""`make kind` with programs that stand in for Docker, kind, helm and kubectl: what is called, in which order, and what
is said where something is missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from localkube import image, kind
from localkube.errors import LocalKubeError

STAND_IN = """#!/bin/sh
# Notes how it was called and what it was given, and answers the little that is asked of it.
name=$(basename "$0")
echo "$name $*" >>"$CALLS"
case "$name $*" in
  *"--config -"*) cat >"$CALLS.config" ;;
  "docker info"*) [ -z "$NO_DAEMON" ] || { echo "permission denied: /var/run/docker.sock" >&2; exit 1; } ;;
  "docker build"*) [ -z "$NO_BUILD" ] || exit 3 ;;
  "docker image inspect"*) echo sha256:0123456789abcdef ;;
  "kind get clusters") echo "$CLUSTERS" ;;
esac
"""
PROGRAMS = ("docker", "kind", "helm", "kubectl")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose only programs of these are ours; its calls are noted in `calls`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    for name in ("NO_DAEMON", "NO_BUILD", "CLUSTERS"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("SERIN_KUBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{shell(tmp_path)}")
    monkeypatch.setattr("localkube.commands._SBIN", ())
    return tmp_path


def shell(tmp_path: Path) -> Path:
    """A folder with what the stand-ins themselves need, and nothing else."""
    folder = tmp_path / "shell"
    folder.mkdir()
    for name in ("sh", "basename", "cat"):
        (folder / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    return folder


def calls(machine: Path) -> list[str]:
    file = machine / "calls"
    return file.read_text().splitlines() if file.exists() else []


def made(machine: Path) -> list[str]:
    """The calls that change something, by their first words."""
    words = [" ".join(call.split()[:3]) for call in calls(machine)]
    return [each for each in words if not each.startswith(("docker info", "kind get", "docker image"))]


def localkube(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command as the Makefile calls it."""
    code = (
        "import localkube.commands as c; c._SBIN = (); import runpy; runpy.run_module('localkube', run_name='__main__')"
    )
    environment = {**os.environ, "PYTHONPATH": str(image.ROOT)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=image.ROOT)


def test_every_step_in_its_order(machine: Path) -> None:
    said: list[str] = []
    kind.up("nginx", said.append)
    assert made(machine) == [
        "kind create cluster",
        "docker build --file",
        "kind load docker-image",
        f"helm --kubeconfig={machine}/cache/kind/kubeconfig upgrade",
        "kubectl --kubeconfig " + f"{machine}/cache/kind/kubeconfig",
        "kubectl --kubeconfig " + f"{machine}/cache/kind/kubeconfig",
        "kubectl --kubeconfig " + f"{machine}/cache/kind/kubeconfig",
    ]
    built = next(call for call in calls(machine) if call.startswith("docker build"))
    assert built == f"docker build --file {image.DOCKERFILE} --tag {image.NAME} {image.ROOT}"
    assert f"kind load docker-image {image.NAME} --name serin" in calls(machine)


def test_the_chart_is_told_of_the_image_and_of_ports_that_lead_out(machine: Path) -> None:
    kind.up("nginx", print)
    [helm] = [call for call in calls(machine) if call.startswith("helm")]
    for wanted in (
        "--set=controller.image.pullPolicy=Never",
        "--set=dataPlane.plane=nginx",
        "--set=controller.podAnnotations.image=0123456789ab",
        "--set-json=controller.service.nodePorts.http=30080",
    ):
        assert wanted in helm
    [node] = yaml.safe_load((machine / "calls.config").read_text())["nodes"]
    assert node["extraPortMappings"] == [
        {"containerPort": 30080, "hostPort": 8080, "listenAddress": "127.0.0.1"},
        {"containerPort": 30443, "hostPort": 8443, "listenAddress": "127.0.0.1"},
    ]
    assert kind.address() == "127.0.0.1:8080"


def test_a_cluster_that_is_up_is_upgraded(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTERS", "other\nserin")
    kind.up("proxy", print)
    assert made(machine)[:2] == ["kind export kubeconfig", "docker build --file"]


def test_down_deletes_no_other_cluster(machine: Path) -> None:
    kind.down()
    assert made(machine) == ["kind delete cluster"]
    assert "--name serin" in calls(machine)[-1]


@pytest.mark.parametrize("missing", [["docker"], ["kind"], ["helm"], ["kubectl"], ["docker", "kind", "helm"]])
def test_what_is_missing_is_told_in_one_sentence(machine: Path, missing: list[str]) -> None:
    for name in missing:
        (machine / "bin" / name).unlink()
    for step in (lambda: kind.up("proxy", print), kind.down):
        with pytest.raises(LocalKubeError) as told:
            step()
        for name in PROGRAMS:
            assert (f"{name} (https://" in str(told.value)) is (name in missing)
    assert made(machine) == []


@pytest.mark.parametrize("command", ["kind-up", "kind-down"])
def test_it_ends_with_one_line_and_exit_code_1(machine: Path, command: str) -> None:
    (machine / "bin" / "kind").unlink()
    done = localkube(command)
    assert done.returncode == 1
    [told] = done.stderr.splitlines()
    assert told.startswith("localkube: make kind needs kind (https://")


def test_docker_that_cannot_be_used_is_told(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_DAEMON", "1")
    with pytest.raises(LocalKubeError, match=r"Docker daemon that runs .* permission denied: /var/run/docker\.sock$"):
        kind.up("proxy", print)
    assert made(machine) == []


def test_a_build_that_fails_ends_it(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_BUILD", "1")
    with pytest.raises(LocalKubeError, match=r"^docker build --file failed with exit code 3$"):
        kind.up("proxy", print)
    assert made(machine)[-1] == "docker build --file"


def test_the_node_is_written_as_kind_reads_it(machine: Path) -> None:
    kind.up("proxy", print)
    told = json.loads((machine / "calls.config").read_text())
    assert (told["kind"], told["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
