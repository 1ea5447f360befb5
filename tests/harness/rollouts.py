"""Rollouts under test: the object, its status, verbs; and what its users saw."""

import contextlib
import itertools
import json
import os
import pathlib
from typing import Any

from harness.load import Result
from harness.manifests import NAMESPACE
from harness.serving import Serving
from harness.waiting import until

Manifest = dict[str, Any]
WIDE = 90.0
"""Seconds: what is waited for takes a few; on a busy machine, more."""
_unique = itertools.count()

ERRORS = {"name": "errors", "type": "Errors", "max": "1%", "warmup": "0s", "interval": "5s", "minRequests": 30}
P95 = {"name": "p95", "type": "Latency", "maxRatio": "1.3", "warmup": "1s", "interval": "5s", "minRequests": 30}


def step(weight: str, duration: str = "0s", **more: Any) -> Manifest:
    return {"weight": weight, "duration": duration, **more}


def canary_route(
    *steps: Manifest,
    name: str = "shop",
    checks: tuple[Manifest, ...] = (),
    revision: str = "1",
    action: str = "",
    namespace: str = NAMESPACE,
    versions: tuple[str, str] = ("main", "canary"),
    **spec: Any,
) -> Manifest:
    """`main` is home and has all; `canary` is in rollout. `spec`: `rollout_NAME` goes into spec.rollout."""
    inner = {key.removeprefix("rollout_"): value for key, value in spec.items() if key.startswith("rollout_")}
    metadata: Manifest = {"name": name, "namespace": namespace}
    if action:
        metadata["annotations"] = {"serin.dev/action": action}
    home, candidate = versions
    return {
        "apiVersion": "serin.dev/v1alpha1",
        "kind": "CanaryRoute",
        "metadata": metadata,
        "spec": {
            **{key: value for key, value in spec.items() if not key.startswith("rollout_")},
            "versions": [
                {"name": home, "service": {"name": home}, "weight": 100},
                {"name": candidate, "service": {"name": candidate}},
            ],
            "rollout": {
                "version": candidate,
                "revision": revision,
                "steps": list(steps),
                "checks": list(checks),
                **inner,
            },
        },
    }


class Watched:
    """The status of one CanaryRoute of a `serin serve`, as its file says."""

    def __init__(self, serving: Serving, name: str = "shop") -> None:
        self.serving = serving
        self.name = name

    @property
    def path(self) -> pathlib.Path:
        return self.serving.run_dir / "plan" / "canary" / f"{NAMESPACE}.{self.name}.json"

    @property
    def status(self) -> Manifest:
        with contextlib.suppress(FileNotFoundError):
            found: Manifest = json.loads(self.path.read_text()).get("status", {})
            return found
        return {}

    @property
    def run(self) -> Manifest:
        found: Manifest = self.status.get("rollout", {})
        return found

    @property
    def step(self) -> int:
        return int(self.run.get("step", 0))

    def becomes(self, phase: str, *, seconds: float = WIDE) -> Manifest:
        """Wait for a phase; the status then."""
        try:
            until(lambda: self.status.get("phase") == phase, phase, seconds=seconds)
        except AssertionError as error:
            raise AssertionError(
                f"{error}: {json.dumps(self.status, indent=1)}\n{self.serving.output()[-3000:]}"
            ) from None
        return self.status

    def reaches(self, number: int) -> None:
        until(lambda: self.step >= number, f"step {number}, not {self.status}", seconds=WIDE)

    def condition(self, kind: str) -> Manifest:
        return next((c for c in self.status.get("conditions", ()) if c["type"] == kind), {})

    def act(self, action: str) -> None:
        """As the command line does it; returns when it was taken."""
        folder = self.serving.run_dir / "actions"
        name = f"{NAMESPACE}.{self.name}.{os.getpid()}-{next(_unique)}"
        (folder / f".{name}").write_text(action + "\n")
        (folder / f".{name}").rename(folder / name)
        until(lambda: not (folder / name).exists(), f"{action} to be taken", seconds=WIDE)

    def told(self) -> list[str]:
        """The reasons that were logged, in order."""
        return [
            line["reason"] for line in log_lines(self.serving, "rollout") if line["object"].endswith(f"/{self.name}")
        ]


def log_lines(serving: Serving, event: str) -> list[Manifest]:
    found = []
    for line in serving.output().splitlines():
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict) and told.get("event") == event:
                found.append(told)
    return found


def share_of(results: list[Result], backend: str) -> float:
    return sum(result.backend == backend for result in results) / max(1, len(results))
