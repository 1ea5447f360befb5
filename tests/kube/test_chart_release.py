"""helm with a real API server: what the chart renders is taken, and a release comes, changes and goes whole."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from harness.chart import CHART, Chart, Values, nested
from harness.kube import Kube
from harness.waiting import until

# Their definitions are not installed here.
NOT_HERE = ("cert-manager.io/", "monitoring.coreos.com/")
# Made by Kubernetes itself, in every namespace or from what was made, and gone when it is done with them.
BY_ITSELF = ("events", "endpoints", "endpointslices", "pods", "replicasets", "controllerrevisions", "componentstatuses")
EVERYTHING: Values = {
    "commonLabels": {"team": "edge"},
    "imagePullSecrets": [{"name": "pull"}],
    "controller.replicaCount": 2,
    "controller.config": {"hsts": False, "hsts-max-age": 31536000},
    "controller.configAnnotations": {"example.com/a": "b"},
    "controller.hostPort.enabled": True,
    "controller.hostAliases": [{"ip": "192.0.2.1", "hostnames": ["a.example.com"]}],
    "controller.dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
    "controller.ingressClassResource.default": True,
    "controller.ingressClassResource.parameters": {"apiGroup": "example.com", "kind": "P", "name": "p"},
    "controller.scope.namespaceSelector": "team in (a,b)",
    "controller.electionTTL": "15s",
    "controller.extraArgs": {"disable-catch-all": "", "default-ssl-certificate": "default/x"},
    "controller.extraEnvs": [{"name": "TZ", "value": "UTC"}],
    "controller.extraVolumes": [{"name": "extra", "emptyDir": {}}],
    "controller.extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}],
    "controller.extraContainers": [{"name": "side", "image": "side:1"}],
    "controller.extraInitContainers": [{"name": "init", "image": "init:1"}],
    "controller.resources": {"limits": {"memory": "1Gi"}},
    "controller.startupProbe": {"httpGet": {"path": "/healthz", "port": "metrics"}},
    "controller.maxUnavailable": "50%",
    "controller.autoscaling.enabled": True,
    "controller.autoscaling.minReplicas": 2,
    "controller.autoscaling.targetMemoryUtilizationPercentage": 80,
    "controller.autoscaling.behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
    "controller.updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
    "controller.minReadySeconds": 5,
    "controller.progressDeadlineSeconds": 100,
    "controller.tolerations": [{"operator": "Exists"}],
    "controller.affinity": {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {
                    "topologyKey": "kubernetes.io/hostname",
                    "labelSelector": {"matchLabels": {"a": "{{ .Release.Name }}"}},
                }
            ]
        }
    },
    "controller.topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
    ],
    "controller.priorityClassName": "system-cluster-critical",
    "controller.sysctls": {"net.core.somaxconn": 4096},
    "controller.networkPolicy.enabled": True,
    "controller.networkPolicy.metricsFrom": [{"namespaceSelector": {}}],
    "controller.service.externalTrafficPolicy": "Local",
    "controller.service.sessionAffinity": "ClientIP",
    "controller.service.loadBalancerSourceRanges": ["192.0.2.0/24"],
    "controller.service.allocateLoadBalancerNodePorts": False,
    "controller.service.ipFamilyPolicy": "PreferDualStack",
    "controller.service.ipFamilies": ["IPv4"],
    "controller.service.trafficDistribution": "PreferClose",
    "controller.service.internal.enabled": True,
    "controller.service.internal.type": "NodePort",
    "controller.service.internal.nodePorts.http": 30999,
    "controller.admissionWebhooks.failurePolicy": "Fail",
    "controller.admissionWebhooks.objectSelector": {"matchLabels": {"checked": "yes"}},
    "controller.admissionWebhooks.matchConditions": [
        {"name": "people", "expression": "request.userInfo.username != ''"}
    ],
    "controller.metrics.enabled": True,
    "controller.metrics.scrapeAnnotations": True,
}


@pytest.fixture
def releases(api_server: Kube) -> Iterator[list[tuple[str, str]]]:
    """Names and namespaces of what a test installs; uninstalled when it is still there at the end."""
    made: list[tuple[str, str]] = []
    yield made
    for name, namespace in made:
        api_server.helm("uninstall", name, "--namespace", namespace, "--ignore-not-found")


def install(kube: Kube, name: str, namespace: str, values: Values) -> str:
    text = json.dumps(nested(values))
    done = kube.helm("upgrade", "--install", name, str(CHART), "-n", namespace, "-f", "-", input=text)
    return done.stdout


def own_class(name: str) -> dict[str, Any]:
    return {
        "controller.ingressClassResource.name": name,
        "controller.ingressClassResource.controllerValue": f"example.com/{name}",
    }


def everything(kube: Kube, namespace: str) -> set[str]:
    """What there is in a namespace, and cluster-wide of the kinds that the chart makes."""
    kinds = kube.kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name").stdout.split()
    wanted = ",".join(kind for kind in kinds if not kind.startswith(BY_ITSELF))
    inside = kube.kubectl("-n", namespace, "get", wanted, "-o", "name").stdout.split()
    cluster = "clusterrole,clusterrolebinding,ingressclass,validatingwebhookconfiguration"
    return set(inside) | set(kube.kubectl("get", cluster, "-o", "name").stdout.split())


def authority_signed(kube: Kube, namespace: str, secret: str) -> x509.Certificate:
    """The webhook's certificate, which the configuration's authority has signed."""
    data = kube.get(f"/api/v1/namespaces/{namespace}/secrets/{secret}")["data"]
    path = f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{secret}.{namespace}"
    bundles = {hook["clientConfig"]["caBundle"] for hook in kube.get(path)["webhooks"]}
    assert bundles == {data["ca.crt"]}
    authority = x509.load_pem_x509_certificate(base64.b64decode(data["ca.crt"]))
    made = x509.load_pem_x509_certificate(base64.b64decode(data["tls.crt"]))
    made.verify_directly_issued_by(authority)
    return made


def shared_secret(kube: Kube, namespace: str) -> dict[str, str]:
    """What the pods of the release `edge` know each other by."""
    data: dict[str, str] = kube.get(f"/api/v1/namespaces/{namespace}/secrets/edge-serin-facts")["data"]
    authority, made = (x509.load_pem_x509_certificate(base64.b64decode(data[key])) for key in ("ca.crt", "tls.crt"))
    made.verify_directly_issued_by(authority)
    return data


@pytest.mark.parametrize(
    "values",
    [
        {},
        EVERYTHING,
        {"controller.kind": "DaemonSet", "controller.hostNetwork": True, "controller.containerPort.http": 80},
        {"controller.scope.enabled": True, "rbac.scope": True},
        {"controller.publishService.enabled": False, "controller.service.enabled": False},
    ],
    ids=["defaults", "everything", "host network", "one namespace", "no service"],
)
def test_the_api_server_takes_what_is_rendered(
    api_server: Kube, kube_programs: dict[str, Path], namespace: str, values: Values
) -> None:
    chart = Chart(kube_programs["helm"])
    release = chart.render({**own_class(namespace), **values}, namespace=namespace)
    objects = [each for each in release.objects if not each["apiVersion"].startswith(NOT_HERE)]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    done = api_server.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=text)
    assert len(done.stdout.splitlines()) == len(objects)
    assert "Warning" not in done.stderr, "the pods keep to what Kubernetes recommends"


def test_pods_keep_to_the_restricted_standard(
    api_server: Kube, kube_programs: dict[str, Path], make_namespace: Callable[..., str]
) -> None:
    namespace = make_namespace({"pod-security.kubernetes.io/enforce": "restricted"})
    template = Chart(kube_programs["helm"]).render(namespace=namespace).template
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {**pod["metadata"], "name": "pod", "namespace": namespace}
    pod["spec"] = {**pod["spec"], "serviceAccountName": "default"}
    until(lambda: api_server.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/default"), "the service account")
    api_server.kubectl("apply", "--dry-run=server", "-f", "-", input=json.dumps(pod))


def test_a_release_comes_changes_and_goes(
    api_server: Kube, make_namespace: Callable[..., str], releases: list[tuple[str, str]]
) -> None:
    namespace = make_namespace()
    until(lambda: api_server.get(f"/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt"), "the namespace")
    before = everything(api_server, namespace)
    releases.append(("edge", namespace))

    notes = install(api_server, "edge", namespace, own_class(namespace))
    assert "is installed as Deployment edge-serin-controller" in notes
    deployment = f"/apis/apps/v1/namespaces/{namespace}/deployments/edge-serin-controller"
    assert api_server.get(deployment)["spec"]["replicas"] == 1
    facts = shared_secret(api_server, namespace)
    first = authority_signed(api_server, namespace, "edge-serin-admission")
    names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert f"edge-serin-admission.{namespace}.svc" in names.get_values_for_type(x509.DNSName)

    install(
        api_server,
        "edge",
        namespace,
        {**own_class(namespace), "controller.replicaCount": 3, "controller.config": {"hsts": False}},
    )
    assert api_server.get(deployment)["spec"]["replicas"] == 3
    assert api_server.get(f"/api/v1/namespaces/{namespace}/configmaps/edge-serin-controller")["data"] == {
        "hsts": "false"
    }
    assert authority_signed(api_server, namespace, "edge-serin-admission") == first, "an upgrade keeps the certificate"
    assert shared_secret(api_server, namespace) == facts, "and what the pods know each other by"

    api_server.helm("rollback", "edge", "1", "-n", namespace)
    assert api_server.get(deployment)["spec"]["replicas"] == 1

    api_server.helm("uninstall", "edge", "-n", namespace)
    until(lambda: everything(api_server, namespace) == before, "everything but the CRD to be gone", every=0.2)
    assert api_server.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/canaryroutes.serin.dev")


def test_a_certificate_is_made_anew_when_it_is_old_or_gone(
    api_server: Kube, namespace: str, releases: list[tuple[str, str]]
) -> None:
    releases.append(("edge", namespace))
    values = own_class(namespace)
    install(api_server, "edge", namespace, values)
    found = [authority_signed(api_server, namespace, "edge-serin-admission")]
    facts = [shared_secret(api_server, namespace)]
    api_server.kubectl(
        "-n", namespace, "annotate", "secret", "edge-serin-facts", "--overwrite", "serin.dev/renew-after=1"
    )
    for change in (
        ("annotate", "secret", "edge-serin-admission", "--overwrite", "serin.dev/renew-after=1000"),
        ("delete", "secret", "edge-serin-admission"),
    ):
        api_server.kubectl("-n", namespace, *change)
        install(api_server, "edge", namespace, values)
        found.append(authority_signed(api_server, namespace, "edge-serin-admission"))
        facts.append(shared_secret(api_server, namespace))
    assert len({each.serial_number for each in found}) == 3
    assert facts[0]["token"] != facts[1]["token"] == facts[2]["token"], "one is old, which is told by its annotation"


def test_a_certificate_of_ones_own_is_taken(api_server: Kube, namespace: str, releases: list[tuple[str, str]]) -> None:
    releases.append(("edge", namespace))
    own = {
        "controller.admissionWebhooks.existingSecret": "mine",
        "controller.admissionWebhooks.caBundle": "eA==",
        "controller.rollouts.facts.existingSecret": "ours",
    }
    text = json.dumps(nested({**own_class(namespace), **own}))
    command = ("upgrade", "--install", "edge", str(CHART), "-n", namespace, "-f", "-", "--dry-run=server")
    rendered = api_server.helm(*command, input=text)
    assert "kind: Secret" not in rendered.stdout


@pytest.mark.parametrize("together", [True, False], ids=["one namespace", "two namespaces"])
def test_two_releases_stand_side_by_side(
    api_server: Kube, make_namespace: Callable[..., str], releases: list[tuple[str, str]], together: bool
) -> None:
    """In two namespaces even under one name."""
    here = make_namespace()
    there = here if together else make_namespace()
    names = ("first", "second") if together else ("edge", "edge")
    for name, namespace, cls in zip(names, (here, there), (f"{here}-a", f"{here}-b"), strict=True):
        releases.append((name, namespace))
        install(api_server, name, namespace, own_class(cls))
    leases, classes = set(), set()
    for name, namespace in releases:
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}-serin-controller"
        containers = api_server.get(path)["spec"]["template"]["spec"]["containers"]
        told = dict(argument.lstrip("-").partition("=")[::2] for argument in containers[0]["args"])
        leases.add((namespace, told["election-id"]))
        classes.add((told["ingress-class"], told["controller-class"]))
    assert len(leases) == 2
    assert len(classes) == 2
    name, namespace = releases[0]
    api_server.helm("uninstall", name, "-n", namespace)
    left = api_server.helm("list", "-n", there, "--short").stdout.split()
    assert left == [names[1]]
    assert authority_signed(api_server, there, f"{names[1]}-serin-admission")


def test_what_is_in_the_way_is_told_before_anything_is_made(api_server: Kube, namespace: str) -> None:
    before = everything(api_server, namespace)
    values = json.dumps(nested({"controller.extraArgs": {"watch-namespace": "x"}, "controller.scope.namespace": "y"}))
    done = api_server.helm("install", "edge", str(CHART), "-n", namespace, "-f", "-", input=values, check=False)
    assert done.returncode
    assert "use controller.scope.namespace" in done.stderr
    assert everything(api_server, namespace) == before
