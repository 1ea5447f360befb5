"""`serin controller` as a real process against a real API server, and the objects of one test in it."""

import contextlib
import copy
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.backends import Backends
from harness.kube import Kube
from harness.serving import Serving, await_ready, launch_command
from harness.waiting import until
from harness.wire import Door, Request

PORTS = ("--bind", "127.0.0.1", "--http-port", "0", "--https-port", "0", "--healthz-port", "0", "--workers", "1")
CLUSTER_WIDE = ("IngressClass", "Namespace")
STEADY = 30

Manifest = dict[str, Any]


@dataclass
class Field:
    """One test's part of a cluster: a namespace, a class of Ingresses that is called like it, backends, processes."""

    kube: Kube
    namespace: str
    folder: pathlib.Path
    backends: Backends
    started: list[Serving] = field(default_factory=list)

    @property
    def ingress_class(self) -> str:
        return self.namespace

    @property
    def controller_class(self) -> str:
        return f"serin.dev/{self.namespace}"

    @property
    def lease(self) -> str:
        """Its path; the kubeconfig names no namespace."""
        return f"/apis/coordination.k8s.io/v1/namespaces/default/leases/serin-{self.ingress_class}-leader"

    def holder(self) -> str:
        found = self.kube.get(self.lease)
        return (found or {}).get("spec", {}).get("holderIdentity") or ""

    def make_class(self, name: str | None = None, controller: str | None = None) -> None:
        spec = {"controller": controller or self.controller_class}
        metadata = {"name": name or self.ingress_class}
        self.put({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": metadata, "spec": spec})

    def put(self, *manifests: Manifest) -> None:
        """Apply; those of the harness are put into our namespace and class, unless they name a class of their own."""
        self.kube.apply(*(self.placed(manifest) for manifest in manifests), namespace=self.namespace)

    def delete(self, kind: str, name: str) -> None:
        self.kube.kubectl("-n", self.namespace, "delete", kind, name, "--wait=false")

    def placed(self, manifest: Manifest) -> Manifest:
        made = copy.deepcopy(manifest)
        if made["kind"] not in CLUSTER_WIDE:
            made["metadata"]["namespace"] = self.namespace
        if made["kind"] == "Ingress" and made["spec"].get("ingressClassName") == "nginx":
            made["spec"]["ingressClassName"] = self.ingress_class
        return made

    def flags(self) -> tuple[str, ...]:
        return (
            *("--kubeconfig", str(self.kube.kubeconfig)),
            *("--ingress-class", self.ingress_class, "--controller-class", self.controller_class),
        )

    def launch(self, *options: str, run_dir: str = "run") -> Serving:
        """A controller with a data plane of its own, not waited for."""
        serving = launch_command("controller", *self.flags(), *PORTS, *options, run_dir=self.folder / run_dir)
        self.started.append(serving)
        return serving

    def control(self, *options: str, run_dir: str = "run") -> Serving:
        """The same, ready."""
        return await_ready(self.launch(*options, run_dir=run_dir))

    def control_alone(self, *options: str, run_dir: str = "run") -> Serving:
        """Without a data plane, in the way a container does it."""
        arguments = ("controller", *self.flags(), "--plane", "none", *options)
        serving = launch_command(*arguments, run_dir=self.folder / run_dir)
        self.started.append(serving)
        return serving

    def supervised(self, *options: str) -> Serving:
        """`control_alone` under `serin supervise`, which finds the heartbeat in the command's flags."""
        arguments = ("supervise", "--", sys.executable, "-m", "serin", "controller", *self.flags(), "--plane", "none")
        serving = launch_command(*arguments, *options, run_dir=self.folder / "run")
        self.started.append(serving)
        return serving

    def data_plane_alone(self, *options: str, run_dir: str = "run") -> Serving:
        log = self.folder / "data-plane.log"
        command = [sys.executable, "-m", "serin", "data-plane", *PORTS, "--run-dir", str(self.folder / run_dir)]
        with log.open("ab") as output:
            process = subprocess.Popen([*command, *options], stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        serving = Serving(process, self.folder / run_dir, log, Door(("127.0.0.1", 0)), 0)
        self.started.append(serving)
        return serving

    def answer(self, serving: Serving, host: str, *headers: tuple[str, str], path: str = "/", **more: Any) -> str:
        """Who answers a request now; the status where no backend did."""
        reply = serving.door.send(Request(host=host, path=path, headers=headers, **more))
        return reply.first("x-echo-backend") or str(reply.status)

    def becomes(self, serving: Serving, expected: str, host: str, *headers: tuple[str, str], **more: Any) -> None:
        """Wait until that is the answer, many times in a row."""

        def steady() -> bool:
            return all(self.answer(serving, host, *headers, **more) == expected for _ in range(STEADY))

        until(steady, f"{expected} from {host}")

    def close(self) -> None:
        for serving in reversed(self.started):
            with contextlib.suppress(AssertionError):
                end(serving)
            left = serving.data_plane()  # of a controller that was killed
            if left and pathlib.Path(f"/proc/{left}").exists():
                end_process(left)


def end(serving: Serving) -> None:
    if serving.process.poll() is None:
        serving.stop()


def end_process(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def lines(serving: Serving, event: str) -> Iterator[dict[str, Any]]:
    """What was logged under that name."""
    for line in serving.output().splitlines():
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and told.get("event") == event:
                yield told
