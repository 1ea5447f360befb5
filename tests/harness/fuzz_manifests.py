"""Ingresses with annotations by chance, what they refer to (sometimes), a ConfigMap of options, and two bystanders.

The bystanders have hosts of their own: one in the namespace of all the others, over the same Service, one in its own.
"""

import functools
import random
from typing import Any

from harness.authorities import authority, certificate_of
from harness.casefile import apache_hash, self_signed
from harness.fuzz_options import OPTIONS
from harness.fuzz_values import ANNOTATIONS, OURS, any_line, any_value
from harness.fuzz_words import HOSTILE
from harness.manifests import PREFIX, Manifest, encoded

NAMESPACE = "fuzz"
CONFIG = (NAMESPACE, "config")
NEAR, FAR = "bystander.test", "bystander.far"
"""Hosts of the bystanders."""
PATHS = ("/", "/", "/", "/a", "/a/", "/a/b", "/A", "/foo(/|$)(.*)", "/(", "/a b", "/é", '/x"y', "/a;b", "/$x", "/a{2}")
TYPES = ("Prefix", "Prefix", "Exact", "ImplementationSpecific", "ImplementationSpecific")
CHOSEN = (0, 1, 2, 3, 5, 8, 13)
"""How many annotations an Ingress has."""
FAULTS = (0.0, 0.0, 0.1, 0.5)
"""Which part of its values is wrong on purpose."""


def ingresses(dice: random.Random, count: int) -> list[Manifest]:
    """Two or three share a host."""
    hosts = [f"h{number}.fuzz.example" for number in range(max(1, count * 2 // 5))]
    hosts += ["*.fuzz.example", "www.h0.fuzz.example", "", "*.h1.fuzz.example"]
    made = [_ingress(dice, f"i{number}", dice.choice(hosts)) for number in range(count)]
    return made + [_canary(dice, one) for one in made if dice.random() < 0.15]


def surroundings(dice: random.Random) -> list[Manifest]:
    """Services, Secrets and ConfigMaps, each of them missing now and then."""
    return [one for one in _services() + _secrets() + _maps(dice) if dice.random() < 0.9]


def options(dice: random.Random) -> Manifest:
    """The ConfigMap that `--configmap` names."""
    chosen = dice.sample(sorted(OPTIONS), dice.choice([0, 1, 3, 8, 20, 40]))
    return _object("v1", "ConfigMap", CONFIG[1], data={key: any_value(OPTIONS[key], dice) for key in chosen})


def bystanders() -> list[Manifest]:
    """Ingresses with an annotation each, what they need, and the class of all."""
    near = _with_rule(f"{NAMESPACE}-bystander", NEAR, _path("/", "Prefix", "quiet"), {PREFIX + "enable-cors": "true"})
    far = _with_rule("bystander", FAR, _path("/", "Prefix", "quiet"), {PREFIX + "limit-rps": "5"})
    far["metadata"]["namespace"] = "far"
    own = _object("networking.k8s.io/v1", "IngressClass", "nginx", spec={"controller": "serin.dev/ingress-controller"})
    return [own, near, far, *_service("quiet"), *_service("quiet", namespace="far")]


def _ingress(dice: random.Random, name: str, host: str) -> Manifest:
    chosen = dice.sample(sorted(ANNOTATIONS), dice.choice(CHOSEN))
    family = dice.choice(
        ["auth-", "auth-tls-", "proxy-ssl-", "cors-", "proxy-", "session-cookie-", "limit-", "mirror-"]
    )
    if dice.random() < 0.4:
        chosen += [key for key in ANNOTATIONS if key.startswith(family) and dice.random() < 0.6]
    faults = dice.choice(FAULTS)
    notes = {PREFIX + key: any_value(ANNOTATIONS[key], dice, faults) for key in chosen}
    for key, others in (("cors-", {"enable-cors": "true"}), ("session-cookie-", {"affinity": "cookie"})):
        if family == key and dice.random() < 0.8:
            notes |= {PREFIX + other: value for other, value in others.items()}
    if dice.random() < 0.1:
        notes |= {f"serin.dev/{key}": any_value(make, dice) for key, make in OURS.items()}
    if dice.random() < 0.9:
        notes.pop(PREFIX + "canary", None)
    made = _with_rule(name, host, _any_path(dice), notes)
    paths = made["spec"]["rules"][0]["http"]["paths"]
    paths += [_any_path(dice) for _ in range(dice.choice([0, 0, 1, 2]))]
    if dice.random() < 0.25:
        secret = dice.choice([{"secretName": "certificate"}, {"secretName": "nobody"}, {}])
        made["spec"]["tls"] = [{"hosts": [host or "x.example"]} | secret]
    if dice.random() < 0.1:
        made["spec"]["defaultBackend"] = _any_path(dice)["backend"]
    return made


def _canary(dice: random.Random, main: Manifest) -> Manifest:
    keys = [key for key in ANNOTATIONS if key.startswith("canary-") and dice.random() < 0.5]
    notes = {PREFIX + key: any_value(ANNOTATIONS[key], dice) for key in [*keys, "upstream-hash-by", "load-balance"]}
    made = _object("networking.k8s.io/v1", "Ingress", main["metadata"]["name"] + "-canary", spec=main["spec"])
    made["metadata"]["annotations"] = notes | {PREFIX + "canary": "true"}
    return made


def _any_path(dice: random.Random) -> Manifest:
    return _path(
        dice.choice(PATHS), dice.choice(TYPES), dice.choice(["main", "main", "other", "empty", "outside", "gone"])
    )


def _path(path: str, kind: str, service: str) -> Manifest:
    return {"path": path, "pathType": kind, "backend": {"service": {"name": service, "port": {"number": 80}}}}


def _with_rule(name: str, host: str, path: Manifest, notes: dict[str, str]) -> Manifest:
    rule = ({"host": host} if host else {}) | {"http": {"paths": [path]}}
    made = _object("networking.k8s.io/v1", "Ingress", name, spec={"ingressClassName": "nginx", "rules": [rule]})
    made["metadata"]["annotations"] = notes
    return made


def _services() -> list[Manifest]:
    made = [one for name in ("main", "other", "headless") for one in _service(name)]
    made += _service("empty")[:1]
    made.append(_object("v1", "Service", "outside", spec={"type": "ExternalName", "externalName": "outside.example"}))
    return made


def _service(name: str, namespace: str = NAMESPACE) -> list[Manifest]:
    address = "None" if name == "headless" else "10.96.0.7"
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    of = _object("v1", "Service", name, namespace, spec={"ports": ports, "clusterIP": address})
    endpoints = _object("discovery.k8s.io/v1", "EndpointSlice", f"{name}-1", namespace, addressType="IPv4")
    endpoints["metadata"]["labels"] = {"kubernetes.io/service-name": name}
    endpoints["endpoints"] = [{"addresses": [a], "conditions": {"ready": True}} for a in ("10.0.0.5", "10.0.0.6")]
    return [of, endpoints | {"ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]}]


@functools.cache
def _pem() -> dict[str, str]:
    certificate, key = self_signed("h0.fuzz.example")
    both = certificate_of("fuzz")
    end = both.index(b"-----BEGIN PRIVATE")
    return {
        "crt": encoded(certificate),
        "key": encoded(key),
        "ca": encoded(authority("fuzz")),
        "client": encoded(both[:end]),
        "client key": encoded(both[end:]),
    }


def _secrets() -> list[Manifest]:
    pem = _pem()
    users = encoded(f"ann:{apache_hash('secret')}\n".encode())
    return [
        _object("v1", "Secret", "users", data={"auth": users, "ann": users}),
        _object(
            "v1", "Secret", "certificate", type="kubernetes.io/tls", data={"tls.crt": pem["crt"], "tls.key": pem["key"]}
        ),
        _object(
            *("v1", "Secret", "authority"),
            data={"ca.crt": pem["ca"], "tls.crt": pem["client"], "tls.key": pem["client key"]},
        ),
        _object(
            "v1", "Secret", "broken", data={"ca.crt": encoded(b"-----BEGIN CERTIFICATE-----\nx"), "tls.crt": pem["crt"]}
        ),
    ]


def _maps(dice: random.Random) -> list[Manifest]:
    names = ["X-A", "X-B", "x_c", "X-D", "Content-Type", "X-E;", "Host", "a b", "Connection"]
    headers = {name: any_line(dice) for name in dice.sample(names, dice.randint(0, 4))}
    places = ["SCRIPT_FILENAME", "QUERY_STRING", "HTTP_HOST", "a b", "X;", "CONTENT_LENGTH"]
    parameters = {name: any_line(dice) for name in dice.sample(places, dice.randint(0, 4))}
    if dice.random() < 0.1:
        headers[dice.choice(HOSTILE)[:200] or "x"] = dice.choice(HOSTILE)
    return [
        _object("v1", "ConfigMap", "headers", data=headers),
        _object("v1", "ConfigMap", "parameters", data=parameters),
    ]


def _object(version: str, kind: str, name: str, namespace: str = NAMESPACE, **body: Any) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **body}
