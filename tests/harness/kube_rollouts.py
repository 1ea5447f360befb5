"""A release on a real API server: the object, its status and Events, verbs by kubectl."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from harness import canaryroutes, rollouts
from harness.controllers import Field
from harness.manifests import endpoint_slice, ingress, service
from harness.rollouts import WIDE
from harness.serving import Serving
from harness.waiting import until

HOST = "release.example"
Manifest = dict[str, Any]


def objects() -> tuple[Manifest, ...]:
    return (
        *(service("main"), endpoint_slice("main", ["10.99.0.11"])),
        *(service("next"), endpoint_slice("next", ["10.99.0.21"])),
        ingress("release", HOST, "main"),
    )


@pytest.fixture(scope="module")
def serving(shared_field: Field) -> Serving:
    """A controller that serves the two versions."""
    canaryroutes.install(shared_field.kube)
    shared_field.make_class()
    shared_field.put(*objects())
    return shared_field.control("--access-log", "off")


@dataclass
class Release:
    """One CanaryRoute; `next` is the version in rollout."""

    field: Field
    name: str = "release"

    def put(self, *steps: Manifest, **more: Any) -> None:
        route = rollouts.canary_route(*steps, name=self.name, versions=("main", "next"), **more)
        self.field.put(route)

    @property
    def path(self) -> str:
        return f"/apis/serin.dev/v1alpha1/namespaces/{self.field.namespace}/canaryroutes/{self.name}"

    @property
    def object(self) -> Manifest:
        return self.field.kube.get(self.path) or {}

    @property
    def status(self) -> Manifest:
        found: Manifest = self.object.get("status", {})
        return found

    @property
    def run(self) -> Manifest:
        found: Manifest = self.status.get("rollout", {})
        return found

    @property
    def weight(self) -> float:
        """Of the version in rollout, in per cent, as status.weights says."""
        weights = {entry["version"]: entry["weight"] for entry in self.status.get("weights", ())}
        return float(weights.get("next", "-1%").rstrip("%"))

    def becomes(self, phase: str) -> Manifest:
        try:
            until(lambda: self.status.get("phase") == phase, phase, seconds=WIDE, every=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}: {json.dumps(self.status, indent=1)}") from None
        return self.status

    def reaches(self, number: int) -> None:
        until(lambda: self.run.get("step", 0) >= number, f"step {number}", seconds=WIDE, every=0.05)

    def delete(self, serving: Serving) -> None:
        """It is gone, and what it shared out is the Ingress's again."""
        self.field.delete("canaryroute", self.name)
        until(lambda: not self.object, "the object to be gone", seconds=WIDE)
        self.field.becomes(serving, "main", HOST)

    def condition(self, kind: str) -> Manifest:
        return next((c for c in self.status.get("conditions", ()) if c["type"] == kind), {})

    def act(self, action: str) -> Manifest:
        """By kubectl annotate; waits until it was seen. What became of it."""
        self.kubectl("annotate", "canaryroute", self.name, f"serin.dev/action={action}", "--overwrite")
        until(lambda: self.status.get("lastAction", {}).get("value") == action, action, seconds=WIDE, every=0.05)
        found: Manifest = self.status["lastAction"]
        return found

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        done = self.field.kube.kubectl("-n", self.field.namespace, *arguments, check=check)
        return done.stdout + done.stderr

    def events(self, kind: str = "CanaryRoute", name: str = "") -> list[str]:
        """Reasons, each as often as it was counted."""
        listed = json.loads(self.kubectl("get", "events", "-o", "json"))["items"]
        found: list[str] = []
        for event in listed:
            about = event["involvedObject"]
            if (about["kind"], about["name"]) == (kind, name or self.name):
                found += [event["reason"]] * event.get("count", 1)
        return sorted(found)
