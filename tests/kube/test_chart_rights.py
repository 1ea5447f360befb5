"""The chart's roles beside what a running controller asks for with exactly these: none missing, none too many.

The command line is the chart's own, the token that of its ServiceAccount; the API server's audit log is the witness.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness.casefile import self_signed
from harness.chart import CHART, Chart, Release, Values, nested
from harness.kube import Kube
from harness.manifests import ingress, tls_secret
from harness.rbac import Right, grants, missing, surplus, used
from harness.rollouts import canary_route, step
from harness.waiting import until

from serin.cluster.access import Need, Uses, needs
from serin.cluster.scope import Scope
from serin.refs import Ref

RELEASE = "serin"
ADDRESS = "192.0.2.77"
NODE_ADDRESS = "192.0.2.78"


@dataclass(frozen=True, slots=True)
class Case:
    """In values `{shop}` stands for the Ingresses' namespace, `{other}` for a third beside it and the release's."""

    values: Values
    shop_is_own: bool = False


CASES = {
    "whole cluster": Case({}),
    "addresses of nodes": Case({"controller.publishService.enabled": False}),
    "namespaces by label": Case({"controller.scope.namespaceSelector": "shop={shop}"}),
    "one namespace": Case(
        {
            "controller.scope.enabled": True,
            "controller.scope.namespace": "{shop}",
            "controller.extraArgs": {
                "default-ssl-certificate": "{other}/certificate",
                "udp-services-configmap": "{other}/udp",
            },
            "controller.addHeaders": {"X-Served-By": "edge"},
            "controller.config": {"proxy-set-headers": "{other}/lines"},
            "tcp": {"5432": "{shop}/web:80"},
        }
    ),
    "nothing cluster-wide": Case(
        {"controller.scope.enabled": True, "rbac.scope": True, "controller.config": {"hsts": "perhaps"}}, True
    ),
}


class Running:
    """A release whose controller runs on this machine, as its ServiceAccount, in the name of its pod."""

    def __init__(self, kube: Kube, chart: Chart, case: Case, make_namespace: Callable[..., str], folder: Path) -> None:
        self.kube = kube
        self.own = make_namespace()
        self.shop = self.own if case.shop_is_own else make_namespace()
        self.other = make_namespace()
        if not case.shop_is_own:
            kube.kubectl("label", "namespace", self.shop, f"shop={self.shop}")
        text = json.dumps(nested(case.values))
        for word, name in (("{shop}", self.shop), ("{other}", self.other)):
            text = text.replace(word, name)
        self.values = {
            **json.loads(text),
            "rbac": {"scope": bool(case.values.get("rbac.scope"))},
        }
        controller = self.values.setdefault("controller", {})
        name = f"class-{self.own}"
        controller["ingressClassResource"] = {"name": name, "controllerValue": f"example.com/{name}"}
        # What is checked here is not reached by the API server; its rights come from the same role.
        controller["admissionWebhooks"] = {"enabled": False}
        self.ingress_class = name
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self.release: Release = chart.render(self.values, release=RELEASE, namespace=self.own)

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.own}:{RELEASE}"

    def does_without(self, right: Right) -> bool:
        """With rbac.scope nothing but the namespace is readable: no IngressClass, no Event of one."""
        bare = bool(self.values["rbac"]["scope"])
        of_class = right.resource == "events" and right.namespace == "default"
        return bare and (right.resource == "ingressclasses" or of_class)

    def install(self) -> None:
        self.kube.helm(
            *("install", RELEASE, str(CHART), "-n", self.own, "-f", "-"),
            input=json.dumps(self.values),
        )

    def uninstall(self) -> None:
        self.kube.helm("uninstall", RELEASE, "-n", self.own, "--ignore-not-found")

    def pod(self) -> str:
        """The name of the Deployment's pod, which no node takes, made ready on a node that is none."""
        path = f"/api/v1/namespaces/{self.own}/pods"
        [name] = until(lambda: [p["metadata"]["name"] for p in self.kube.get(path)["items"]], "the pod")
        node = f"node-{self.own}"
        self.kube.request("POST", "/api/v1/nodes", {"metadata": {"name": node}})
        self._set_status(f"node/{node}", {"addresses": [{"type": "InternalIP", "address": NODE_ADDRESS}]})
        binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": node}}
        self.kube.request("POST", f"{path}/{name}/binding", binding)
        self._set_status(f"pod/{name}", {"conditions": [{"type": "Ready", "status": "True"}]})
        return str(name)

    def give_address(self) -> None:
        """What a cloud does for a LoadBalancer."""
        self._set_status(f"service/{RELEASE}-controller", {"loadBalancer": {"ingress": [{"ip": ADDRESS}]}})

    def _set_status(self, what: str, status: dict[str, Any]) -> None:
        patch = json.dumps({"status": status})
        self.kube.kubectl("-n", self.own, "patch", what, "--subresource=status", "--type=merge", "-p", patch)

    def start(self) -> None:
        kubeconfig = self.kube.service_account(self.own, RELEASE)
        told = [
            argument.replace("$(POD_NAMESPACE)", self.own) for argument in self.release.container("controller")["args"]
        ]
        run_dir = self.folder / f"run-{self.own}"
        told = [f"--run-dir={run_dir}" if argument.startswith("--run-dir=") else argument for argument in told]
        command = [sys.executable, "-m", "serin", "controller", *told, "--kubeconfig", str(kubeconfig)]
        environment = os.environ | {"POD_NAME": self.pod(), "POD_NAMESPACE": self.own}
        self.log = self.folder / "controller.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)

    def take_pod_away(self) -> None:
        """As a scale to nothing does: there is no kubelet that would end it, so it stays, being deleted."""
        self.kube.kubectl("-n", self.own, "scale", f"deployment/{RELEASE}-controller", "--replicas=0")
        pods = f"/api/v1/namespaces/{self.own}/pods"
        gone = lambda: all("deletionTimestamp" in p["metadata"] for p in self.kube.get(pods)["items"])  # noqa: E731
        until(gone, "the pod's deletion")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def addresses(self, name: str) -> list[str]:
        found = self.kube.get(f"/apis/networking.k8s.io/v1/namespaces/{self.shop}/ingresses/{name}")
        return [entry["ip"] for entry in found["status"].get("loadBalancer", {}).get("ingress", [])]

    def status_of_canary(self, name: str) -> Any:
        return self.kube.get(f"/apis/serin.dev/v1alpha1/namespaces/{self.shop}/canaryroutes/{name}").get("status")

    def events(self, name: str) -> list[dict[str, Any]]:
        found = self.kube.get(f"/api/v1/namespaces/{self.shop}/events")["items"]
        return [event for event in found if event["involvedObject"]["name"] == name]

    def output(self) -> str:
        return self.log.read_text(errors="replace")


def objects(running: Running) -> list[dict[str, Any]]:
    """A bit of everything that a controller reads."""
    metadata = {"namespace": running.shop}
    web = ingress("web", "web.example.com", "web", auth_type="basic", auth_secret="users", auth_realm="x")
    secure = ingress("secure", "secure.example.com", "nowhere")
    secure["spec"]["tls"] = [{"hosts": ["secure.example.com"], "secretName": "certificate"}]
    for each in (web, secure):
        each["metadata"]["namespace"] = running.shop
        if running.values["rbac"]["scope"]:
            del each["spec"]["ingressClassName"]
            each["metadata"].setdefault("annotations", {})["kubernetes.io/ingress.class"] = running.ingress_class
        else:
            each["spec"]["ingressClassName"] = running.ingress_class
    tls = tls_secret("certificate", *self_signed("secure.example.com"))
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", **metadata},
            "spec": {"ports": [{"port": 80}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "users", **metadata},
            "stringData": {"auth": "u:$apr1$x$Tq0Nb7VTmOSFRvMBD7HEa0"},
        },
        {**tls, "metadata": {**tls["metadata"], **metadata}},
        {**tls, "metadata": {**tls["metadata"], "namespace": running.other}},
        web,
        secure,
        canary_route(step("10%", "1h"), name="web", versions=("web", "nowhere"), namespace=running.shop),
    ]


@pytest.fixture
def running(
    request: pytest.FixtureRequest,
    api_server: Kube,
    kube_programs: dict[str, Path],
    make_namespace: Callable[..., str],
    tmp_path: Path,
) -> Iterator[Running]:
    made = Running(api_server, Chart(kube_programs["helm"]), CASES[request.param], make_namespace, tmp_path)
    made.install()
    try:
        yield made
    finally:
        made.stop()
        made.uninstall()
        api_server.kubectl("-n", made.own, "delete", "pods", "--all", "--force", "--grace-period=0")
        api_server.kubectl("delete", "node", f"node-{made.own}", "--ignore-not-found")


@pytest.mark.parametrize("running", CASES, indirect=True)
def test_roles_are_what_a_controller_uses(running: Running) -> None:
    for namespace in (running.shop, running.other):
        made = [each for each in objects(running) if each["metadata"]["namespace"] == namespace]
        running.kube.apply(*made, namespace=namespace)
    if "publish-service" in " ".join(running.release.container("controller")["args"]):
        running.give_address()
        expected = ADDRESS
    else:
        expected = NODE_ADDRESS
    running.start()
    until(lambda: running.addresses("secure") == [expected], "the address on the Ingress", seconds=60)
    until(lambda: running.events("secure"), "an Event about the Service that is not there", seconds=60)
    until(lambda: running.status_of_canary("web"), "the status of the CanaryRoute", seconds=60)
    running.take_pod_away()
    running.stop()
    assert running.addresses("secure") == [], "the last replica takes its address with it"

    entries = running.kube.audit(running.user)
    granted = grants(running.release.text)
    rights = [right for right in used(entries) if not running.does_without(right)]
    refused = used(entry for entry in entries if entry.forbidden)
    assert missing(granted, rights) == [], running.output()[-3000:]
    assert [str(right) for right in refused if not running.does_without(right)] == []
    assert surplus(granted, rights) == []
    assert all(grant.why for grant in granted)


def uses(running: Running) -> Uses:
    """As the chart's flags say it."""
    arguments = running.release.container("controller")["args"]
    told = dict(argument.lstrip("-").partition("=")[::2] for argument in arguments)

    def named(kind: str, flag: str) -> Ref | None:
        text = told.get(flag, "").replace("$(POD_NAMESPACE)", running.own)
        return Ref(kind, *text.split("/")) if text else None

    return Uses(
        scope=Scope(
            told.get("watch-namespace", "").replace("$(POD_NAMESPACE)", running.own),
            told.get("watch-namespace-selector", ""),
        ),
        own_namespace=running.own,
        election_id=told["election-id"],
        publish_service=named("Service", "publish-service"),
        configmap=named("ConfigMap", "configmap"),
        default_ssl_certificate=named("Secret", "default-ssl-certificate"),
        facts_service=named("Service", "facts-service"),
        approval_rbac="canary-approval-rbac" in told,
        in_pod=True,
    )


@pytest.mark.parametrize("name", CASES)
def test_roles_give_what_the_controller_asks_for_at_start(
    api_server: Kube, kube_programs: dict[str, Path], make_namespace: Callable[..., str], tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    running = Running(api_server, Chart(kube_programs["helm"]), case, make_namespace, tmp_path)
    granted = grants(running.release.text)
    asked = [right for need in needs(uses(running)) for right in rights_of(need)]
    lacking = [right for right in asked if not any(grant.covers(right) for grant in granted)]
    assert [str(right) for right in lacking if not running.does_without(right)] == []


def rights_of(need: Need) -> list[Right]:
    kind, sub = need.rule.kind, need.rule.sub
    resource = f"{kind.plural}/{sub}" if sub else kind.plural
    return [Right(kind.group, resource, verb, need.namespace, need.name) for verb in need.rule.verbs]
