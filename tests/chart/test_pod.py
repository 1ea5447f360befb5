"""The pod: two containers of one image, parted by what they may touch."""

import json
from typing import Any

import pytest
from harness.chart import CHART, ROOT, Chart, Object, Release, named

from serin.cli.arguments import parse
from serin.dataplane.settings import MAX_WORKERS, DataPlaneSettings
from serin.native import layout, state
from serin.telemetry.access_log import LogFormat

CONTAINERS = ("controller", "data-plane")
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
NO_RIGHTS = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 101,
    "runAsGroup": 101,
    "capabilities": {"drop": ["ALL"]},
}
# Every flag that the chart can set, at once.
ALL_FLAGS = {
    "controller.reportNodeInternalIp": True,
    "controller.ingressClassByName": True,
    "controller.watchIngressWithoutClass": True,
    "controller.disableLeaderElection": True,
    "controller.electionTTL": "15s",
    "controller.scope.namespaceSelector": "team in (a,b)",
    "controller.extraArgs": {"disable-catch-all": "", "enable-ssl-passthrough": True},
    "controller.rollouts.checkHosts": ["*.monitoring.svc", "10.0.0.0/8"],
    "controller.rollouts.approvalRBAC": True,
    "dataPlane.workers": 3,
    "dataPlane.extraArgs": {"bind": "0.0.0.0"},
}


@pytest.fixture(scope="module")
def release(chart: Chart) -> Release:
    return chart.render()


def mounts(container: Object) -> dict[str, tuple[str, bool]]:
    return {each["name"]: (each["mountPath"], each.get("readOnly", False)) for each in container["volumeMounts"]}


def test_there_are_two_containers(release: Release) -> None:
    assert tuple(each["name"] for each in release.pod["containers"]) == CONTAINERS
    assert len({each["image"] for each in release.pod["containers"]}) == 1
    assert "initContainers" not in release.pod


def test_mounts_part_them(release: Release) -> None:
    assert mounts(release.container("controller")) == {
        "plan": ("/run/serin/plan", False),
        "state": ("/run/serin/state", True),
        "token": (TOKEN, True),
        "webhook": ("/etc/serin/webhook", True),
        "facts": ("/etc/serin/facts", True),
    }
    assert mounts(release.container("data-plane")) == {
        "plan": ("/run/serin/plan", True),
        "state": ("/run/serin/state", False),
    }


def test_only_the_controller_has_the_token(release: Release) -> None:
    assert release.pod["automountServiceAccountToken"] is False
    sources = named(release.pod["volumes"], "token")["projected"]["sources"]
    assert [source["serviceAccountToken"]["path"] for source in sources if "serviceAccountToken" in source] == ["token"]
    assert release.one("ServiceAccount")["automountServiceAccountToken"] is False
    text = json.dumps(release.container("data-plane"))
    assert "token" not in text
    assert "secret" not in text.lower()


def test_nothing_but_memory_is_written(release: Release) -> None:
    kinds = {volume["name"]: next(key for key in volume if key != "name") for volume in release.pod["volumes"]}
    memory = {"plan": "emptyDir", "state": "emptyDir"}
    assert kinds == {**memory, "token": "projected", "webhook": "secret", "facts": "secret"}
    for name in ("plan", "state"):
        assert named(release.pod["volumes"], name)["emptyDir"]["medium"] == "Memory"


def test_rights_are_the_least(release: Release) -> None:
    pod = release.pod
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 101,
        "runAsGroup": 101,
        "fsGroup": 101,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod["shareProcessNamespace"] is False
    assert "hostNetwork" not in pod
    for name in CONTAINERS:
        assert release.container(name)["securityContext"] == NO_RIGHTS


@pytest.mark.parametrize(
    ("host_network", "http", "added"),
    [(True, 80, ["NET_BIND_SERVICE"]), (True, 8080, None), (False, 80, None)],
)
def test_one_right_comes_with_low_ports_of_the_node(
    chart: Chart, host_network: bool, http: int, added: list[str] | None
) -> None:
    release = chart.render({"controller.hostNetwork": host_network, "controller.containerPort.http": http})
    assert release.container("data-plane")["securityContext"]["capabilities"].get("add") == added
    assert release.container("controller")["securityContext"] == NO_RIGHTS


def test_probes_ask_the_data_plane_alone(release: Release) -> None:
    assert [key for key in release.container("controller") if key.endswith("Probe")] == []
    data_plane = release.container("data-plane")
    probes = {key: data_plane[key]["httpGet"]["path"] for key in data_plane if key.endswith("Probe")}
    assert probes == {"livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert {data_plane[key]["httpGet"]["port"] for key in probes} == {"metrics"}


@pytest.mark.parametrize("values", [{}, ALL_FLAGS], ids=["defaults", "all flags"])
def test_the_command_line_takes_every_flag(chart: Chart, values: dict[str, Any]) -> None:
    release = chart.render(values)
    for name in CONTAINERS:
        container = release.container(name)
        line = [*container["command"], *container["args"]]
        assert line[0] == "serin"
        parse(line[1:])
    supervised = release.container("controller")["command"]
    assert supervised == ["serin", "supervise", "--", "serin", "controller"]
    parse([*supervised[4:], *release.container("controller")["args"]])


def test_the_controller_finds_what_the_data_plane_serves(release: Release) -> None:
    controller = parse(["controller", *release.container("controller")["args"]])
    data_plane = parse(["data-plane", *release.container("data-plane")["args"]])
    assert controller.run_dir == data_plane.run_dir
    assert controller.plane == "none"
    assert (
        controller.validating_webhook_certificate.parent.as_posix()
        == mounts(release.container("controller"))["webhook"][0]
    )
    assert controller.facts_secret.as_posix() == mounts(release.container("controller"))["facts"][0]


def test_endings_come_in_order(chart: Chart) -> None:
    """Serve on while others still send; then drain; then, with time left, be killed."""
    for values in ({}, {"controller.terminationGracePeriodSeconds": 60, "controller.preStopSeconds": 5}):
        release = chart.render(values)
        told = parse(["data-plane", *release.container("data-plane")["args"]])
        before, grace = told.shutdown_delay, told.shutdown_grace
        assert "lifecycle" not in release.container("data-plane"), "SIGTERM is to come at once: /readyz says so"
        assert release.container("controller")["lifecycle"]["preStop"]["sleep"]["seconds"] == before
        assert before + grace + 10 == release.pod["terminationGracePeriodSeconds"]


def test_the_default_grace_is_that_of_ingress_nginx(release: Release) -> None:
    assert release.pod["terminationGracePeriodSeconds"] == 300


def test_old_kubernetes_sleeps_by_a_command(chart: Chart) -> None:
    lifecycle = chart.render(kube="1.29.0").container("controller")["lifecycle"]
    assert lifecycle == {"preStop": {"exec": {"command": ["sleep", "10"]}}}


def test_old_kubernetes_gets_nothing_that_it_does_not_know(chart: Chart) -> None:
    values = {
        "controller.autoscaling.enabled": True,
        "controller.admissionWebhooks.matchConditions": [{"name": "n", "expression": "true"}],
    }
    old, new = chart.render(values, kube="1.25.0"), chart.render(values, kube="1.28.0")
    assert [hook.get("matchConditions") for hook in old.one("ValidatingWebhookConfiguration")["webhooks"]] == [
        None,
        None,
    ]
    assert new.one("ValidatingWebhookConfiguration")["webhooks"][0]["matchConditions"]
    assert old.one("HorizontalPodAutoscaler")["spec"]["metrics"][0]["type"] == "Resource"
    assert new.one("HorizontalPodAutoscaler")["spec"]["metrics"][0]["type"] == "ContainerResource"


def test_a_daemon_set_has_the_same_pod(chart: Chart, release: Release) -> None:
    assert chart.render({"controller.kind": "DaemonSet"}).pod == release.pod


def test_environment_says_which_pod_it_is(release: Release) -> None:
    for name in CONTAINERS:
        fields = {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"] for each in release.container(name)["env"]}
        assert fields == {"POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}


def test_labels_of_pods_stay_through_upgrades(release: Release) -> None:
    """The controller finds its replicas by them, and a Deployment its pods: no version may be among them."""
    labels = release.template["metadata"]["labels"]
    assert labels == release.one("Deployment")["spec"]["selector"]["matchLabels"]
    assert set(labels) == {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}


def test_labels_of_users_do_not_part_pods_from_their_services(chart: Chart) -> None:
    release = chart.render({"controller.podLabels": {"team": "edge"}, "controller.metrics.enabled": True})
    labels = release.template["metadata"]["labels"].items()
    for service in release.all("Service"):
        assert service["spec"]["selector"].items() <= labels


def test_the_data_plane_may_fill_its_files(release: Release, tmp_path: Any) -> None:
    """A memory volume that is full ends a process that writes into a mapped file: the bound is never below them."""
    (tmp_path / "plan").mkdir()
    (tmp_path / "state").mkdir()
    state.create(tmp_path, layout.WORKER_ROWS).close()
    longest = sum(path.stat().st_size for path in (tmp_path / "state").iterdir())
    limit = named(release.pod["volumes"], "state")["emptyDir"]["sizeLimit"]
    assert limit.endswith("Mi")
    assert longest < int(limit[:-2]) << 20


def test_bounds_of_the_schema_are_those_of_the_program(chart: Chart) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["dataPlane"]["properties"]
    assert schema["workers"]["maximum"] == MAX_WORKERS
    assert set(schema["accessLog"]["enum"]) == {each.value for each in LogFormat}


def test_defaults_are_the_program_s(chart: Chart) -> None:
    port = {each["name"]: each["containerPort"] for each in chart.render().container("data-plane")["ports"]}
    ours = DataPlaneSettings(run_dir=ROOT)
    assert (port["http"], port["https"], port["metrics"]) == (ours.http_port, ours.https_port, ours.healthz_port)
