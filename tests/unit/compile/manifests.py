"""Objects for the compiler's tests, short to write; and the compile itself with Python's `re` as pattern engine."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.objects.parse import parse_objects
from serin.objects.store import Snapshot, Store
from serin.objects.views import View
from serin.problems import Problem
from serin.routing.plan import Route

PREFIX = "nginx.ingress.kubernetes.io/"
HOST = "shop.example.com"
Raw = dict[str, Any]
Path = tuple[str, str, str]
"""Path, type, backend as `service:port` or `service` (port 80)."""


def check_pattern(text: str, ignore_case: bool) -> str | None:
    try:
        re.compile(text.replace(r"\z", r"\Z"), re.IGNORECASE if ignore_case else 0)
    except re.error as e:
        return str(e)
    return None


def backend(text: str) -> Raw:
    service, _, port = text.partition(":")
    port = port or "80"
    return {"service": {"name": service, "port": {"number": int(port)} if port.isdigit() else {"name": port}}}


def ingress(
    name: str,
    *paths: Path,
    host: str = HOST,
    notes: Mapping[str, str] | None = None,
    namespace: str = "shop",
    tls: Sequence[Raw] = (),
    default: str = "",
    class_name: str | None = "nginx",
    rules: Sequence[Raw] | None = None,
    created: str = "",
) -> Raw:
    """One rule with `paths` (default: `/` as Prefix to Service v1), or `rules` as they are. `notes` without prefix."""
    spec: Raw = {}
    if class_name is not None:
        spec["ingressClassName"] = class_name
    if default:
        spec["defaultBackend"] = backend(default)
    if tls:
        spec["tls"] = list(tls)
    if rules is None:
        found = paths or (("/", "Prefix", "v1"),)
        listed = [{"path": p, "pathType": t, "backend": backend(b)} for p, t, b in found]
        rules = [{**({"host": host} if host else {}), "http": {"paths": listed}}]
    if rules:
        spec["rules"] = list(rules)
    metadata: Raw = {"name": name, "namespace": namespace}
    if notes:
        metadata["annotations"] = {key if "/" in key else PREFIX + key: value for key, value in notes.items()}
    if created:
        metadata["creationTimestamp"] = created
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def canary(name: str, *paths: Path, notes: Mapping[str, str] | None = None, **more: Any) -> Raw:
    """A canary to Service v2 at `/` unless `paths` say otherwise."""
    return ingress(name, *(paths or (("/", "Prefix", "v2"),)), notes={"canary": "true", **(notes or {})}, **more)


def canary_route(
    name: str = "shop",
    *rules: Raw,
    versions: str = "main:v1=90 new:v2=10",
    namespace: str = "shop",
    created: str = "",
    status: Raw | None = None,
    **spec: Any,
) -> Raw:
    """`versions`: `name:service=weight`, with `:port` behind the Service where it names one."""
    listed = []
    for text in versions.split():
        named, _, weight = text.partition("=")
        version, of, *port = named.split(":")
        ports = {"port": int(port[0]) if port[0].isdigit() else port[0]} if port else {}
        listed.append({"name": version, "service": {"name": of, **ports}, "weight": int(weight)})
    metadata = {"name": name, "namespace": namespace} | ({"creationTimestamp": created} if created else {})
    body = {"versions": listed, **({"rules": list(rules)} if rules else {}), **spec}
    made = {"apiVersion": "serin.dev/v1alpha1", "kind": "CanaryRoute", "metadata": metadata, "spec": body}
    return made if status is None else {**made, "status": status}


def service(name: str, *ports: Raw, namespace: str = "shop", **spec: Any) -> Raw:
    listed = list(ports) or [{"name": "http", "port": 80, "targetPort": 8080}]
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": listed, **spec}}


def endpoints(
    of: str,
    *addresses: str,
    name: str = "1",
    ports: Sequence[Raw] = ({"name": "http", "port": 8080},),
    namespace: str = "shop",
    conditions: Mapping[str, bool] | None = None,
) -> Raw:
    """An EndpointSlice of a Service."""
    labels = {"kubernetes.io/service-name": of}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "addressType": "IPv6" if any(":" in a for a in addresses) else "IPv4",
        "metadata": {"name": f"{of}-{name}", "namespace": namespace, "labels": labels},
        "endpoints": [{"addresses": [a], "conditions": dict(conditions or {})} for a in addresses],
        "ports": list(ports),
    }


def secret(name: str, namespace: str = "shop", **data: str) -> Raw:
    """`data`: keys with `_` for `.`."""
    texts = {key.replace("_", "."): value for key, value in data.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": texts}


def config_map(**data: str) -> Raw:
    """ConfigMap serin/config; keys with `_` for `-`."""
    texts = {key.replace("_", "-"): value for key, value in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "config", "namespace": "serin"},
        "data": texts,
    }


def ingress_class(name: str, controller: str = "serin.dev/ingress-controller", *, default: bool = False) -> Raw:
    metadata: Raw = {"name": name}
    if default:
        metadata["annotations"] = {"ingressclass.kubernetes.io/is-default-class": "true"}
    spec = {"controller": controller}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": metadata, "spec": spec}


def views(objects: Iterable[Raw]) -> list[View]:
    found = []
    for order, raw in enumerate(objects):
        found += [p.view for p in parse_objects(raw, order=order, version=str(order)) if p.view is not None]
    return found


def snapshot(*objects: Raw) -> Snapshot:
    store = Store()
    for view in views(objects):
        store.apply(view)
    return store.snapshot()


def compile_objects(*objects: Raw, **options: Any) -> Compiled:
    return compile_snapshot(snapshot(*objects), Options(**{"standalone": True} | options), check_pattern)


def routes(compiled: Compiled, host: str = HOST) -> tuple[Route, ...]:
    return compiled.plan.hosts[host].routes


def route(compiled: Compiled, host: str = HOST) -> Route:
    """The one route of a host."""
    (only,) = routes(compiled, host)
    return only


def weights(compiled: Compiled, host: str = HOST) -> tuple[int, ...]:
    """Weights of the one route's versions, and their total."""
    split = compiled.plan.splits[str(route(compiled, host).split)]
    return (*(share.weight for share in split.shares), split.total)


def codes(compiled: Compiled) -> list[str]:
    return [problem.code for problem in compiled.problems]


def problem(compiled: Compiled, code: str) -> Problem:
    """The one problem with this code."""
    (only,) = [p for p in compiled.problems if p.code == code]
    return only
