"""What rows of the table of values are made of: what to look for in a rendered release."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.chart import Release, named
from harness.rbac import PEOPLE

ADDRESS = "192.0.2.7"
LABELS = {"team": "edge"}
NOTES = {"example.com/note": "yes"}


@dataclass(frozen=True, slots=True)
class Row:
    """With `value` for `key` (and `given` for others) `find` gives `expected`."""

    key: str
    value: Any
    find: Callable[[Release], Any]
    expected: Any
    given: Mapping[str, Any] = field(default_factory=dict)


def flag(container: str, name: str) -> Callable[[Release], Any]:
    """Its value; True for a flag alone, None when it is not there."""

    def find(release: Release) -> Any:
        found = [a.partition("=") for a in release.container(container)["args"] if a.partition("=")[0] == f"--{name}"]
        assert len(found) < 2
        return (found[0][2] if found[0][1] else True) if found else None

    return find


def meta(kind: str, part: str, name: str = "") -> Callable[[Release], Any]:
    """Annotations of an object, or those of its labels that no other object of the chart has."""

    def find(release: Release) -> Any:
        given = release.one(kind, name)["metadata"].get(part, {})
        return {key: value for key, value in given.items() if key in LABELS or key in NOTES}

    return find


def spec(kind: str, *keys: str, name: str = "") -> Callable[[Release], Any]:
    def find(release: Release) -> Any:
        here = release.one(kind, name)["spec"]
        for key in keys:
            here = here.get(key) if isinstance(here, dict) else here
        return here

    return find


def pod(*keys: str) -> Callable[[Release], Any]:
    def find(release: Release) -> Any:
        here: Any = release.pod
        for key in keys:
            here = here.get(key)
        return here

    return find


def of(container: str, key: str) -> Callable[[Release], Any]:
    return lambda release: release.container(container).get(key)


def count(kind: str) -> Callable[[Release], Any]:
    return lambda release: len(release.all(kind))


def port(name: str, key: str) -> Callable[[Release], Any]:
    return lambda release: named(release.container("data-plane")["ports"], name).get(key)


def rules(kind: str) -> Callable[[Release], Any]:
    """Resources that the controller's roles name."""
    return lambda release: sorted(
        r
        for found in release.all(kind)
        for rule in found["rules"]
        for r in rule["resources"]
        if found["metadata"]["labels"]["app.kubernetes.io/component"] != PEOPLE
    )


def service_port(name: str, key: str, service: str = "-controller") -> Callable[[Release], Any]:
    def find(release: Release) -> Any:
        found = [each for each in release.one("Service", service)["spec"]["ports"] if each["name"] == name]
        return found[0].get(key) if found else None

    return find


def hook(*keys: str) -> Callable[[Release], Any]:
    def find(release: Release) -> Any:
        both = release.one("ValidatingWebhookConfiguration")["webhooks"]
        found = []
        for here in both:
            for key in keys:
                here = here.get(key)
            found.append(here)
        assert found[0] == found[1]
        return found[0]

    return find


def expressions(release: Release) -> Any:
    return [e["values"] for e in hook("namespaceSelector")(release).get("matchExpressions", [])]
