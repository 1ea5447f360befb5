"""The webhook as people meet it: what kubectl says, asked by a real API server."""

import asyncio
import base64
import copy
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from golden.certificates import make_pair, tls_secret
from harness import canaryroutes
from harness.kube import Kube
from harness.waiting import until
from unit.admission.test_judge_canaryroutes import canary_route
from unit.compile.manifests import HOST, Raw, canary, endpoints, ingress, ingress_class, service

from serin.admission.certificate import CertificateFiles
from serin.admission.judge import Judge
from serin.admission.server import AdmissionServer
from serin.cluster import kinds
from serin.compile.compiler import compile_snapshot
from serin.compile.options import Options
from serin.control.patterns import check_pattern
from serin.objects.parse import parse_object
from serin.objects.store import Store
from serin.objects.views import View
from serin.refs import Ref

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
NAME = "validate.serin.dev"
READ = (kinds.INGRESS, kinds.SERVICE, kinds.ENDPOINT_SLICE, kinds.CANARY_ROUTE)


class Webhook:
    """A server in a thread of its own, over what the API server has in one namespace at the moment."""

    def __init__(self, kube: Kube, namespace: str, folder: Path) -> None:
        self.kube = kube
        self.namespace = namespace
        self.synced = True
        self.files = CertificateFiles(folder / "tls.crt", folder / "tls.key")
        self.replace_pair()
        judge = Judge(self._state, check_pattern, time.time)
        self.server = AdmissionServer(("127.0.0.1", 0), self.files, judge, self._lookup)
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        until(lambda: self.server.port, "the port")

    def stop(self) -> None:
        if self._thread.is_alive():
            assert self._task is not None
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join(20)

    def replace_pair(self) -> None:
        chain, key = make_pair("localhost")
        self.files.certificate.write_bytes(chain)
        self.files.key.write_bytes(key)

    def configure(self, policy: str, port: int | None = None) -> None:
        """Ask this webhook, or what else listens on `port`, about Ingresses of the namespace."""
        body = configuration(self.namespace, policy, port or self.server.port, self.files.certificate.read_bytes())
        path = f"{CONFIGURATIONS}/{body['metadata']['name']}"
        if self.kube.get(path) is None:
            self.kube.request("POST", CONFIGURATIONS, body)
        else:
            self.kube.kubectl("replace", "-f", "-", input=json.dumps(body))

    def forget(self) -> None:
        path = f"{CONFIGURATIONS}/serin-{self.namespace}"
        if self.kube.get(path) is not None:
            self.kube.request("DELETE", path)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self.server.run())
        with_end = asyncio.gather(self._task, return_exceptions=True)
        self._loop.run_until_complete(with_end)

    def _state(self) -> Any:
        if not self.synced:
            return None
        store = Store()
        store.apply(_view(ingress_class("nginx")))
        for kind in READ:
            for raw in (self.kube.get(kind.path(self.namespace)) or {"items": []})["items"]:
                store.apply(_view({"apiVersion": kind.api_version, "kind": kind.name, **raw}))
        return store.snapshot(), compile_snapshot(store.snapshot(), Options(), check_pattern)

    async def _lookup(self, ref: Ref) -> View | None:
        raw = self.kube.get(kinds.path_of(ref))
        return None if raw is None else _view({"apiVersion": "v1", "kind": "Secret", **raw})


def _view(raw: Mapping[str, Any]) -> View:
    view = parse_object(raw).view
    assert view is not None
    return view


def configuration(namespace: str, policy: str, port: int, bundle: bytes) -> Raw:
    rules = [
        {
            "apiGroups": [kind.group],
            "apiVersions": [kind.version],
            "operations": ["CREATE", "UPDATE"],
            "resources": [kind.plural],
        }
        for kind in (kinds.INGRESS, kinds.CANARY_ROUTE)
    ]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": f"serin-{namespace}"},
        "webhooks": [
            {
                "name": NAME,
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": policy,
                "timeoutSeconds": 10,
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "rules": rules,
                "clientConfig": {
                    "url": f"https://localhost:{port}/networking/v1/ingresses",
                    "caBundle": base64.b64encode(bundle).decode(),
                },
            }
        ],
    }


@pytest.fixture
def webhook(api_server: Kube, namespace: str, tmp_path: Path) -> Iterator[Webhook]:
    """Served and asked: a fault of its own would show, because the policy is Fail."""
    made = Webhook(api_server, namespace, tmp_path)
    made.start()
    try:
        made.configure("Fail")
        wait_until_asked(made)
        yield made
    finally:
        made.forget()
        made.stop()


def wait_until_asked(webhook: Webhook) -> None:
    """The API server takes a moment to see a configuration, and sends nothing at all until then."""
    probe = ingress("probe", host="probe.example", notes={"limit-rps": "many"})
    until(lambda: "limit-rps" in apply(webhook, probe, "--dry-run=server").stderr, "the webhook to be asked", every=0.1)


def apply(webhook: Webhook, raw: Raw, *flags: str) -> subprocess.CompletedProcess[str]:
    placed = copy.deepcopy(raw)
    placed["metadata"]["namespace"] = webhook.namespace
    return webhook.kube.kubectl("apply", *flags, "-f", "-", input=json.dumps(placed), check=False)


def stored(webhook: Webhook, name: str) -> Any:
    return webhook.kube.get(kinds.INGRESS.path(webhook.namespace, name))


def applied(webhook: Webhook, *objects: Raw) -> None:
    for raw in objects:
        done = apply(webhook, raw)
        assert done.returncode == 0, done.stderr


def serving(webhook: Webhook) -> None:
    """Services with endpoints, so that an Ingress brings no warning."""
    applied(webhook, service("v1"), endpoints("v1", "10.0.0.1"), service("v2"), endpoints("v2", "10.0.0.2"))


def test_what_is_right_is_stored_without_a_word(webhook: Webhook) -> None:
    serving(webhook)
    done = apply(webhook, ingress("main"))
    assert (done.returncode, done.stderr) == (0, "")
    assert stored(webhook, "main") is not None
    done = apply(webhook, canary("canary", notes={"canary-weight": "10"}))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_surprise_is_stored_with_warnings(webhook: Webhook) -> None:
    notes = {"proxy-body-size": "lots", "proxy-bodysize": "1m"}
    done = apply(webhook, ingress("main", notes=notes, tls=[{"hosts": [HOST], "secretName": "missing"}]))
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert [line.split(":")[:2] for line in lines] == [
        ["Warning", " annotation-invalid"],
        ["Warning", " service-not-found"],
        ["Warning", " certificate-unusable"],
        ["Warning", " annotation-unknown"],
    ]
    assert f"there is no Service {webhook.namespace}/v1" in done.stderr
    assert stored(webhook, "main") is not None


def test_many_warnings_come_through(webhook: Webhook) -> None:
    """Together within what the API server passes on: it cuts none, and the last one counts the rest."""
    paths = [(f"/{'x' * 150}{n}", "Prefix", f"service-{'y' * 40}-{n}") for n in range(60)]
    done = apply(webhook, ingress("main", *paths))
    assert done.returncode == 0
    *lines, last = done.stderr.splitlines()
    assert all(line.startswith("Warning: service-not-found: ") and "get its requests" not in line for line in lines)
    assert last.startswith(f"Warning: and {60 - len(lines)} more")


def test_a_path_that_is_taken_is_denied(webhook: Webhook) -> None:
    serving(webhook)
    applied(webhook, ingress("first"))
    done = apply(webhook, ingress("second"))
    assert done.returncode == 1
    assert (
        f'admission webhook "{NAME}" denied the request: host "{HOST}" and path "/" is already defined in ingress '
        f"{webhook.namespace}/first (pathType Prefix)" in done.stderr
    )
    assert done.stderr.startswith("Error from server (BadRequest): ")
    assert stored(webhook, "second") is None


def test_what_would_be_closed_is_denied_also_as_an_update(webhook: Webhook) -> None:
    serving(webhook)
    applied(webhook, ingress("main"))
    done = apply(webhook, ingress("main", notes={"auth-type": "basic"}))
    assert done.returncode == 1
    assert "nginx.ingress.kubernetes.io/auth-type: auth-type needs auth-secret" in done.stderr
    assert "auth-type" not in json.dumps(stored(webhook, "main"))


def test_what_was_stored_before_the_webhook_can_still_be_changed(webhook: Webhook) -> None:
    serving(webhook)
    webhook.forget()
    until(lambda: apply(webhook, ingress("main", notes={"limit-rps": "many"})).returncode == 0, "no webhook", every=0.1)
    webhook.configure("Fail")
    wait_until_asked(webhook)
    done = apply(webhook, ingress("main", notes={"limit-rps": "many", "proxy-read-timeout": "5"}))
    assert done.returncode == 0, done.stderr
    assert "Warning: annotation-invalid: nginx.ingress.kubernetes.io/limit-rps: " in done.stderr


def test_a_dry_run_and_a_generated_name_are_judged(webhook: Webhook) -> None:
    serving(webhook)
    applied(webhook, ingress("first"))
    assert "already defined" in apply(webhook, ingress("second"), "--dry-run=server").stderr
    generated = ingress("unused")
    generated["metadata"] = {"generateName": "some-", "namespace": webhook.namespace}
    done = webhook.kube.kubectl("create", "-f", "-", input=json.dumps(generated), check=False)
    assert "already defined" in done.stderr


def test_a_finalizer_can_be_taken_away_from_a_bad_one(webhook: Webhook) -> None:
    webhook.forget()
    bad = ingress("bad", notes={"limit-rps": "many"})
    bad["metadata"]["finalizers"] = ["example.com/hold"]
    until(lambda: apply(webhook, bad).returncode == 0, "no webhook", every=0.1)
    webhook.configure("Fail")
    wait_until_asked(webhook)
    webhook.kube.kubectl("-n", webhook.namespace, "delete", "ingress", "bad", "--wait=false")
    patch = json.dumps({"metadata": {"finalizers": None}})
    done = webhook.kube.kubectl("-n", webhook.namespace, "patch", "ingress", "bad", "--type=merge", "-p", patch)
    assert done.stderr == ""
    assert stored(webhook, "bad") is None


def test_a_secret_is_looked_at_before_anybody_is_warned_of_it(webhook: Webhook) -> None:
    serving(webhook)
    applied(webhook, tls_secret(webhook.namespace, "pair", HOST), tls_secret(webhook.namespace, "other", "x.example"))
    done = apply(webhook, ingress("main", tls=[{"hosts": [HOST], "secretName": "pair"}]))
    assert (done.returncode, done.stderr) == (0, "")
    done = apply(webhook, ingress("main", tls=[{"hosts": [HOST], "secretName": "other"}]))
    assert "Warning: certificate-name-mismatch: " in done.stderr


def test_canary_routes_are_judged_beside_the_ingresses(webhook: Webhook) -> None:
    canaryroutes.install(webhook.kube)
    serving(webhook)
    applied(webhook, ingress("main"))
    done = apply(webhook, canary_route("first"))
    assert (done.returncode, done.stderr) == (0, "")
    done = apply(webhook, canary_route("second"))
    assert done.returncode == 1
    assert f"CanaryRoute {webhook.namespace}/first is older than CanaryRoute {webhook.namespace}/second" in done.stderr
    done = apply(webhook, canary("side", ("/", "Prefix", "v2"), notes={"canary-weight": "5"}))
    assert done.returncode == 0
    assert "Warning: canary-overridden: spec.rules[0].http.paths[0]: CanaryRoute" in done.stderr


def test_before_the_first_sync_everybody_is_let_in(webhook: Webhook) -> None:
    webhook.synced = False
    done = apply(webhook, ingress("bad", notes={"limit-rps": "many"}))
    assert done.returncode == 0
    assert "Warning: Serin did not check this object: " in done.stderr


def test_a_certificate_is_replaced_without_restart(webhook: Webhook) -> None:
    """The API server trusts the new one alone, and may not go on without an answer."""
    port = webhook.server.port
    for _ in range(2):
        webhook.replace_pair()
        webhook.configure("Fail")
        wait_until_asked(webhook)
    assert webhook.server.port == port
    serving(webhook)
    assert apply(webhook, ingress("main")).stderr == ""


def test_a_webhook_that_cannot_be_reached_locks_nobody_out(api_server: Kube, namespace: str, tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and never listens
        made = Webhook(api_server, namespace, tmp_path)
        try:
            made.configure("Fail", held.getsockname()[1])
            until(lambda: "connection refused" in apply(made, ingress("a")).stderr, "the webhook to be asked")
            made.configure("Ignore", held.getsockname()[1])
            until(lambda: apply(made, ingress("a")).returncode == 0, "the policy to be taken up", every=0.1)
            applied(made, ingress("a", notes={"limit-rps": "many"}), ingress("b"))
        finally:
            made.forget()
