"""Every status that the engine makes is taken by a real API server, and comes back as it was."""

from collections.abc import Callable

import pytest
from harness import canaryroutes
from harness.canaryroutes import causes, path
from harness.kube import Kube
from unit.rollout.runs import Played, at_step, canary, played

from serin.objects.canary_status_reading import read_status
from serin.objects.fields import Fields, Report
from serin.rollout.status_document import to_document

NAME = "written"


def _held() -> Played:
    run = at_step(2, onFailure="Pause").wait(60)
    run.judgement.verdict = "Fail"
    return run.settle(1)


def _lacking() -> Played:
    run = at_step(1)
    run.judgement.verdict, run.judgement.needs = "NeedsData", 80
    run.ready["v2"] = 0
    return run.wait(120)


STATUSES: dict[str, Callable[[], Played]] = {
    "begun": played,
    "judged": lambda: at_step(2).wait(60),
    "mirrored": lambda: played(canary(steps=[{"weight": "0%", "mirror": "0.5%", "approval": "Required"}])),
    "lacking": _lacking,
    "awaiting": lambda: at_step(2).wait(300),
    "held": _held,
    "ignored": lambda: played().act("x" * 2000).settle(1),
    "aborted": lambda: at_step(2).act("abort").settle(1),
    "promoted": lambda: at_step(3).wait(600),
    "reverted": lambda: at_step(3).wait(600).act("revert").settle(1),
    "superseded": lambda: at_step(2).edit(canary(revision="r" * 64)).settle(1),
}


@pytest.fixture(scope="module")
def kube(api_server: Kube) -> Kube:
    canaryroutes.install(api_server)
    route = canaryroutes.valid()["full"]
    route["metadata"] = {"name": NAME}
    api_server.request("POST", path("default"), route)
    return api_server


@pytest.mark.parametrize("name", STATUSES)
def test_is_taken_and_read_again(kube: Kube, name: str) -> None:
    run = STATUSES[name]()
    written = {"status": to_document(run.status)}
    at = path("default", NAME, "status")
    assert causes(kube, "PATCH", f"{at}?fieldValidation=Strict", written) == []
    stored = kube.get(path("default", NAME))["status"]
    assert read_status(Fields(stored, "status", Report(run.view.meta.ref))) == run.status
    kube.request("PATCH", at, {"status": None})
