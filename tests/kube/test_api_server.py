"""The test server itself: what other tests build on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness.kube import Kube, wait_for
from harness.relay import Relay
from harness.waiting import until
from localkube.client import Client, RequestFailedError

WATCH = "/api/v1/namespaces/{}/configmaps?watch=1"


def config_map(name: str, **data: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_applied_objects_are_there(api_server: Kube, namespace: str) -> None:
    api_server.apply(config_map("one", a="1"), config_map("two"), namespace=namespace)
    told = api_server.kubectl("-n", namespace, "get", "configmap", "one", "-o", "jsonpath={.data.a}")
    assert told.stdout == "1"
    assert api_server.get(f"/api/v1/namespaces/{namespace}/configmaps/two") is not None
    assert api_server.get(f"/api/v1/namespaces/{namespace}/configmaps/three") is None


def test_controllers_run(api_server: Kube, namespace: str) -> None:
    """EndpointSlices come from the controller-manager: without it services would have none."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop"}, "spec": {"ports": [{"port": 80}]}}
    endpoints = {"metadata": {"name": "shop"}, "subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 8}]}]}
    api_server.apply(service, {"apiVersion": "v1", "kind": "Endpoints", **endpoints}, namespace=namespace)
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    slices = wait_for(api_server, path, lambda found: bool(found["items"]), "the mirrored slice")
    assert slices["items"][0]["endpoints"][0]["addresses"] == ["10.1.2.3"]


def test_audit_tells_who_wrote_what(api_server: Kube, namespace: str) -> None:
    config = api_server.service_account(namespace, "writer")
    user = f"system:serviceaccount:{namespace}:writer"
    rights = ["create", "rolebinding", "writer", "--clusterrole=edit", f"--serviceaccount={namespace}:writer"]
    api_server.kubectl("-n", namespace, *rights)
    manifest = json.dumps(config_map("told", a="1"))
    api_server.kubectl("--kubeconfig", str(config), "create", "-f", "-", input=manifest)
    api_server.kubectl("--kubeconfig", str(config), "get", "nodes", check=False)
    [write] = api_server.audit(user, writes=True)
    assert (write.verb, write.resource, write.namespace, write.name) == ("create", "configmaps", namespace, "told")
    assert write.body["data"] == {"a": "1"}
    refused = [entry for entry in api_server.audit(user) if entry.forbidden]
    assert [(entry.verb, entry.resource) for entry in refused] == [("list", "nodes")]


def test_data_survive_a_stop(own_api_server: Kube) -> None:
    kube = own_api_server
    kube.apply(config_map("kept"))
    kube.stop()
    with pytest.raises(RequestFailedError, match="refused"):
        kube.get("/api/v1/namespaces/default/configmaps/kept")
    kube.delete_behind("configmaps", "kube-system", "extension-apiserver-authentication")
    kube.start()
    assert kube.get("/api/v1/namespaces/default/configmaps/kept") is not None


def test_compacted_history_is_gone(own_api_server: Kube) -> None:
    kube = own_api_server
    kube.apply(config_map("old"))
    version = kube.get("/api/v1/namespaces/default/configmaps/old")["metadata"]["resourceVersion"]
    kube.apply(config_map("newer"))
    kube.stop()
    kube.compact()
    kube.start()
    watch = kube.request("GET", f"/api/v1/configmaps?watch=1&timeoutSeconds=5&resourceVersion={version}")
    assert (watch["type"], watch["object"]["code"]) == ("ERROR", 410)


def test_certificates_change_under_clients(own_api_server: Kube) -> None:
    kube = own_api_server
    config = kube.service_account("default", "default")
    before = kube.plane.authority.files.certificate.read_bytes()
    kube.stop()
    kube.renew_certificates()
    kube.start()
    assert kube.plane.authority.files.certificate.read_bytes() != before
    who = kube.kubectl("--kubeconfig", str(config), "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    assert who.stdout == "system:serviceaccount:default:default"


def test_programs_end_with_the_test_run(api_server: Kube, tmp_path: Path) -> None:
    """A killed test run leaves no server behind."""
    program = (
        "import os, pathlib, sys\n"
        "from localkube.processes import start\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "started = start(['sleep', '600'], record=folder / 'r.json', log=folder / 'log')\n"
        "print(started.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    pid = int(done.stdout)
    until(lambda: not Path(f"/proc/{pid}/exe").exists(), "the orphan's end")


def test_relay_cuts_a_watch_mid_stream(api_server: Kube, namespace: str) -> None:
    with Relay(api_server.server) as relay:
        config = relay.kubeconfig(api_server.kubeconfig)
        kubectl = [str(api_server.plane.programs["kubectl"]), "--kubeconfig", str(config), "-n", namespace]
        watch = subprocess.Popen([*kubectl, "get", "--raw", WATCH.format(namespace)], stdout=subprocess.PIPE, text=True)
        assert watch.stdout is not None
        try:
            assert json.loads(watch.stdout.readline())["object"]["metadata"]["name"] == "kube-root-ca.crt"
            relay.cut()
            assert watch.wait(10) != 0
        finally:
            watch.kill()
            watch.wait()
            watch.stdout.close()


def test_relay_holds_and_releases(api_server: Kube) -> None:
    with Relay(api_server.server) as relay:
        client = Client(relay.server, api_server.plane.authority.files.certificate, api_server.plane.admin_identity)
        assert client.request("GET", "/readyz") == "ok"
        relay.hold()
        with pytest.raises(RequestFailedError, match="timed out"):
            client.request("GET", "/readyz", timeout=0.3)
        relay.release()
        assert client.request("GET", "/readyz") == "ok"
