"""CanaryRoutes of tests/manifests/canaryroutes: those that are right, and those that break one rule each.

The format of the second is described at the head of invalid.yaml.
"""

import copy
import json
import pathlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from harness.kube import Kube
from harness.waiting import until
from localkube.client import RequestFailedError

ROOT = pathlib.Path(__file__).parents[2]
DEFINITION = ROOT / "crds" / "canaryroute.yaml"
PAGE = ROOT / "docs" / "canaryroute.md"
FOLDER = ROOT / "tests" / "manifests" / "canaryroutes"
GROUP = "/apis/serin.dev/v1alpha1"

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """An object that the API server refuses; `field` and `says` are what its message has in it."""

    name: str
    object: Object
    field: str
    says: str


def _read(text: str) -> Any:
    return yaml.load(text, yaml.CSafeLoader)


def definition() -> Object:
    """The CustomResourceDefinition."""
    return dict(_read(DEFINITION.read_text()))


def schema() -> Object:
    """The root of its one version's schema."""
    return dict(definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def fields(node: Object | None = None, place: str = "") -> Iterator[tuple[str, Object]]:
    """Every field below the schema's root (or `node`) as kubectl explain names it: `spec.rules.matches`, its schema."""
    node = schema() if node is None else node
    for name, field in node.get("properties", {}).items():
        inner = f"{place}.{name}".lstrip(".")
        yield inner, field
        yield from fields(field, inner)
    if "items" in node:
        yield from fields(node["items"], place)


def status() -> Object:
    """A status with every field set, fitting `valid()["full"]`."""
    return dict(_read((FOLDER / "status.yaml").read_text()))


def valid() -> dict[str, Object]:
    """By the name of the file, without its ending."""
    return {path.stem: _read(path.read_text()) for path in sorted((FOLDER / "valid").glob("*.yaml"))}


def examples() -> list[Object]:
    """The CanaryRoutes that the reference page shows, in order."""
    blocks = re.findall(r"(?:^(?: {4}.*)?\n)+", PAGE.read_text(), re.MULTILINE)
    found = [_read(block) for block in blocks if block.strip().startswith("apiVersion: serin.dev/")]
    return [example for example in found if example["kind"] == "CanaryRoute"]


def invalid() -> list[Refused]:
    base = valid()["full"]
    return [_refused(base, case) for case in _read((FOLDER / "invalid.yaml").read_text())]


def install(kube: Kube) -> None:
    """The definition is there and served. It stays: a server knows only this one."""
    kube.apply(definition())
    until_served(kube)
    until(lambda: _known_to_kubectl(kube), "kubectl knows CanaryRoutes")


def until_served(kube: Kube) -> None:
    until(lambda: _served(kube), "CanaryRoutes are served")


def _served(kube: Kube) -> bool:
    """First the path is not known (404), then its storage is made ready (429)."""
    try:
        kube.request("GET", f"{GROUP}/canaryroutes")
    except RequestFailedError as error:
        if error.status in (404, 429):
            return False
        raise
    return True


def _known_to_kubectl(kube: Kube) -> bool:
    """kubectl keeps for hours what it once heard of a server's kinds; the server publishes texts a second later."""
    listed = kube.kubectl("api-resources", "--cached=false", "--api-group=serin.dev")
    return "cnr" in listed.stdout.split() and kube.kubectl("explain", "cnr", check=False).returncode == 0


def path(namespace: str, name: str = "", sub: str = "") -> str:
    """Of all in a namespace, of one, or of one's subresource."""
    return "/".join(filter(None, [f"{GROUP}/namespaces/{namespace}/canaryroutes", name, sub]))


def causes(kube: Kube, method: str, at: str, body: Object) -> list[tuple[str, str]]:
    """Why a request is refused: fields, and what is said of them. Empty when it is not."""
    try:
        kube.request(method, at, body)
    except RequestFailedError as error:
        status = json.loads(str(error).partition(": ")[2])
        found = status.get("details", {}).get("causes") or [{"message": status["message"]}]
        return [(cause.get("field", ""), cause.get("message", "")) for cause in found]
    return []


def _refused(base: Object, case: Mapping[str, Any]) -> Refused:
    changed = copy.deepcopy(base)
    changed["metadata"]["name"] = case["name"]
    for place in case.get("remove", ()):
        holder, key = _place(changed, place)
        if isinstance(holder, list) or key in holder:
            del holder[key]
    for place, value in case.get("set", {}).items():
        holder, key = _place(changed, place)
        if isinstance(holder, list) and key == len(holder):
            holder.append(_written_out(value))
        else:
            holder[key] = _written_out(value)
    return Refused(case["name"], changed, case["field"], case["says"])


def _place(root: Object, place: str) -> tuple[Any, Any]:
    """The mapping or list that holds a place such as `spec.versions[0].name`, and the key in it."""
    keys: list[str | int] = [int(index) if index else key for index, key in re.findall(r"\[(\d+)]|([^.\[\]]+)", place)]
    holder: Any = root
    for key in keys[:-1]:
        holder = holder[key]
    return holder, keys[-1]


def _written_out(value: Any) -> Any:
    if isinstance(value, list):
        return [_written_out(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "repeat" not in value:
        return {key: _written_out(item) for key, item in value.items()}
    if value.get("listed"):
        return [_numbered(value["repeat"], number) for number in range(value["times"])]
    return value["repeat"] * value["times"]


def _numbered(value: Any, number: int) -> Any:
    if isinstance(value, str):
        return value.replace("#", str(number))
    if isinstance(value, dict):
        return {key: _numbered(item, number) for key, item in value.items()}
    return value
