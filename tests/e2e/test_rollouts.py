"""CanaryRoutes under steady load: one is promoted, one is taken back at its first step."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from harness.e2e.backends import ingress
from harness.e2e.curl import curl
from harness.e2e.notes import BAD, Stage
from harness.e2e.replicas import doors, everywhere
from harness.e2e.report import Report
from harness.e2e.site import FIRST, Site

HOME, GOOD = "v1", "v2"
FIRST_SHARE = 0.2
STEPS = [{"weight": "20%", "duration": "3s"}, {"weight": "60%", "duration": "3s"}]
ERRORS = {"name": "errors", "type": "Errors", "maxRatio": "1.5", "max": "2%"}
CHECKS = [ERRORS | {"minRequests": 30, "warmup": "0s", "interval": "5s"}]
RATE = 80.0
METRICS = 10254
COUNTED = re.compile(r'^canaryroute_requests_total{(?=.*name="(\w+)")(?=.*version="(\w+)").*} ([\d.]+)', re.MULTILINE)


class Release:
    """The CanaryRoute and its Ingress, both of one name, and its candidate."""

    def __init__(self, stage: Stage, name: str, candidate: str) -> None:
        self.stage, self.site, self.name, self.candidate = stage, stage.site, name, candidate
        self.host = f"{name}.example.com"

    def begin(self) -> float:
        versions = [
            {"name": HOME, "service": {"name": HOME}, "weight": 100},
            {"name": self.candidate, "service": {"name": self.candidate}},
        ]
        rollout = {"version": self.candidate, "revision": "1.0", "steps": STEPS, "checks": CHECKS}
        route = {
            "apiVersion": "serin.dev/v1alpha1",
            "kind": "CanaryRoute",
            "metadata": {"name": self.name},
            "spec": {"targets": [{"name": self.name}], "versions": versions, "rollout": rollout},
        }
        began = time.monotonic()
        self.site.apply(route, namespace=self.stage.namespace)
        return began

    def wait(self, condition: str) -> float:
        """By kubectl wait; the moment after."""
        self.stage.kubectl("wait", f"canaryroute/{self.name}", f"--for={condition}", "--timeout=90s")
        return time.monotonic()

    @property
    def status(self) -> Any:
        path = f"/apis/serin.dev/v1alpha1/namespaces/{self.stage.namespace}/canaryroutes/{self.name}"
        return self.site.get(path)["status"]

    def told(self, kind: str, reasons: set[str]) -> None:
        """Wait for Events of these reasons below `kubectl describe`."""
        self.site.wait(lambda: reasons <= self._events(kind), f"Events {', '.join(sorted(reasons))} on the {kind}")

    def _events(self, kind: str) -> set[str]:
        lines = self.stage.kubectl("describe", kind, self.name).partition("Events:")[2].splitlines()
        return {line.split()[1] for line in lines if len(line.split()) > 1}

    def counted(self) -> list[int]:
        """Requests of the candidate, of each replica."""
        return [self._counted(door) for door in doors(self.site, METRICS)]

    def _counted(self, door: str) -> int:
        page = curl("http://metrics/metrics", place=door, enter=self.site.network.enter(FIRST)).body
        found = COUNTED.findall(page)
        return sum(
            int(float(count)) for name, version, count in found if (name, version) == (self.name, self.candidate)
        )


@pytest.fixture(scope="module")
def shop(site: Site, stage: Stage) -> Iterator[Stage]:
    """An Ingress for each release."""
    site.install()
    names = ("good", "bad")
    with stage.showing(*(ingress(name, f"{name}.example.com", HOME) for name in names)):
        for name in names:
            everywhere(site, f"http://{name}.example.com/", HOME)
        yield stage
        stage.kubectl("delete", "canaryroute", "--all")


def test_a_good_release_is_promoted(site: Site, shop: Stage, report: Report) -> None:
    """A good release is promoted step by step"""
    release = Release(shop, "good", GOOD)
    with site.steady(release.host, rate=RATE) as load:
        began = release.begin()
        ended = release.wait("condition=Promoted")
        programmed = release.wait("condition=Programmed")
        load.more(60)
    report(f"in {ended - began:.0f} s: {dict(load.answers(since=began))}", **load.figures())
    assert not load.lost
    assert set(load.answers(since=programmed)) == {f"200 {GOOD}"}
    assert set(load.answers()) == {f"200 {GOOD}", f"200 {HOME}"}
    status = release.status
    assert (status["phase"], status["rollout"]["outcome"]) == ("Promoted", "Promoted")
    assert re.search(r"good .*Promoted", release.stage.kubectl("get", "canaryroute"))
    release.told("canaryroute", {"RolloutStarted", "StepStarted", "StepCompleted", "Promoted"})
    release.told("ingress", {"Promoted"})


def test_a_bad_release_is_taken_back(site: Site, shop: Stage, report: Report) -> None:
    """A release that fails each 20th request is taken back at its first step"""
    release = Release(shop, "bad", BAD)
    with site.steady(release.host, rate=RATE) as load:
        began = release.begin()
        ended = release.wait("jsonpath={.status.rollout.outcome}=RolledBack")
        programmed = release.wait("condition=Programmed")
        load.more(60)
    status = release.status
    check, counted = status["checks"][0], release.counted()
    asked = [each.backend for each in load.results if began <= each.sent < ended]
    saw = asked.count(BAD)
    report(f"after {ended - began:.0f} s: {check['message']}")
    report(f"{saw} of {len(asked)} saw it, by replica {counted}", **load.figures())
    assert not load.lost
    assert status["rollout"]["step"] == 1
    assert set(load.answers(since=programmed)) == {f"200 {HOME}"}
    # Each replica gives one in each five: two more are as many as a stretch can have.
    assert 0 < saw <= FIRST_SHARE * len(asked) + 4
    # What the leader judged by is what both replicas counted.
    assert sum(counted) >= check["requests"] > max(counted)
    assert min(counted) > 0
    conditions = {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}
    assert conditions["Promoted"] == ("False", "CheckFailed")
    assert re.search(r"bad .*RolledBack", release.stage.kubectl("get", "canaryroute"))
    release.told("canaryroute", {"CheckFailed", "RolledBack"})
    release.told("ingress", {"RolledBack"})
