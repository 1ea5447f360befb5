"""What replicas know each other by, as the chart makes it: the program takes it, and nothing else gets it."""

import base64
import ssl
from pathlib import Path

from harness.chart import Chart, Object, Release, named

from serin.cli.arguments import parse
from serin.control.facts.replicas import PORT_NAME
from serin.control.facts.secret import FILES, SERVER_NAME, SharedSecret
from serin.control.outside.credentials import TYPES


def files(release: Release, folder: Path) -> dict[str, bytes]:
    """As the controller's container finds them."""
    secret = release.one("Secret", "-facts")
    volume = named(release.pod["volumes"], "facts")["secret"]
    assert volume["secretName"] == secret["metadata"]["name"]
    found = {item["path"]: base64.b64decode(secret["data"][item["key"]]) for item in volume["items"]}
    for name, text in found.items():
        (folder / name).write_bytes(text)
    return found


def test_the_program_takes_what_the_chart_makes(chart: Chart, tmp_path: Path) -> None:
    assert set(files(chart.render(), tmp_path)) == set(FILES)
    material = SharedSecret(tmp_path).look()
    assert material.allows(material.authorization)
    shake_hands(material.server, material.client)


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """In memory; SSLCertVerificationError when the one does not believe the other."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=SERVER_NAME)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    open_ones = [here, there]
    while open_ones:
        for each in list(open_ones):
            try:
                each.do_handshake()
                open_ones.remove(each)
            except ssl.SSLWantReadError:
                continue


def test_each_release_has_its_own(chart: Chart, tmp_path: Path) -> None:
    made = [files(chart.render(release=name), tmp_path) for name in ("a", "b")]
    for name in FILES:
        assert made[0][name] != made[1][name]
    assert len(made[0]["token"]) == 48


def test_no_check_can_send_it(chart: Chart) -> None:
    assert chart.render().one("Secret", "-facts")["type"] not in TYPES


def test_replicas_that_are_not_ready_are_found(chart: Chart) -> None:
    release = chart.render()
    service: Object = release.one("Service", "-facts")
    spec = service["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
    assert spec["selector"].items() <= release.template["metadata"]["labels"].items()
    port = named(spec["ports"], PORT_NAME)
    container = named(release.container("controller")["ports"], port["targetPort"])
    told = parse(["controller", *release.container("controller")["args"]])
    assert told.facts_address == ("", container["containerPort"])
    assert told.facts_service == ("$(POD_NAMESPACE)", service["metadata"]["name"])


def test_the_data_plane_has_nothing_of_it(chart: Chart) -> None:
    assert "facts" not in str(chart.render().container("data-plane"))


def test_the_metrics_monitor_does_not_take_it(chart: Chart) -> None:
    values = {"controller.metrics.enabled": True, "controller.metrics.serviceMonitor.enabled": True}
    release = chart.render(values)
    wanted = release.one("ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
    found = [
        each["metadata"]["name"] for each in release.all("Service") if wanted <= each["metadata"]["labels"].items()
    ]
    assert found == ["serin-controller-metrics"]


def test_people_get_their_rights_by_view_and_edit(chart: Chart) -> None:
    release = chart.render()
    found = {}
    for name in ("viewer", "editor", "approver"):
        role = release.one("ClusterRole", f"-canary-{name}")
        prefix = "rbac.authorization.k8s.io/aggregate-to-"
        found[name] = sorted(key.removeprefix(prefix) for key in role["metadata"]["labels"] if key.startswith(prefix))
        assert {group for rule in role["rules"] for group in rule["apiGroups"]} == {"serin.dev"}
    assert found == {"viewer": ["admin", "edit", "view"], "editor": ["admin", "edit"], "approver": ["admin", "edit"]}
    assert not chart.render({"controller.scope.enabled": True, "rbac.scope": True}).all("ClusterRole")
