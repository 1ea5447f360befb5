"""Sets of manifests that nobody sane would write and anybody might, by chance, for comparing data planes.

A `Wild` set has one family of host names, `zz.example`, and one namespace, `zz`; many sets are served at a time, each
with names of its own. What they say never draws: each weight is nothing or all, each Service has one endpoint.
"""

import copy
import dataclasses
import datetime as dt
import json
import random
from collections.abc import Iterator
from typing import Any

from harness.casefile import apache_hash, self_signed
from harness.manifests import PREFIX, encoded, endpoint_slice, service, tls_secret
from harness.wild_requests import Ask, ask
from harness.wild_values import (
    ANNOTATIONS,
    AUTHENTICATOR,
    CANARY,
    HOST,
    HOSTS,
    PATHS,
    PATTERNS,
    PIECES,
    SERVICES,
    SETTINGS,
    TYPES,
)

NAMESPACE = "zz"
ADDRESSES = {"main": 11, "canary": 21, "canary2": 22, "other": 31, "secure": 41}
"""Services with an endpoint, by the last part of its address; `empty` has none, `gone` is no object at all."""
OLDEST = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

Manifest = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Wild:
    """Manifests, oldest first, and requests; both about `HOST` and `NAMESPACE`. `everywhere`: it has the catch-all."""

    manifests: tuple[Manifest, ...]
    asks: tuple[Ask, ...]
    everywhere: bool = False


def wild(dice: random.Random, *, asks: int, everywhere: bool = False) -> Wild:
    made: list[Manifest] = []
    for number in range(dice.choice([1, 1, 2, 2, 3, 4])):
        made.append(_ingress(dice, number, everywhere=everywhere))
        main = made[-1]
        made += [_canary(dice, f"canary{number}-{each}", main) for each in range(dice.choice([0, 0, 1, 1, 2, 3]))]
    if dice.random() < 0.25:
        made.append(_canary_route(dice))
    _without_draws(made)
    _with_tls_behind(made)
    dice.shuffle(made)
    hints = [path["path"] for each in made for _, path in _paths(each)]
    return Wild(tuple(made), tuple(ask(dice, hints, everywhere=everywhere) for _ in range(asks)), everywhere)


def settings(dice: random.Random) -> dict[str, str]:
    return {name: dice.choice(SETTINGS[name]) for name in dice.sample(sorted(SETTINGS), dice.choice([0, 0, 1, 3]))}


def placed(made: Wild, number: int, authenticator: str = AUTHENTICATOR) -> list[Manifest]:
    """The set's own objects, under the names of its number; with their ages."""
    found = []
    for age, one in enumerate(made.manifests):
        one = json.loads(at(json.dumps(one, ensure_ascii=False), number).replace(AUTHENTICATOR, authenticator))
        one["metadata"]["creationTimestamp"] = (OLDEST + dt.timedelta(minutes=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
        found.append(one)
    return found


def surroundings(number: int, prefix: str) -> list[Manifest]:
    """Services and Secrets that every set finds in its namespace; endpoints are `prefix` and a number."""
    made = []
    for name, last in ADDRESSES.items():
        port = 8443 if name == "secure" else 8080
        made += [service(name), endpoint_slice(name, [f"{prefix}{last}"], port=port)]
    made += [service("empty"), endpoint_slice("empty", [])]
    made.append(tls_secret("cert", *self_signed(at(HOST, number))))
    users = "".join(f"{user}:{apache_hash(word)}\n" for user, word in (("ann", "secret"), ("bob", "")))
    made += header_maps()
    data = {"auth": encoded(users.encode()), "ann": encoded(apache_hash("secret").encode())}
    made.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, "data": data})
    for one in made:
        one["metadata"]["namespace"] = at(NAMESPACE, number)
    return made


def header_maps() -> list[Manifest]:
    """ConfigMaps of header lines."""
    data = {"headers": {"X-A": "a $host", "X-B": "b"}, "others": {"X-A": "$http_x_test", "x_c": "c d;"}}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": lines}
        for name, lines in data.items()
    ]


def at(text: str, number: int) -> str:
    return text.replace("zz", f"zz{number}")


def smaller(made: Wild) -> Iterator[Wild]:
    """The set without one thing, for each thing that can be left out."""
    for index in range(len(made.asks)):
        if len(made.asks) > 1:
            yield dataclasses.replace(made, asks=(made.asks[index],))
    for index, one in enumerate(made.manifests):
        yield _with(made, index, None)
        for name in one["metadata"].get("annotations", {}):
            less = copy.deepcopy(one)
            del less["metadata"]["annotations"][name]
            yield _with(made, index, less)
        for key in ("tls", "defaultBackend", "rules"):
            if key in one["spec"]:
                less = copy.deepcopy(one)
                del less["spec"][key]
                yield _with(made, index, less)
        for position, (rule, path) in enumerate(_paths(one)):
            less = copy.deepcopy(one)
            del [r for r, _ in _paths(less)][position]["http"]["paths"][rule["http"]["paths"].index(path)]
            yield _with(made, index, less)
    if len(made.asks) == 1:
        for less_asked in made.asks[0].smaller():
            yield dataclasses.replace(made, asks=(less_asked,))


def _with(made: Wild, index: int, one: Manifest | None) -> Wild:
    rest = list(made.manifests)
    rest[index : index + 1] = [] if one is None else [one]
    return dataclasses.replace(made, manifests=tuple(rest))


def _paths(one: Manifest) -> list[tuple[Manifest, Manifest]]:
    return [(rule, path) for rule in one["spec"].get("rules", ()) if "http" in rule for path in rule["http"]["paths"]]


def _ingress(dice: random.Random, number: int, *, everywhere: bool) -> Manifest:
    annotations = {}
    for name in dice.sample(sorted(ANNOTATIONS), dice.choice([0, 1, 2, 2, 3, 5, 8])):
        annotations[name] = dice.choice(ANNOTATIONS[name])
    if dice.random() < 0.1:
        annotations |= {"auth-type": "basic", "auth-secret": "users"}
    if dice.random() < 0.15:
        annotations |= {"affinity": "cookie"}
    if dice.random() < 0.3:
        family = dice.choice(["auth-", "cors-", "proxy-redirect-", "session-", "mirror-", "custom-http-errors"])
        annotations |= {
            key: dice.choice(v) for key, v in ANNOTATIONS.items() if key.startswith(family) and dice.random() < 0.5
        }
        if family == "cors-":
            annotations["enable-cors"] = "true"
        if family == "custom-http-errors":
            annotations["default-backend"] = "other"
    regex = "use-regex" in annotations or "rewrite-target" in annotations
    rules = []
    for _ in range(dice.choice([0, 1, 1, 1, 1, 2])):
        host = dice.choice(HOSTS)
        paths = [_path(dice, regex) for _ in range(dice.choice([1, 1, 2, 3]))]
        rules.append({"host": host, "http": {"paths": paths}})
    if everywhere:
        rules.append({"http": {"paths": [_path(dice, regex) for _ in range(dice.choice([1, 2, 3]))]}})
    spec: Manifest = {"ingressClassName": "nginx", "rules": rules}
    if dice.random() < 0.15 and rules:
        spec["defaultBackend"] = _backend(dice)
    if not rules:
        spec["rules"] = [{"host": HOST, "http": {"paths": [_path(dice, regex)]}}]
    if dice.random() < 0.2:
        hosts = [HOST, "www.zz.example"] if dice.random() < 0.5 else [dice.choice(HOSTS)]
        spec["tls"] = [{"hosts": hosts} | dice.choice([{"secretName": "cert"}, {}, {"secretName": "missing"}])]
    return _object("Ingress", "networking.k8s.io/v1", f"main{number}", spec, annotations)


def _path(dice: random.Random, regex: bool) -> Manifest:
    path = dice.choice(PATHS)
    if dice.random() < (0.7 if regex else 0.05):
        path = dice.choice(PATTERNS) if dice.random() < 0.5 else "/" + pattern(dice)
    kind = "ImplementationSpecific" if regex and dice.random() < 0.8 else dice.choice(TYPES)
    return {"path": path, "pathType": kind, "backend": _backend(dice)}


def pattern(dice: random.Random) -> str:
    return "".join(dice.choice(PIECES) for _ in range(dice.choice([1, 2, 3, 4, 5])))


def _backend(dice: random.Random, names: list[str] = SERVICES) -> Manifest:
    name = dice.choice(names)
    port: Manifest = (
        {"number": 80} if dice.random() < 0.9 else dice.choice([{"name": "http"}, {"number": 81}, {"name": "no"}])
    )
    return {"service": {"name": name, "port": port}}


def _canary(dice: random.Random, name: str, main: Manifest) -> Manifest:
    made = copy.deepcopy(main)
    made["metadata"]["name"] = name
    made["spec"].pop("tls", None)
    for _, path in _paths(made):
        path["backend"] = _backend(dice, ["canary"] * 12 + ["canary2"] * 12 + ["empty", "gone", "main"])
    chosen = {key: dice.choice(CANARY[key]) for key in dice.sample(sorted(CANARY), dice.choice([1, 2, 2, 3, 4]))}
    if "canary-by-header-value" in chosen or "canary-by-header-pattern" in chosen:
        chosen.setdefault("canary-by-header", "X-Canary")
    if "canary-by-header-pattern" in chosen and dice.random() < 0.5:
        chosen["canary-by-header-pattern"] = pattern(dice)
    made["metadata"]["annotations"] = {PREFIX + k: v for k, v in chosen.items()}
    made["metadata"]["annotations"][PREFIX + "canary"] = dice.choice(["true"] * 9 + ["yes"])
    return made


def _canary_route(dice: random.Random) -> Manifest:
    versions: list[Manifest] = [
        {"name": "home", "service": {"name": "main"}, "weight": 1},
        {"name": "next", "service": {"name": "canary"}, "weight": 0},
        {"name": "third", "service": {"name": dice.choice(["canary2", "empty"])}, "weight": 0},
    ]
    rules = []
    for _ in range(dice.choice([1, 2, 3])):
        matches = [_match(dice) for _ in range(dice.choice([1, 1, 2]))]
        rules.append({"version": dice.choice(["home", "next", "next", "third"]), "matches": matches})
    return _object("CanaryRoute", "serin.dev/v1alpha1", "route", {"versions": versions, "rules": rules}, {})


def _without_draws(made: list[Manifest]) -> None:
    """Two canaries that want everything would share it by chance."""
    name = PREFIX + "canary-weight"
    weighted = [one for one in made if int(one["metadata"].get("annotations", {}).get(name, "0").replace("x", "0")) > 0]
    for one in weighted[1:]:
        one["metadata"]["annotations"][name] = "0"


def _with_tls_behind(made: list[Manifest]) -> None:
    """A server that speaks no TLS makes of a handshake what it likes: here all speak it where it is asked for."""
    asking = [
        one
        for one in made
        if one["metadata"].get("annotations", {}).get(PREFIX + "backend-protocol", "").upper() == "HTTPS"
    ]
    if asking:
        for one in made:
            if one["kind"] == "CanaryRoute":
                continue
            one["metadata"].setdefault("annotations", {})[PREFIX + "backend-protocol"] = "HTTPS"
            for path in [*(path for _, path in _paths(one)), one["spec"].get("defaultBackend")]:
                backend = path.get("backend", path) if path else None
                if backend and backend["service"]["name"] not in ("empty", "gone"):
                    backend["service"]["name"] = "secure"


def _match(dice: random.Random) -> Manifest:
    made: Manifest = {}
    for field, names in (
        ("headers", ["X-Canary", "x-test", "X_Canary"]),
        ("cookies", ["canary", "c"]),
        ("queryParams", ["a", "b"]),
    ):
        if dice.random() < 0.5:
            kind = dice.choice(["Exact", "RegularExpression", "Present"])
            condition = {"name": dice.choice(names), "type": kind}
            if kind != "Present":
                condition["value"] = dice.choice(
                    ["yes", "a b", "1", "always"] if kind == "Exact" else ["y.*", "\\d+", "(", "(a+)+"]
                )
            made[field] = [condition]
    if dice.random() < 0.15:
        made["method"] = dice.choice(["GET", "POST"])
    if dice.random() < 0.15 or not made:
        made["clientCIDRs"] = [dice.choice(["127.0.0.0/8", "10.0.0.0/8"])]
    return made


def _object(kind: str, version: str, name: str, spec: Manifest, annotations: dict[str, str]) -> Manifest:
    metadata: Manifest = {"name": name, "namespace": NAMESPACE}
    if annotations:
        metadata["annotations"] = {PREFIX + key: value for key, value in annotations.items()}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
