"""The tutorial played through by `serin serve`: its Deployments as processes, its releases shortened, with requests."""

import contextlib
import json
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import yaml
from harness.load import load
from harness.manifests import put
from harness.pages import manifests
from harness.waiting import until
from harness.world import World

from serin.cli import main

HOST = "web.example.com"
SHORT = {"duration": "1s", "warmup": "1s"}
"""In place of what the page has: its reader has more time than a test."""
JSON = dict[str, Any]


class Played:
    """Deployments run as their containers say; an EndpointSlice for each Service."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._running: dict[str, tuple[subprocess.Popen[str], int]] = {}
        self._labels: dict[str, JSON] = {}
        self._services: dict[str, JSON] = {}

    def apply(self, block: list[JSON]) -> None:
        for raw in block:
            name = f"{raw['metadata']['name']}.yaml"
            if raw["kind"] == "Deployment":
                self._deploy(raw)
                continue
            if raw["kind"] == "Service":
                self._services[raw["metadata"]["name"]] = raw["spec"]
            put(self._folder / f"{raw['kind']}-{name}", _shortened(raw))
        for name in self._services:
            put(self._folder / f"EndpointSlice-{name}.yaml", self._endpoints(name))

    def stop(self) -> None:
        for process, _ in self._running.values():
            process.terminate()
            process.wait()

    def _deploy(self, raw: JSON) -> None:
        """The former pods end when the new ones are ready and known."""
        name = raw["metadata"]["name"]
        template = raw["spec"]["template"]
        (container,) = template["spec"]["containers"]
        given = container["args"]
        args = ["0" if before == "--port" else arg for before, arg in zip(["", *given], given, strict=False)]
        args = ["127.0.0.1" if arg == "0.0.0.0" else arg for arg in args]
        process = subprocess.Popen([sys.executable, "-m", "serin", *args], stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        found = re.search(r":(\d+)/", process.stderr.readline())
        assert found is not None
        before = self._running.get(name)
        self._running[name], self._labels[name] = (process, int(found[1])), template["metadata"]["labels"]
        for service in self._services:
            put(self._folder / f"EndpointSlice-{service}.yaml", self._endpoints(service))
        if before is not None:
            before[0].terminate()
            before[0].wait()

    def _endpoints(self, service: str) -> JSON:
        spec = self._services[service]
        (name,) = (name for name, labels in self._labels.items() if spec["selector"].items() <= labels.items())
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{service}-1", "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["127.0.0.1"]}],
            "ports": [{"name": spec["ports"][0]["name"], "port": self._running[name][1]}],
        }


@contextlib.contextmanager
def played(folder: pathlib.Path) -> Iterator[Played]:
    made = Played(folder)
    try:
        yield made
    finally:
        made.stop()


def _shortened(raw: JSON) -> JSON:
    """With steps of a second."""
    made: JSON = yaml.safe_load(yaml.safe_dump(raw))
    rollout = made["spec"].get("rollout", {})
    for part in (*rollout.get("steps", ()), *rollout.get("checks", ())):
        part |= {key: value for key, value in SHORT.items() if key in part}
    return made


def test_the_tutorial_from_two_deployments_to_an_automatic_rollback(world: World, capsys: Any) -> None:
    deployments, ingress, release, bad_deployment, bad_release = manifests("tutorial-rollout.md")
    with played(world.folder) as cluster:
        cluster.apply(deployments)
        cluster.apply(ingress)
        serving = world.serve()
        run_dir = ["--run-dir", str(serving.run_dir)]
        assert world.backend(serving, HOST) == "web-1.0"
        with load(serving.door, HOST, connections=6, again=world.plane.is_nginx) as running:

            def status() -> JSON:
                capsys.readouterr()
                told = main(["canary", "status", "web", "--json", *run_dir])
                found: JSON = json.loads(capsys.readouterr().out).get("status", {}) if told == 0 else {}
                return found

            def ended(phase: str, version: str) -> JSON:
                def reached() -> JSON:
                    found = status()
                    run = found.get("rollout", {})
                    return found if (found.get("phase"), run.get("version")) == (phase, version) else {}

                return until(reached, f"{version} {phase}, not {status()}", seconds=90, every=0.2)

            cluster.apply(release)
            ended("Promoted", "v2")
            world.settle(serving, "web-2.0", HOST)
            assert running.lost() == []
            cluster.apply(bad_deployment)
            cluster.apply(bad_release)
            told = ended("RolledBack", "v1")
            assert told["rollout"]["step"] == 1
            assert [run["outcome"] for run in told["history"]] == ["RolledBack", "Promoted"]
            world.settle(serving, "web-2.0", HOST)
            assert world.backend(serving, HOST, headers=(("X-Tester", "me"),)) == "web-2.0"
        seen = [result.backend for result in running.results]
        assert {"web-1.0", "web-2.0", "web-3.0"} <= set(seen)
        assert main(["canary", "list", *run_dir]) == 0
        assert "RolledBack" in capsys.readouterr().out
