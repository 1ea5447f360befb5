"""Rights that are missing, given and taken away, as a person meets them: sentences in the log, and no process ends."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.controllers import Field, lines
from harness.drill_fixtures import backends, network, shared_field
from harness.drilling import PAUSE, STEADY_HOST, WIDE, Drill, assert_served, auth_secret, backend, basic, steady_objects
from harness.load import load
from harness.manifests import endpoint_slice, ingress
from harness.relay import Relay
from harness.serving import Serving, await_ports, await_ready
from harness.waiting import until

__all__ = ["backends", "network", "shared_field"]

SENTENCE = re.compile(
    r"not allowed to (?P<verb>\w+) (?P<resource>[\w/]+)( \S+)?( in (all namespaces|namespace \S+))?: without it .+; "
    r"add to the (ClusterRole|Role in namespace \S+): - \{apiGroups: .+\}"
)
READ: tuple[tuple[str, str, list[str]], ...] = (
    ("networking.k8s.io", "ingresses", ["list", "watch"]),
    ("", "services", ["list", "watch"]),
    ("discovery.k8s.io", "endpointslices", ["list", "watch"]),
    ("", "endpoints", ["list", "watch"]),
    ("", "secrets", ["get", "list", "watch"]),
    ("networking.k8s.io", "ingressclasses", ["list", "watch"]),
)
"""What nothing can be served without."""
ADDRESS = "192.0.2.11"


class Account:
    """Its rights are those of one ClusterRole, which the test writes."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.name = f"poor-{field.namespace}"
        self.user = f"system:serviceaccount:{field.namespace}:poor"
        self.kubeconfig: Path = field.kube.service_account(field.namespace, "poor")
        subject = f"--serviceaccount={field.namespace}:poor"
        field.kube.apply(self._role(()))
        field.kube.kubectl("create", "clusterrolebinding", self.name, f"--clusterrole={self.name}", subject)

    def may(self, *rules: tuple[str, str, list[str]]) -> None:
        """That, and nothing else."""
        self.field.kube.apply(self._role(rules))

    def close(self) -> None:
        self.field.kube.kubectl("delete", "clusterrole,clusterrolebinding", self.name)

    def _role(self, rules: tuple[tuple[str, str, list[str]], ...]) -> dict[str, Any]:
        listed = [{"apiGroups": [group], "resources": [what], "verbs": verbs} for group, what, verbs in rules]
        kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
        return {**kind, "metadata": {"name": self.name}, "rules": listed}


@pytest.fixture
def relay(shared_field: Field) -> Iterator[Relay]:
    with Relay(shared_field.kube.server) as made:
        yield made


@pytest.fixture
def account(shared_field: Field) -> Iterator[Account]:
    made = Account(shared_field)
    yield made
    made.close()


def told(serving: Serving, event: str) -> list[tuple[str, str]]:
    """Verb and resource of each sentence, in the order said."""
    found = [SENTENCE.fullmatch(line["why"]) for line in lines(serving, event)]
    assert all(found), list(lines(serving, event))
    return [(match["verb"], match["resource"]) for match in found if match]


def test_it_waits_goes_on_and_serves_on(shared_field: Field, account: Account, relay: Relay) -> None:
    field = shared_field
    field.make_class()
    field.put(*steady_objects(), *backend("main", "10.99.0.11"), auth_secret("users", ann="word"))
    flags = (
        "--kubeconfig",
        str(relay.kubeconfig(account.kubeconfig)),
        "--publish-status-address",
        ADDRESS,
        "--access-log",
        "off",
    )
    serving = await_ports(field.launch(*flags))
    wanted = {(verb, resource) for _, resource, verbs in READ for verb in verbs}

    until(lambda: lines_of(serving, "cluster-waiting") >= len(wanted), "what is missing", seconds=WIDE)
    first = told(serving, "cluster-waiting")[: len(wanted)]
    assert set(first) == wanted, "a sentence for each verb that is missing, and no other"
    assert serving.get("/readyz")[0] == 503

    account.may(*READ[:3])
    missing = {(verb, resource) for _, resource, verbs in READ[3:] for verb in verbs}
    until(lambda: set(told(serving, "cluster-waiting")[len(first) :]) == missing, "what is missing yet", seconds=WIDE)
    assert serving.process.poll() is None

    account.may(*READ)
    await_ready(serving)
    drill = Drill(field, serving)
    said = told(serving, "access-missing")
    assert {("create", "leases"), ("patch", "ingresses/status"), ("create", "events")} <= set(said)
    assert len(said) == len(set(said))
    with load(serving.door, STEADY_HOST, connections=1, pause=PAUSE) as running:
        taken_away_and_given_back(drill, account, relay)
        assert_served(running)
    assert serving.stop() == 0


def lines_of(serving: Serving, event: str) -> int:
    return len(list(lines(serving, event)))


def taken_away_and_given_back(drill: Drill, account: Account, relay: Relay) -> None:
    """Streams that are open go on without the right; so they are cut."""
    field = drill.field
    field.put(ingress("locked", "locked.example", "main", auth_type="basic", auth_secret="users"))
    drill.answers("main", "locked.example", basic("ann", "word"))
    account.may()
    field.put(*backend("later", "10.99.0.12"), ingress("later", "later.example", "later"))
    field.put(auth_secret("users", ann="other"))
    relay.cut()
    refused = lambda: [entry for entry in field.kube.audit(account.user)[-50:] if entry.forbidden]  # noqa: E731
    until(refused, "a refusal", seconds=WIDE, every=0.2)
    assert drill.status("locked.example") == 401
    account.may(*READ)
    drill.answers("main2", "later.example")
    field.put(endpoint_slice("later", ["10.99.0.22"]))
    drill.answers("next2", "later.example")
    drill.answers("main", "locked.example", basic("ann", "other"))


WRONG_FLAGS = {
    "an unknown flag": (["--no-such-flag"], ["--no-such-flag"]),
    "no number": (["--http-port", "eighty"], ["--http-port", "eighty"]),
    "two scopes": (["--watch-namespace", "a", "--watch-namespace-selector", "b=c"], ["--watch-namespace"]),
    "no selector": (["--watch-namespace-selector", "a==(b"], ["--watch-namespace-selector"]),
    "no object": (["--configmap", "options"], ["--configmap", "options"]),
    "no boolean": (["--update-status=perhaps"], ["--update-status", "perhaps"]),
    "half a webhook": (["--validating-webhook", ":9443"], ["--validating-webhook-certificate"]),
    "no run directory": (["--plane", "none"], ["--run-dir"]),
    "no kubeconfig": (["--kubeconfig", "/nowhere/config"], ["/nowhere/config"]),
    "no address": (["--publish-status-address", "not an address"], ["--publish-status-address"]),
    "two addresses": (["--publish-status-address", "192.0.2.1", "--publish-service", "a/b"], ["--publish-s"]),
    "no period": (["--election-ttl", "soon"], ["--election-ttl", "soon"]),
}


def test_wrong_flags_are_one_sentence(tmp_path: Path) -> None:
    """All at once: each is a process that ends before it has done anything."""
    started = {}
    for number, (name, (flags, _)) in enumerate(WRONG_FLAGS.items()):
        run_dir = [] if name == "no run directory" else ["--run-dir", str(tmp_path / str(number))]
        command = [sys.executable, "-m", "serin", "controller", *run_dir, *flags]
        started[name] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for name, process in started.items():
        said, _ = process.communicate(timeout=WIDE)
        assert process.returncode == 2, (name, said)
        sentence, *hint = said.strip().splitlines()
        assert len(hint) <= 1, (name, said)
        assert [word for word in WRONG_FLAGS[name][1] if word not in sentence] == [], (name, said)
    assert not list(tmp_path.iterdir()), "nothing was made"
