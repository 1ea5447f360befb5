"""Values that are wrong: what helm says names the key, what was found, and what is expected or to be done instead."""

from typing import Any

import pytest
import yaml
from harness.chart import CHART, Chart, Values, leaves, nested, with_notes

ROWS = yaml.safe_load((CHART / "files" / "ingress-nginx.yaml").read_text())
C = "controller."

SCHEMA = [
    ({C + "replicaCuont": 2}, "'/controller': additional properties 'replicaCuont'"),
    ({"controler": {}}, "additional properties 'controler'"),
    ({C + "kind": "Both"}, "'/controller/kind': value must be one of 'Deployment', 'DaemonSet'"),
    ({C + "replicaCount": "two"}, "'/controller/replicaCount': got string, want integer"),
    ({C + "containerPort.http": 70000}, "'/controller/containerPort/http'"),
    ({C + "podAnnotations": {"a": True}}, "'/controller/podAnnotations/a': got boolean, want string"),
    ({C + "admissionWebhooks.timeoutSeconds": 60}, "'/controller/admissionWebhooks/timeoutSeconds'"),
    ({C + "admissionWebhooks.failurePolicy": "ignore"}, "'Ignore', 'Fail'"),
    ({C + "service.type": "Loadbalancer"}, "'LoadBalancer', 'NodePort', 'ClusterIP'"),
    ({C + "service.nodePorts.http": "thirty"}, "'/controller/service/nodePorts/http'"),
    ({C + "electionTTL": "half a minute"}, "'/controller/electionTTL'"),
    ({C + "extraArgs": {"--v": "2"}}, "'/controller/extraArgs': additional properties '--v'"),
    ({C + "podLabels": {"app.kubernetes.io/name": "x"}}, "'/controller/podLabels/app.kubernetes.io~1name'"),
    ({C + "ingressClassResource.name": ""}, "'/controller/ingressClassResource/name'"),
    ({C + "service": None}, "'service'"),
    ({"tcp": {"web": "a/b:1"}}, "'/tcp': additional properties 'web'"),
    ({"udp": {"53": "b:1"}}, "'/udp/53'"),
    ({C + "rollouts.checkHosts": ["http://a b"]}, "'/controller/rollouts/checkHosts/0'"),
    ({"dataPlane.plane": "none"}, "'proxy', 'nginx'"),
    ({"dataPlane.workers": 61}, "'/dataPlane/workers': maximum"),
    ({"dataPlane.accessLog": "apache"}, "'upstreaminfo', 'json', 'off'"),
    ({"dataPlane.runDirectory.planSizeLimit": "much"}, "'/dataPlane/runDirectory/planSizeLimit'"),
]
TOGETHER = [
    ({C + "scope.enabled": True, C + "scope.namespaceSelector": "b=c"}, "expected one of the two"),
    ({"tcp": {"8443": "a/b:1"}}, "tcp.8443: Serin itself listens on this port"),
    (
        {C + "addHeaders": {"X-A": "b"}, C + "config": {"add-headers": "a/b"}},
        "controller.config.add-headers: the chart sets this key, as controller.addHeaders has header lines",
    ),
    ({"tcp": {"1": "a/b:1"}, C + "extraArgs": {"tcp-services-configmap": "a/b"}}, "expected one of the two"),
    ({C + "scope.namespace": "a"}, "controller.scope.enabled: expected true"),
    ({"rbac.scope": True}, "only with controller.scope.enabled"),
    ({"rbac.scope": True, C + "scope.namespaceSelector": "a=b"}, "only with controller.scope.enabled"),
    (
        {"rbac.scope": True, C + "scope.enabled": True, C + "publishService.enabled": False},
        "nodes cannot be read without a ClusterRole",
    ),
    ({C + "hostNetwork": True, C + "hostPort.enabled": True}, "turn hostPort off"),
    ({C + "metrics.port": 8080}, "expected a port for each, found 8080, 8443, 8080, 9443, 8444"),
    ({C + "rollouts.facts.port": 8443}, "expected a port for each"),
    (
        {C + "rollouts.approvalRBAC": True, C + "admissionWebhooks.enabled": False},
        "controller.rollouts.approvalRBAC: expected controller.admissionWebhooks.enabled",
    ),
    (
        {C + "rollouts.facts.enabled": False, C + "rollouts.facts.existingSecret": "a"},
        "expected controller.rollouts.facts.enabled beside it",
    ),
    ({C + "service.enableHttp": False, C + "service.enableHttps": False}, "expected enableHttp or enableHttps"),
    ({"dataPlane.shutdownGraceSeconds": 295}, "it is 305 s"),
    ({"dataPlane.nginxLua": "off"}, "expected dataPlane.plane nginx"),
    (
        {C + "admissionWebhooks.existingSecret": "a", C + "admissionWebhooks.certManager.enabled": True},
        "expected existingSecret or certManager.enabled, found both",
    ),
    ({C + "admissionWebhooks.existingSecret": "a"}, "expected the authority of existingSecret's certificate"),
    ({C + "admissionWebhooks.caBundle": "eA=="}, "expected existingSecret beside it"),
    ({C + "kind": "DaemonSet", C + "autoscaling.enabled": True}, "expected controller.kind Deployment"),
    (
        {C + "autoscaling.enabled": True, C + "autoscaling.minReplicas": 3, C + "autoscaling.maxReplicas": 2},
        "expected at least minReplicas (3)",
    ),
    ({C + "metrics.serviceMonitor.enabled": True}, "expected controller.metrics.enabled"),
    (
        {
            C + "metrics.enabled": True,
            C + "metrics.service.type": "NodePort",
            C + "metrics.service.clusterIP": "None",
        },
        "None needs type ClusterIP",
    ),
]
OWN_FLAGS = {
    C: {
        "watch-namespace": "controller.scope.namespace",
        "publish-service": "controller.publishService.pathOverride",
        "election-id": "controller.electionID",
        "http-port": "controller.containerPort.http",
    },
    "dataPlane.": {"workers": "dataPlane.workers", "healthz-port": "controller.metrics.port"},
}
# What a copy of that chart's own values.yaml has, as far as it is not the same here; nothing is said of it.
QUIET: Values = {
    C + "name": "controller",
    C + "image": {"chroot": False, "runAsUser": 101, "runAsGroup": 82, "allowPrivilegeEscalation": False},
    C + "allowSnippetAnnotations": False,
    C + "enableMimalloc": True,
    C + "containerPort": {"http": 80, "https": 443},
    C + "ingressClassResource": {"name": "nginx", "controllerValue": "k8s.io/ingress-nginx", "parameters": {}},
    C + "ingressClass": "nginx",
    C + "dnsPolicy": "ClusterFirst",
    C + "opentelemetry": {"enabled": False, "name": "opentelemetry"},
    C + "keda": {"enabled": False, "apiVersion": "keda.sh/v1alpha1"},
    C + "customTemplate": {"configMapName": "", "configMapKey": ""},
    C + "tcp": {"configMapNamespace": "", "annotations": {}},
    C + "hostname": {},
    C + "proxySetHeaders": {},
    C + "healthCheckPath": "/healthz",
    C + "livenessProbe": {"httpGet": {"path": "/healthz", "port": 10254}},
    C + "autoscaling.targetMemoryUtilizationPercentage": 50,
    C + "service.external": {"enabled": True, "labels": {}},
    C + "service.nodePorts": {"http": "", "https": "", "tcp": {}, "udp": {}},
    C + "admissionWebhooks": {
        "certificate": "/usr/local/certificates/cert",
        "key": "/usr/local/certificates/key",
        "failurePolicy": "Fail",
        "port": 8443,
        "certManager": {"enabled": False, "rootCert": {"duration": ""}, "admissionCert": {"duration": ""}},
        "service": {"type": "ClusterIP", "externalIPs": [], "servicePort": 443},
    },
    C + "metrics": {"portName": "metrics", "service": {"externalIPs": []}, "prometheusRule": {"rules": []}},
    C + "config": {"use-forwarded-headers": True},
    "defaultBackend": {"enabled": False, "image": {"registry": "registry.k8s.io"}},
    "serviceAccount": {"create": True, "name": None, "automountServiceAccountToken": True},
    "podSecurityPolicy": {"enabled": False},
    "tcp": {},
    "udp": {},
    "dhParam": "",
}
# Of the same copy; named in the notes.
NAMED: Values = {
    C + "readinessProbe": {"httpGet": {"path": "/healthz", "port": 10254}},
    C + "lifecycle": {"preStop": {"exec": {"command": ["/wait-shutdown"]}}},
    C + "admissionWebhooks.patch": {"enabled": True, "image": {"tag": "v1.6.9"}},
}


@pytest.mark.parametrize(("values", "said"), [*SCHEMA, *TOGETHER])
def test_what_is_wrong_is_named(chart: Chart, values: Values, said: str) -> None:
    assert said in chart.refusal(values)


def test_all_that_is_wrong_is_told_at_once(chart: Chart) -> None:
    said = chart.refusal({C + "scope.namespace": "a", C + "extraArgs": {"configmap": "a/b", "plane": "nginx"}})
    assert "controller.scope.enabled" in said
    assert "controller.extraArgs.configmap: the chart sets this flag; use controller.config" in said
    assert "controller.extraArgs.plane" in said


@pytest.mark.parametrize(("part", "flag"), [(part, flag) for part, flags in OWN_FLAGS.items() for flag in flags])
def test_flags_of_the_chart_lead_to_their_values(chart: Chart, part: str, flag: str) -> None:
    assert f"use {OWN_FLAGS[part][flag]}" in chart.refusal({part + "extraArgs": {flag: "1"}})


def test_no_flag_is_given_twice(chart: Chart) -> None:
    """Whatever the chart may set is refused in extraArgs."""
    everything: dict[str, Any] = {
        C + "scope.enabled": True,
        C + "disableLeaderElection": True,
        C + "electionTTL": "9s",
        C + "reportNodeInternalIp": True,
        C + "ingressClassByName": True,
        C + "watchIngressWithoutClass": True,
        "dataPlane.workers": 1,
        "dataPlane.plane": "nginx",
    }
    release = chart.render(everything)
    for container, part in (("controller", C), ("data-plane", "dataPlane.")):
        for argument in release.container(container)["args"]:
            flag = argument.removeprefix("--").partition("=")[0]
            assert f"extraArgs.{flag}: the chart sets this flag" in chart.refusal({part + "extraArgs": {flag: "1"}})


@pytest.mark.parametrize("row", [row for row in ROWS if row["lost"] == "refused"], ids=lambda row: row["key"])
def test_what_cannot_be_done_is_refused(chart: Chart, row: dict[str, Any]) -> None:
    assert f"- {row['key']}: {row['at']}" in chart.refusal({row["key"]: meaning(row)})


def test_what_makes_no_difference_is_named_in_the_notes(chart: Chart, tmp_path: Any) -> None:
    ignored = [row for row in ROWS if row["lost"] == "ignored"]
    notes = with_notes(chart, tmp_path).render({row["key"]: meaning(row) for row in ignored}).one("Notes")["text"]
    assert [row["key"] for row in ignored if f"- {row['key']}: {row['at']}" not in notes] == []


def meaning(row: dict[str, Any]) -> Any:
    """A value that asks for something."""
    return next(value for value in row.get("only", (True, "x", {"a": "b"})) if value not in row.get("fine", ()))


def test_a_copy_of_that_chart_s_values_is_taken_with_few_words(chart: Chart, tmp_path: Any) -> None:
    noted = with_notes(chart, tmp_path)
    assert "no effect here" not in noted.render(QUIET).one("Notes")["text"]
    notes = noted.render({**QUIET, **NAMED}).one("Notes")["text"]
    said = {line.split(":")[0] for line in notes.partition("no effect here:")[2].splitlines() if line}
    keys = ("readinessProbe.httpGet.path", "lifecycle.preStop.exec.command", "admissionWebhooks.patch")
    assert said == {f"- {C}{key}" for key in keys}


def test_what_would_be_wrong_here_is_put_right(chart: Chart) -> None:
    data_plane = chart.render({**QUIET, **NAMED}).container("data-plane")
    assert data_plane["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert "lifecycle" not in data_plane
    assert "--shutdown-delay=10" in data_plane["args"]


def test_what_is_empty_may_be_taken_away(chart: Chart) -> None:
    """`key:` with nothing behind it, which takes the default away, is the same as the empty default."""
    values = leaves(yaml.safe_load((CHART / "values.yaml").read_text()))
    empty = {key: None for key, value in values.items() if value in ("", {}, [])}
    assert len(empty) > 80
    # Whose Secrets are others each time.
    without = {C + "admissionWebhooks.enabled": False, C + "rollouts.facts.enabled": False}
    assert chart.render({**empty, **without}).objects == chart.render(without).objects


def test_rows_are_of_two_kinds_and_say_what_to_do() -> None:
    assert {row["lost"] for row in ROWS} == {"refused", "ignored"}
    assert all(row["at"] and not row["at"][0].isupper() for row in ROWS)
    assert len({row["key"] for row in ROWS}) == len(ROWS)


def test_no_row_is_of_a_value_that_is_taken() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def taken(key: str) -> bool:
        here: Any = values
        for part in key.split("."):
            if not isinstance(here, dict) or part not in here:
                return False
            here = here[part]
        return True

    assert [row["key"] for row in ROWS if taken(row["key"]) and "only" not in row] == []
    assert nested({"a.b": 1, "a.c": 2}) == {"a": {"b": 1, "c": 2}}


def test_a_part_of_another_chart_may_be_conditional(chart: Chart) -> None:
    """A parent chart passes `enabled` and `global` down."""
    chart.render({"enabled": True, "global": {"anything": 1}})
