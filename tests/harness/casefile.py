"""Case files: what a user would apply for each case, and the requests with the answers expected.

The format is described at the head of cases/own.yaml.
"""

import copy
import datetime as dt
import functools
import json
import pathlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from harness.authorities import authority
from harness.manifests import encoded
from passlib.hash import apr_md5_crypt

Manifest = dict[str, Any]

FIRST_AGE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
CONDITIONS = {
    "notready": {"ready": False},
    "terminating": {"ready": False, "serving": True, "terminating": True},
}


@dataclass(frozen=True, slots=True)
class Network:
    """Where the echo backends of a run are: `10.99.0.N` of the case files is `prefix` and N, and one more on ::1."""

    prefix: str = "127.0.99."
    ipv6_port: int = 0

    def placed(self, value: Any) -> Any:
        """Placeholders replaced, the cluster's addresses turned to loopback ones."""
        text = json.dumps(value)
        text = text.replace("{client_cidr}", "127.0.0.0/8").replace('"{ipv6_port}"', str(self.ipv6_port))
        return json.loads(self.loopback(text))

    def loopback(self, text: str) -> str:
        return re.sub(r"\b10\.99\.0\.(?=\d)", self.prefix, text)


@dataclass(frozen=True, slots=True)
class Case:
    file: str
    spec: dict[str, Any]
    fixtures: dict[str, Any]
    listed_headers: bool

    @property
    def ident(self) -> str:
        return str(self.spec["id"])

    @property
    def topic(self) -> str:
        return str(self.spec["topic"])

    @property
    def alone(self) -> bool:
        return bool(self.spec.get("alone"))

    @property
    def planes(self) -> tuple[str, ...]:
        """The planes that the case is about; empty: all of them."""
        return tuple(self.spec.get("planes", ()))

    @property
    def backends(self) -> dict[str, str]:
        """Address → name its echo server answers with."""
        return dict(self.fixtures["backend_names"])


def load(path: pathlib.Path) -> list[Case]:
    document = yaml.load(path.read_text(), yaml.CSafeLoader)
    listed = document["meta"].get("headers") == "listed"
    return [Case(path.stem, expanded(spec), document["fixtures"], listed) for spec in document["cases"]]


def expanded(spec: dict[str, Any]) -> dict[str, Any]:
    """The short form written out: Ingresses with `notes` instead of a spec, requests without a host."""
    if "notes" not in spec and all("spec" in item for item in spec["ingresses"]):
        return spec
    host = f"{spec['id']}.example"
    short = [{"notes": spec["notes"]}] if "notes" in spec else spec.get("ingresses", [])
    ingresses = [item if "spec" in item else ingress_of(number, host, item) for number, item in enumerate(short, 1)]
    requests = [{"host": host, "path": "/", **request} for request in spec["requests"]]
    return {"services": ["main"], **spec, "ingresses": ingresses, "requests": requests}


def ingress_of(number: int, default: str, short: Mapping[str, Any]) -> Manifest:
    """`notes` without prefix; `path`, `service`, `host` and `name` where they are not the usual ones."""
    annotations = {f"nginx.ingress.kubernetes.io/{key}": value for key, value in short["notes"].items()}
    backend = {"service": {"name": short.get("service", "main"), "port": {"number": 80}}}
    paths = [{"path": short.get("path", "/"), "pathType": "Prefix", "backend": backend}]
    spec = {"ingressClassName": "nginx", "rules": [{"host": short.get("host", default), "http": {"paths": paths}}]}
    name = short.get("name", "main" if number == 1 else f"main-{number}")
    metadata = {"name": name, "annotations": annotations}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def write_manifests(folder: pathlib.Path, cases: list[Case], network: Network) -> None:
    """One file for each case; Ingresses and their like grow older in the order written."""
    folder.mkdir(parents=True, exist_ok=True)
    age = 0
    for case in cases:
        manifests = network.placed(manifests_of(case))
        for manifest in manifests:
            if manifest["kind"] in ("Ingress", "IngressClass", "CanaryRoute"):
                age += 60
                stamp = FIRST_AGE + dt.timedelta(seconds=age)
                manifest["metadata"].setdefault("creationTimestamp", stamp.strftime("%Y-%m-%dT%H:%M:%SZ"))
        text = yaml.dump_all(manifests, Dumper=yaml.CSafeDumper, sort_keys=False)
        (folder / f"{case.ident}.yaml").write_text(text)


def manifests_of(case: Case) -> list[Manifest]:
    found = []
    for name in case.spec.get("services", []):
        namespace, _, service = name.rpartition("/")
        found += service_manifests(case, service, namespace_of(case, namespace))
    for extra in case.spec.get("extra", []):
        found.append(extra_manifest(case, extra))
    if options := case.spec.get("configmap"):
        found.append(manifest("v1", "ConfigMap", "ingress-nginx", "ingress-nginx-controller", data=options))
    for ingress in copy.deepcopy(case.spec["ingresses"]):
        ingress["metadata"]["namespace"] = namespace_of(case, ingress["metadata"].get("namespace", ""))
        found.append(ingress)
    for spec in copy.deepcopy(case.spec.get("canaryroutes", [])):
        namespace, _, name = spec.pop("name").rpartition("/")
        found.append(manifest("serin.dev/v1alpha1", "CanaryRoute", namespace_of(case, namespace), name, spec=spec))
    return found


def namespace_of(case: Case, name: str) -> str:
    return f"{case.ident}-second" if name == "second" else name or case.ident


def manifest(version: str, kind: str, namespace: str, name: str, **body: Any) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **body}


def service_manifests(case: Case, name: str, namespace: str) -> list[Manifest]:
    fixture = case.fixtures["services"][name]
    ports = fixture["ports"]
    spec: Manifest = {"ports": [{"name": p["name"], "port": p["port"], "targetPort": p["target"]} for p in ports]}
    if name == "headless":
        spec["clusterIP"] = "None"
    spec.update(fixture.get("spec", {}))
    found = [manifest("v1", "Service", namespace, name, spec=spec)]
    if "slices" in fixture:
        slices = fixture["slices"]
    else:
        slices = [{"addresses": fixture["addresses"]}]
        if name == "halfdead":
            slices.append({"addresses": ["10.99.0.22"], "port": 9})
    for number, one in enumerate(slices, 1):
        body = {
            "addressType": "IPv6" if any(":" in a for a in one["addresses"]) else "IPv4",
            "endpoints": [
                {"addresses": [a], "conditions": one.get("conditions", CONDITIONS.get(name, {"ready": True}))}
                for a in one["addresses"]
            ],
            "ports": [{"name": p["name"], "port": one.get("port", p["target"]), "protocol": "TCP"} for p in ports],
        }
        slice_ = manifest("discovery.k8s.io/v1", "EndpointSlice", namespace, f"{name}-{number}", **body)
        slice_["metadata"]["labels"] = {"kubernetes.io/service-name": name}
        found.append(slice_)
    return found


def extra_manifest(case: Case, extra: dict[str, Any]) -> Manifest:
    match extra:
        case {"tls_secret": name, "host": host}:
            certificate, key = self_signed(host)
            data = {"tls.crt": encoded(certificate), "tls.key": encoded(key)}
            return manifest("v1", "Secret", case.ident, name, type="kubernetes.io/tls", data=data)
        case {"htpasswd_secret": name, "users": users}:
            text = "".join(f"{user}:{apache_hash(password)}\n" for user, password in users.items())
            return manifest("v1", "Secret", case.ident, name, data={"auth": encoded(text.encode())})
        case {"authmap_secret": name, "users": users}:
            data = {user: encoded(apache_hash(password).encode()) for user, password in users.items()}
            return manifest("v1", "Secret", case.ident, name, data=data)
        case {"ca_secret": name, "authority": signer}:
            return manifest("v1", "Secret", case.ident, name, data={"ca.crt": encoded(authority_named(signer))})
        case {"configmap": name, "data": data}:
            namespace, _, name = name.partition("/")
            return manifest("v1", "ConfigMap", namespace, name, data=data)
        case {"manifest": dict(whole)}:
            return whole
    raise ValueError(f"case {case.ident}: unknown extra {sorted(extra)}")


def authority_named(name: str) -> bytes:
    """`backend`: the echo backends' own certificate, which nobody else signed."""
    return self_signed("backend.test")[0] if name == "backend" else authority(name)


@functools.cache
def apache_hash(password: str) -> str:
    return str(apr_md5_crypt.using(salt="abcdefgh").hash(password))


@functools.cache
def self_signed(host: str) -> tuple[bytes, bytes]:
    """A certificate and its key, PEM; the same ones for a host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
