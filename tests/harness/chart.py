"""The chart as a test sees it: rendered by helm, without a cluster."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "serin"
Values = Mapping[str, Any]
Object = dict[str, Any]
_TIMEOUT = 60.0


class RefusedError(AssertionError):
    """helm did not take the values; says what it said."""


@dataclass(frozen=True, slots=True)
class Release:
    """What `helm template` gave: the objects, and the text with its comments."""

    text: str
    objects: tuple[Object, ...]

    def all(self, kind: str) -> list[Object]:
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind: str, name: str = "") -> Object:
        """The only one of its kind, or the one that ends with `name`."""
        found = [each for each in self.all(kind) if each["metadata"]["name"].endswith(name)]
        assert len(found) == 1, f"{len(found)} of {kind} {name}"
        return found[0]

    @property
    def pod(self) -> Object:
        """The pod template's `spec`."""
        spec: Object = self.template["spec"]
        return spec

    @property
    def template(self) -> Object:
        workload = next(each for each in self.objects if each["kind"] in ("Deployment", "DaemonSet"))
        template: Object = workload["spec"]["template"]
        return template

    def container(self, name: str) -> Object:
        return named(self.pod["containers"], name)


def named(items: Sequence[Object], name: str) -> Object:
    """Of a list of things with names, that one."""
    found = [item for item in items if item.get("name") == name]
    assert len(found) == 1, f"{len(found)} called {name} among {[item.get('name') for item in items]}"
    return found[0]


def nested(values: Values) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`; what stands in one name's value is left as it is."""
    made: dict[str, Any] = {}
    for key, value in values.items():
        here = made
        *folders, last = key.split(".")
        for folder in folders:
            here = here.setdefault(folder, {})
        here[last] = value
    return made


class Chart:
    """`helm` is the program; `folder` the chart's, by default that of this project."""

    def __init__(self, helm: Path, folder: Path = CHART) -> None:
        self.helm = helm
        self.folder = folder
        self._rendered: dict[tuple[str, ...], Release] = {}

    def render(
        self, values: Values | None = None, *, release: str = "serin", namespace: str = "ingress", kube: str = "1.34.0"
    ) -> Release:
        """`values` with dotted keys; the same ones are rendered once. RefusedError when helm does not take them."""
        given = json.dumps(nested(values or {}))
        asked = (release, namespace, kube, given)
        if asked not in self._rendered:
            options = ["--namespace", namespace, "--kube-version", kube, "--values", "-"]
            done = self.run("template", release, str(self.folder), *options, input=given)
            if done.returncode:
                raise RefusedError(done.stderr)
            self._rendered[asked] = read(done.stdout)
        return self._rendered[asked]

    def refusal(self, values: Values) -> str:
        """What helm says of values that it must not take."""
        try:
            self.render(values)
        except RefusedError as error:
            return str(error)
        raise AssertionError(f"taken: {dict(values)}")

    def run(self, *arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:  # noqa: A002
        command = [str(self.helm), *arguments]
        return subprocess.run(command, input=input, capture_output=True, text=True, timeout=_TIMEOUT, check=False)


def read(text: str) -> Release:
    return Release(text, tuple(found for found in yaml.load_all(text, yaml.CSafeLoader) if found))


def with_notes(chart: Chart, folder: Path) -> Chart:
    """A copy that renders its notes, which `helm template` leaves out, as an object of kind Notes."""
    copy = folder / "serin"
    shutil.copytree(chart.folder, copy)
    notes = copy / "templates" / "NOTES.txt"
    (copy / "templates" / "_notes.tpl").write_text(
        '{{- define "notes" -}}' + notes.read_text() + "{{- end -}}",
    )
    notes.write_text("")
    (copy / "templates" / "notes.yaml").write_text(
        'kind: Notes\nmetadata: {name: notes}\ntext: {{ include "notes" . | toJson }}\n'
    )
    return Chart(chart.helm, copy)


def leaves(values: Any, path: str = "") -> dict[str, Any]:
    """Dotted key → value of everything that is no map, or an empty one."""
    if not isinstance(values, Mapping) or not values:
        return {path: values}
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= leaves(value, f"{path}.{key}" if path else key)
    return found
