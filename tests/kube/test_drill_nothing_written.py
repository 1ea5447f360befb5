"""Nothing is written to users' objects but the status of Ingresses and CanaryRoutes: the audit log is the witness.

The controller's account may do everything here, so that what would be written is written.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from harness import canaryroutes
from harness.casefile import self_signed
from harness.controllers import Field
from harness.drill_fixtures import backends, network, shared_field
from harness.drilling import (
    WIDE,
    Drill,
    auth_secret,
    backend,
    basic,
    canary_route,
    config_map,
    drilling,
    endpoints,
    secured,
)
from harness.kube import Kube
from harness.manifests import canary, endpoint_slice, ingress, service, tls_secret
from harness.waiting import until
from localkube.audit import Entry

__all__ = ["backends", "network", "shared_field"]

ADDRESS = "192.0.2.3"
WRITES = {
    ("patch", "networking.k8s.io", "ingresses/status"),
    ("patch", "serin.dev", "canaryroutes/status"),
    ("create", "", "events"),
    ("patch", "", "events"),
    ("create", "coordination.k8s.io", "leases"),
    ("update", "coordination.k8s.io", "leases"),
    ("create", "authorization.k8s.io", "selfsubjectaccessreviews"),
}
"""All that there may be."""
KINDS = "ingresses,services,endpointslices,endpoints,secrets,configmaps,canaryroutes"


class Account:
    """One that may do everything."""

    def __init__(self, kube: Kube, namespace: str, name: str) -> None:
        self.kube = kube
        self.binding = f"{namespace}-{name}"
        self.kubeconfig: Path = kube.service_account(namespace, name)
        self.user = f"system:serviceaccount:{namespace}:{name}"
        subject = f"--serviceaccount={namespace}:{name}"
        kube.kubectl("create", "clusterrolebinding", self.binding, "--clusterrole=cluster-admin", subject)

    def writes(self) -> list[Entry]:
        return self.kube.audit(self.user, writes=True)

    def close(self) -> None:
        self.kube.kubectl("delete", "clusterrolebinding", self.binding)


@pytest.fixture
def account(shared_field: Field) -> Iterator[Callable[[str], Account]]:
    made: list[Account] = []

    def make(name: str) -> Account:
        made.append(Account(shared_field.kube, shared_field.namespace, name))
        return made[-1]

    yield make
    for each in made:
        each.close()


def not_allowed(writes: Sequence[Entry], lease: str) -> list[str]:
    """Of what was written: all that is not ours to write."""
    found = []
    for entry in writes:
        what = (entry.verb, entry.group, entry.resource)
        other_lease = entry.resource == "leases" and entry.verb == "update" and entry.name != lease
        if what not in WRITES or other_lease or more_than_status(entry):
            found.append(f"{entry.verb} {entry.resource} {entry.namespace}/{entry.name}: {str(entry.body)[:300]}")
    return found


def more_than_status(entry: Entry) -> bool:
    """A patch of a status may say which object it means, and nothing else of its metadata."""
    if entry.resource not in ("ingresses/status", "canaryroutes/status"):
        return False
    body = entry.body
    named = set(body.get("metadata", {})) <= {"uid", "resourceVersion"}
    addresses = entry.resource == "canaryroutes/status" or set(body["status"]) == {"loadBalancer"}
    return set(body) - {"metadata", "status"} != set() or not named or not addresses


def everything(drill: Drill) -> None:
    """All kinds made, changed and deleted, with mistakes among them."""
    field, host = drill.field, "all.example"
    field.put(
        *backend("main", "10.99.0.11"),
        *backend("next", "10.99.0.21"),
        service("by-hand"),
        endpoints("by-hand", "10.99.0.12"),
        tls_secret("cert", *self_signed(host)),
        auth_secret("users", ann="word"),
        config_map("options", proxy_body_size="1m", hsts_max_age="soon"),
        secured("all", host, "main", "cert"),
        ingress("locked", f"locked.{host}", "main", auth_type="basic", auth_secret="users"),
        ingress("by-hand", f"by-hand.{host}", "by-hand"),
        ingress("missing", f"missing.{host}", "nobody", proxy_read_timeout="soon"),
        canary("weighed", host, "next", weight="0", by_header="Try"),
    )
    drill.answers("main", host)
    drill.answers("main", f"locked.{host}", basic("ann", "word"))
    drill.answers("next", host, ("Try", "always"))
    drill.answers("main2", f"by-hand.{host}")
    field.put(canary_route("route", 0, 1), endpoint_slice("next", ["10.99.0.22"]))
    drill.answers("next2", f"locked.{host}", basic("ann", "word"))
    described = ("-n", field.namespace, "describe", "ingress", "missing")
    until(lambda: "ServiceNotFound" in field.kube.kubectl(*described).stdout, "an Event", seconds=WIDE, every=0.2)
    until(lambda: shown(field) == [ADDRESS], "the address on all", seconds=WIDE, every=0.2)
    for kind, name in (("canaryroute", "route"), ("ingress", "weighed"), ("secret", "users"), ("endpoints", "by-hand")):
        field.delete(kind, name)
    drill.answers("503", f"locked.{host}", basic("ann", "word"))
    drill.answers("503", f"by-hand.{host}")


def shown(field: Field) -> list[str]:
    listed = field.kube.get(f"/apis/networking.k8s.io/v1/namespaces/{field.namespace}/ingresses")["items"]
    entries = [i["status"].get("loadBalancer", {}).get("ingress", [{}])[0].get("ip", "") for i in listed]
    return sorted(set(entries))


def marks(field: Field) -> dict[str, Any]:
    """What programs leave on objects: finalizers, annotations that are not of the tests, and who manages which."""
    listed = field.kube.kubectl("-n", field.namespace, "get", KINDS, "-o", "json", "--show-managed-fields")
    found = {}
    for item in json.loads(listed.stdout)["items"]:
        meta = item["metadata"]
        owners = {
            (entry["manager"], entry.get("subresource", ""))
            for entry in meta.get("managedFields", [])
            if entry["manager"] not in ("kubectl", "kube-controller-manager", "before-first-apply")
        }
        notes = {key for key in meta.get("annotations", {}) if "kopf" in key or "serin" in key}
        found[f"{item['kind']}/{meta['name']}"] = (meta.get("finalizers", []), notes, owners)
    return found


def test_what_the_controller_writes(shared_field: Field, account: Callable[[str], Account]) -> None:
    field, may = shared_field, account("serin")
    canaryroutes.install(field.kube)
    flags = (
        *("--kubeconfig", str(may.kubeconfig), "--configmap", f"{field.namespace}/options"),
        *("--publish-status-address", ADDRESS, "--election-ttl", "4s"),
    )
    with drilling(field, *flags) as drill:
        everything(drill)
        drill.serving.process.kill()
        drill.serving.process.wait()
        drill.serving = field.control(*flags)
        drill.pass_mark()
        until(lambda: shown(field) == [ADDRESS], "the address on all", seconds=WIDE, every=0.2)
        left = marks(field)
    assert drill.serving.stop() == 0

    writes = may.writes()
    lease = f"serin-{field.ingress_class}-leader"
    assert not_allowed(writes, lease) == []
    seen = {(entry.verb, entry.group, entry.resource) for entry in writes}
    assert WRITES - seen <= {("patch", "", "events")}, "each at work but the counting of Events, which takes a minute"
    assert {entry.name for entry in writes if entry.resource == "leases" and entry.name} == {lease}
    assert len(left) > 12
    for name, (finalizers, notes, owners) in left.items():
        assert (finalizers, notes) == ([], set()), name
        assert {part for _, part in owners} <= ({"status"} if name.startswith("Ingress/") else set()), (name, owners)


def field_path(field: Field, name: str) -> str:
    return f"/apis/networking.k8s.io/v1/namespaces/{field.namespace}/ingresses/{name}"


FOREIGN = {
    "an annotation": ({"metadata": {"annotations": {"kopf.zalando.org/last-handled": "{}"}}}, ""),
    "a finalizer": ({"metadata": {"finalizers": ["kopf.zalando.org/finalizer"]}}, ""),
    "an annotation by way of the status": ({"metadata": {"annotations": {"a": "b"}}, "status": {}}, "/status"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_kopf_would_write_is_seen(shared_field: Field, account: Callable[[str], Account], what: str) -> None:
    """The witness is not blind."""
    field, may = shared_field, account("planted")
    field.put(service("planted"), ingress("planted", "planted.example", "planted"))
    body, sub = FOREIGN[what]
    patch = ("patch", "ingress", "planted", "--type=merge", "-p", json.dumps(body), f"--subresource={sub[1:]}")
    field.kube.kubectl("--kubeconfig", str(may.kubeconfig), "-n", field.namespace, *(patch if sub else patch[:-1]))
    assert len(not_allowed(may.writes()[-1:], "lease")) == 1
    if sub == "":
        seen = marks(field)["Ingress/planted"]
        assert seen[0] or seen[1]
    field.kube.request("PATCH", field_path(field, "planted"), {"metadata": {"finalizers": None}})
    field.delete("ingress", "planted")
