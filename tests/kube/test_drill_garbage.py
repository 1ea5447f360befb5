"""Whatever an API server accepts as an object: it disturbs no other's requests, and goes as it came."""

from collections.abc import Iterator
from typing import Any

import pytest
from harness.casefile import self_signed
from harness.controllers import Field
from harness.drill_fixtures import backends, network, shared_field
from harness.drilling import Drill, backend, drilling, secured
from harness.manifests import endpoint_slice, ingress, service, tls_secret

__all__ = ["backends", "network", "shared_field"]

PATHS = 5000
LONG = "n" * 253
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/{}/ingresses"


@pytest.fixture(scope="module")
def running(shared_field: Field) -> Iterator[Drill]:
    shared_field.put(*backend("main", "10.99.0.11"))
    with drilling(shared_field) as made:
        yield made
        slowest = max(result.done - result.sent for result in made.loads[0].results)
        print(f"slowest request meanwhile: {slowest:.2f} s")


@pytest.fixture
def drill(running: Drill) -> Iterator[Drill]:
    """Another's changes go on to count, and what the load asks for is served."""
    yield running
    running.pass_mark()
    running.assert_nothing_lost()


def post(field: Field, manifest: dict[str, Any]) -> None:
    """As it is: kubectl would add an annotation, or refuse what is too large for one."""
    made = field.placed(manifest)
    plural = {"Ingress": "ingresses", "Service": "services", "EndpointSlice": "endpointslices", "Secret": "secrets"}
    group, _, version = made["apiVersion"].rpartition("/")
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    field.kube.request("POST", f"{root}/namespaces/{field.namespace}/{plural[made['kind']]}", made)


def test_an_ingress_with_thousands_of_paths(drill: Drill) -> None:
    field, host = drill.field, "paths.example"
    many = ingress("paths", host, "main")
    [path] = many["spec"]["rules"][0]["http"]["paths"]
    many["spec"]["rules"][0]["http"]["paths"] = [{**path, "path": f"/p{n}"} for n in range(PATHS)]
    post(field, many)
    drill.answers("main", host, path=f"/p{PATHS - 1}/x")
    assert drill.status(host, path="/p") == 404
    field.delete("ingress", "paths")
    drill.answers("404", host, path=f"/p{PATHS - 1}/x")


def test_an_ingress_with_a_hundred_hosts_and_wildcards(drill: Drill) -> None:
    field = drill.field
    many = ingress("hosts", "h0.example", "main")
    [rule] = many["spec"]["rules"]
    names = [f"h{n}.example" for n in range(100)] + [f"*.w{n}.example" for n in range(20)]
    many["spec"]["rules"] = [{**rule, "host": name} for name in names]
    many["spec"]["tls"] = [{"hosts": names, "secretName": "nowhere"}] * 3
    many["metadata"]["annotations"] = {"nginx.ingress.kubernetes.io/ssl-redirect": "false"}
    post(field, many)
    for host in ("h0.example", "h99.example", "any.w19.example"):
        drill.answers("main", host)
    field.delete("ingress", "hosts")
    drill.answers("404", "h99.example")


NASTY = {
    "unicode": "канарейка 🐤 \u202e\u0000x".replace("\u0000", ""),
    "lines": 'a\nb;}\r\n\t"c" {{ .Values }} $(id) ${jndi}',
    "huge": "x" * 200_000,
    "empty": "",
    "number": "99999999999999999999999999",
    "json": '{"a": [1, {"b": null}]}',
}
KEYS = (
    *("rewrite-target", "proxy-body-size", "canary", "canary-weight", "canary-by-header", "ssl-redirect", "affinity"),
    *("upstream-vhost", "server-alias", "permanent-redirect", "proxy-connect-timeout", "load-balance", "app-root"),
    *("backend-protocol", "use-regex", "session-cookie-name", "configuration-snippet", "custom-http-errors", "x"),
)


def placed_on(value: str) -> dict[str, tuple[str, ...]]:
    """Name of an Ingress → its annotations."""
    if len(value) > 1000:
        return {"large": ("rewrite-target",)}
    return {**{key: (key,) for key in KEYS}, "all": KEYS}


def test_annotations_full_of_nonsense(drill: Drill) -> None:
    """Each on an Ingress of its own, all on one; a large one alone, for there is room for 256 KiB in all."""
    field = drill.field
    for name, value in NASTY.items():
        for label, keys in placed_on(value).items():
            made = ingress(f"{name}-{label}", f"{name}-{label}.example", "main")
            made["metadata"]["annotations"] = {f"nginx.ingress.kubernetes.io/{key}": value for key in keys}
            made["metadata"]["labels"] = {"nasty": "yes"}
            post(field, made)
    drill.pass_mark()
    drill.assert_nothing_lost()
    drill.answers("main", "empty-x.example")
    field.kube.request("DELETE", f"{INGRESSES.format(field.namespace)}?labelSelector=nasty%3Dyes")
    drill.answers("404", "empty-x.example")


def test_names_as_long_as_they_may_be(drill: Drill) -> None:
    field, host = drill.field, ".".join(["h" * 60] * 4)
    service_name, other = "s" * 63, ingress(LONG, host, "s" * 63)
    other["spec"]["tls"] = [{"hosts": [host], "secretName": LONG}]
    other["metadata"]["annotations"] = {"nginx.ingress.kubernetes.io/ssl-redirect": "false"}
    slice_ = endpoint_slice(service_name, ["10.99.0.12"])
    slice_["metadata"]["name"] = LONG
    for made in (service(service_name), slice_, tls_secret(LONG, *self_signed("short.example")), other):
        post(field, made)
    drill.answers("main2", host)
    field.delete("ingress", LONG)
    drill.answers("404", host)


def test_certificates_that_are_none(drill: Drill) -> None:
    field = drill.field
    good, other = self_signed("good.example"), self_signed("other.example")
    pairs = {
        "empty": (b"", b""),
        "text": (b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", b"key"),
        "binary": (bytes(range(256)), bytes(range(255, -1, -1))),
        "swapped": (good[1], good[0]),
        "mixed": (good[0], other[1]),
        "cut": (good[0][:200], good[1]),
        "long": (good[0] * 300, good[1]),
    }
    unnamed = drill.certificate("nobody.example")
    for name, pair in pairs.items():
        post(field, tls_secret(f"tls-{name}", *pair))
        post(field, secured(f"tls-{name}", f"{name}.tls.example", "main", f"tls-{name}"))
    post(field, tls_secret("tls-good", *good))
    post(field, secured("tls-good", "good.example", "main", "tls-good"))
    drill.shows(good, "good.example")
    for name in pairs:
        drill.answers("main", f"{name}.tls.example")
        if name != "long":
            assert drill.certificate(f"{name}.tls.example") == unnamed


def test_slices_with_thousands_of_endpoints_and_odd_ports(drill: Drill) -> None:
    field = drill.field
    crowded = endpoint_slice("crowded", [])
    crowded["endpoints"] = [
        {"addresses": [f"10.{90 + n // 250}.7.{n % 250}"], "conditions": {"ready": False}} for n in range(999)
    ] + [{"addresses": ["10.99.0.21"], "conditions": {"ready": True}}]
    odd: dict[str, list[dict[str, Any]]] = {
        "portless": [],
        "unnumbered": [{"name": "http"}],
        "udp": [{"name": "http", "port": 8080, "protocol": "UDP"}],
        "many": [{"name": f"p{n}", "port": 1000 + n} for n in range(90)],
    }
    post(field, crowded)
    post(field, service("crowded"))
    post(field, ingress("crowded", "crowded.example", "crowded"))
    for name, ports in odd.items():
        made = endpoint_slice(name, ["10.99.0.11"])
        made["ports"] = ports
        for each in (made, service(name), ingress(name, f"{name}.example", name)):
            post(field, each)
    drill.answers("next", "crowded.example")
    for name in odd:
        drill.answers("503", f"{name}.example")
    dual = endpoint_slice("dual", [])
    dual |= {"addressType": "FQDN", "endpoints": [{"addresses": ["backend.example"]}]}
    for each in (dual, service("dual"), ingress("dual", "dual.example", "dual")):
        post(field, each)
    drill.answers("503", "dual.example")


def test_services_of_odd_kinds(drill: Drill) -> None:
    field = drill.field
    odd: dict[str, dict[str, Any]] = {
        "to-localhost": {"type": "ExternalName", "externalName": "localhost"},
        "to-metadata": {"type": "ExternalName", "externalName": "169.254.169.254"},
        "to-nowhere": {"type": "ExternalName", "externalName": "nowhere.invalid", "ports": [{"port": 80}]},
        "headless-portless": {"clusterIP": "None"},
    }
    for name, spec in odd.items():
        post(field, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
        post(field, ingress(name, f"{name}.example", name))
    drill.pass_mark()
    for name in odd:
        assert drill.status(f"{name}.example") in (502, 503, 504), name


def test_specs_that_mean_nothing(drill: Drill) -> None:
    """The API server takes them; whoever wrote them is told."""
    field, blank = drill.field, ingress("blank", "x.example", "main")
    resource = {"resource": {"apiGroup": "example.com", "kind": "Bucket", "name": "b"}}
    specs: dict[str, dict[str, Any]] = {
        "default-alone": {"defaultBackend": {"service": {"name": "main", "port": {"name": "nobody"}}}},
        "resource": {"defaultBackend": resource},
        "no-http": {"defaultBackend": resource, "rules": [{"host": "no-http.example"}]},
        "same-host": {"rules": blank["spec"]["rules"] * 50},
        "specific": {
            "rules": [
                {
                    "host": "specific.example",
                    "http": {
                        "paths": [
                            {"path": path, "pathType": "ImplementationSpecific", "backend": backend_}
                            for path in ("", "/(", "/a/../b", "/\u00e9", "/a b;c{d}", "/" + "x" * 3000)
                            for backend_ in [blank["spec"]["rules"][0]["http"]["paths"][0]["backend"]]
                        ]
                    },
                }
            ]
        },
    }
    for name, spec in specs.items():
        made = {**blank, "metadata": {"name": name}, "spec": {"ingressClassName": "nginx", **spec}}
        post(field, made)
    drill.pass_mark()
    drill.answers("main", "x.example")
    for name in specs:
        field.delete("ingress", name)
