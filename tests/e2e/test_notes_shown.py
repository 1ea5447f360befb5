"""What users see of their Ingresses: ADDRESS and Events, by kubectl get and kubectl describe."""

from collections.abc import Iterator

import pytest
from harness.e2e.backends import ingress
from harness.e2e.notes import Stage, canary
from harness.e2e.report import Report
from harness.e2e.site import Site


@pytest.fixture(scope="module")
def shown(site: Site, stage: Stage) -> Iterator[Stage]:
    """`good`; `bad`, whose Service does not exist, with a canary whose weight is no number."""
    site.install()
    good, bad = ingress("good", "good.example.com", "tea"), ingress("bad", "bad.example.com", "typo")
    with stage.showing(good, bad, canary("bad-canary", "bad.example.com", weight="many")):
        yield stage


def test_address(shown: Stage, report: Report) -> None:
    """ADDRESS in kubectl get ingress"""
    wanted = shown.site.release.service()["spec"]["clusterIP"]
    shown.site.wait(lambda: shown.kubectl("get", "ingress").split().count(wanted) == 3, "ADDRESS of all three")
    report(wanted)


def test_events_of_a_good_one(shown: Stage, report: Report) -> None:
    """Events of a good Ingress: Sync and nothing else"""
    shown.site.wait(lambda: "Sync" in events(shown, "good"), "Sync")
    assert "Scheduled for sync" in events(shown, "good")
    assert "Warning" not in events(shown, "good")
    report("Sync: Scheduled for sync")


@pytest.mark.parametrize(
    ("name", "code", "field"),
    [
        ("bad", "ServiceNotFound", "spec.rules[0].http.paths[0]"),
        ("bad-canary", "AnnotationInvalid", "nginx.ingress.kubernetes.io/canary-weight"),
    ],
)
def test_events_of_a_bad_one(shown: Stage, name: str, code: str, field: str, report: Report) -> None:
    """Events of a bad Ingress: code, field, and what comes of it"""
    shown.site.wait(lambda: code in events(shown, name), code)
    told = next(line for line in events(shown, name).splitlines() if code in line)
    assert "Warning" in told
    assert field in told
    report(" ".join(told.split()))


def events(shown: Stage, name: str) -> str:
    """What kubectl describe has below Events."""
    return shown.kubectl("describe", "ingress", name).partition("Events:")[2]
