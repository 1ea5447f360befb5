"""What `serin controller` tells: on objects by kubectl, at /metrics, in its log, and on the command line."""

import json
import subprocess
import sys
from typing import Any

import pytest
from harness.casefile import self_signed
from harness.controller_fixtures import backends, field, network
from harness.controllers import PORTS, Field, lines
from harness.manifests import canary, endpoint_slice, ingress, service
from harness.serving import await_ready, launch_command
from harness.waiting import until

__all__ = ["backends", "field", "network"]

HOST = "shop.example"


@pytest.fixture
def shop(field: Field) -> Field:
    field.make_class()
    field.put(service("main"), endpoint_slice("main", ["10.99.0.11"]), ingress("main", HOST, "main"))
    return field


def described(field: Field, name: str) -> str:
    return field.kube.kubectl("-n", field.namespace, "describe", "ingress", name).stdout


def test_kubectl_shows_address_and_what_is_wrong(shop: Field) -> None:
    closed = ingress("closed", "closed.example", "main", auth_type="basic", auth_secret="absent")
    missing = ingress("missing", "missing.example", "nobody")
    shop.put(closed, missing)
    shop.control("--publish-status-address", "192.0.2.1,lb.example")
    until(lambda: "absent" in events(described(shop, "closed")), "an Event about the Secret")
    assert "Warning" in events(described(shop, "closed"))
    until(lambda: "ServiceNotFound" in described(shop, "missing"), "an Event of the missing Service")
    listed = shop.kube.kubectl("-n", shop.namespace, "get", "ingress", "main").stdout
    until(lambda: "192.0.2.1" in shop.kube.kubectl("-n", shop.namespace, "get", "ingress", "main").stdout, "ADDRESS")
    assert "ADDRESS" in listed
    assert "lb.example" in described(shop, "main")


def events(text: str) -> str:
    return text.partition("Events:")[2]


def test_a_change_is_acknowledged_by_an_event(shop: Field) -> None:
    serving = shop.control()
    until(shop.holder, "a holder of the Lease")
    shop.put(ingress("more", "more.example", "main"))
    shop.becomes(serving, "main", "more.example")
    until(lambda: "Sync" in described(shop, "more"), "the Event Sync")


def test_but_not_when_it_is_not_wanted(shop: Field) -> None:
    serving = shop.control("--disable-sync-events")
    until(shop.holder, "a holder of the Lease")
    shop.put(ingress("more", "more.example", "nobody"))
    until(lambda: "ServiceNotFound" in described(shop, "more"), "the problem")
    assert "Sync" not in described(shop, "more")
    assert serving.is_ready()


def test_a_mistake_in_the_config_map_is_told_on_it(shop: Field) -> None:
    options = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "options"}, "data": {"hsts-max-age": "x"}}
    shop.put(options)
    shop.control("--configmap", f"{shop.namespace}/options")
    describe = ("-n", shop.namespace, "describe", "configmap", "options")
    until(lambda: "ConfigInvalid" in shop.kube.kubectl(*describe).stdout, "an Event on the ConfigMap")


def test_figures_of_all_parts_reach_the_data_planes_page(shop: Field) -> None:
    serving = shop.control()
    until(shop.holder, "a holder of the Lease")

    def page() -> str:
        return serving.get("/metrics")[1]

    until(lambda: "serin_controller_leader 1" in page(), "the leader's figures")
    for name in ("compiles_total", "store_objects", "api_calls_total", "events_total", "ingress_status_writes_total"):
        assert f"# TYPE serin_controller_{name} " in page()


def test_flags_that_do_nothing_say_so_and_nothing_of_their_values(shop: Field) -> None:
    serving = shop.control("--enable-ssl-chain-completion", "--maxmind-license-key=very-secret", "--sync-period", "10s")
    told = {line["flag"]: line["why"] for line in lines(serving, "flag-unused")}
    assert set(told) == {"--enable-ssl-chain-completion", "--maxmind-license-key", "--sync-period"}
    assert "very-secret" not in serving.output()


def test_missing_rights_are_sentences_and_are_waited_for(shop: Field) -> None:
    """Without one that is needed it waits; without one that is not it serves and says what does not work."""
    account = shop.kube.service_account(shop.namespace, "poor")
    ports = ("--kubeconfig", str(account), "--watch-namespace", shop.namespace, *shop.flags()[2:], *PORTS)
    run_dir = shop.folder / "poor"
    serving = launch_command("controller", *ports, run_dir=run_dir)
    shop.started.append(serving)
    until(lambda: list(lines(serving, "cluster-waiting")), "what is missing")
    sentences = {line["why"] for line in lines(serving, "cluster-waiting")}
    assert any(
        s.startswith(f"not allowed to list ingresses in namespace {shop.namespace}: without it") for s in sentences
    )
    assert serving.get("/readyz")[0] != 200
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "poor"},
        "rules": [
            {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["list", "watch"]},
            {"apiGroups": [""], "resources": ["services", "endpoints"], "verbs": ["list", "watch"]},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "poor"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "poor"},
        "subjects": [{"kind": "ServiceAccount", "name": "poor", "namespace": shop.namespace}],
    }
    by_annotation = ingress("annotated", "annotated.example", "main")
    del by_annotation["spec"]["ingressClassName"]
    by_annotation["metadata"]["annotations"] = {"kubernetes.io/ingress.class": shop.ingress_class}
    shop.put(role, binding, by_annotation)
    await_ready(serving)
    assert shop.answer(serving, "annotated.example") == "main"
    told = [line["why"] for line in lines(serving, "access-missing")]
    assert any("ingressclasses" in why for why in told)
    assert any("leases" in why and "no replica writes" in why for why in told)


def test_explain_and_lint_read_the_cluster_once(shop: Field) -> None:
    shop.put(service("next"), endpoint_slice("next", ["10.99.0.21"]))
    shop.put(canary("next", HOST, "next", by_header="Region", by_header_value="cd"))
    shop.put(ingress("closed", "closed.example", "main", auth_type="basic", auth_secret="absent"))

    def serin(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "serin", *arguments, *shop.flags(), "--watch-namespace", shop.namespace]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    explained = serin("explain", "--url", f"http://{HOST}/", "-H", "Region: cd", "--json")
    assert json.loads(explained.stdout)["service"] == "next", explained.stderr
    found = serin("lint", "--json")
    assert found.returncode == 1
    assert [problem["name"] for problem in json.loads(found.stdout)] == ["closed"]


def test_a_webhook_answers_by_what_is_on_the_cluster(shop: Field) -> None:
    certificate, key = self_signed("webhook.example")
    (shop.folder / "tls.crt").write_bytes(certificate)
    (shop.folder / "tls.key").write_bytes(key)
    files = ["--validating-webhook-certificate", str(shop.folder / "tls.crt")]
    files += ["--validating-webhook-key", str(shop.folder / "tls.key")]
    serving = shop.control("--validating-webhook", "127.0.0.1:0", *files)
    port = until(lambda: [line["port"] for line in lines(serving, "listening") if line.get("what")], "its port")[0]
    wrong = shop.placed(ingress("wrong", HOST, "main"))
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": {"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"},
            "operation": "CREATE",
            "namespace": shop.namespace,
            "name": "wrong",
            "object": wrong,
        },
    }
    answer = ask(port, review)
    assert answer["response"]["uid"] == "1"
    assert answer["response"]["allowed"] is False, "the path is taken by another Ingress"
    assert "main" in answer["response"]["status"]["message"]


def ask(port: int, review: dict[str, Any]) -> Any:
    url = f"https://127.0.0.1:{port}/networking/v1/ingresses"
    command = ["curl", "-sk", "-H", "Content-Type: application/json", "-d", "@-", url]
    return json.loads(
        subprocess.run(command, input=json.dumps(review), capture_output=True, text=True, check=True).stdout
    )


def test_what_nginx_refused_is_told_on_its_object(shop: Field) -> None:
    shop.put(ingress("more", "more.example", "main"))
    serving = shop.control_alone()
    until(lambda: (serving.run_dir / "plan" / "generation").exists(), "a plan")
    said = {"kind": "Ingress", "namespace": shop.namespace, "name": "more", "host": "more.example", "since": 1}
    found = serving.run_dir / "state" / "quarantine.json"
    found.parent.mkdir(exist_ok=True)
    beside = found.with_suffix(".new")
    beside.write_text(json.dumps({"version": 1, "objects": [{**said, "error": 'invalid number "x"'}]}))
    beside.replace(found)
    until(lambda: "NginxRefused" in events(described(shop, "more")), "an Event about what nginx refused")
    assert 'invalid number "x"' in events(described(shop, "more"))
