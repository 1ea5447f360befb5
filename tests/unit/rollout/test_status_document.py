"""A status that was written and read again is the same status: a new leader goes on exactly where the old one was."""

from typing import Any

import pytest
from harness import canaryroutes
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.objects.canary_status import (
    WHOLE,
    CanaryStatus,
    CheckStatus,
    Condition,
    LastAction,
    PastRun,
    RunStatus,
    VersionStatus,
)
from serin.objects.canary_status_fields import PLACES, Form, Place
from serin.objects.canary_status_reading import read_status, seconds_of
from serin.objects.fields import Fields, Report
from serin.refs import Ref
from serin.rollout.status_document import time_text, to_document

REPORT = Report(Ref("CanaryRoute", "prod", "shop"))
OUTCOMES = ("", "Promoted", "RolledBack", "Aborted", "Superseded", "TimedOut")
DEFINED = {name for name, _ in canaryroutes.fields() if name.startswith("status.")}
VERDICTS = ("Pass", "NeedsData", "Fail", "None")


def read(document: Any) -> CanaryStatus:
    return read_status(Fields(document, "status", REPORT))


def reread(status: CanaryStatus) -> CanaryStatus:
    return read(to_document(status))


def values(place: Place) -> st.SearchStrategy[Any]:
    by_name: dict[str, st.SearchStrategy[Any]] = {
        "verdict": st.sampled_from(VERDICTS),
        "outcome": st.sampled_from(OUTCOMES),
        "step": st.integers(1, 20),
    }
    if place.name in by_name:
        return by_name[place.name]
    match place.form:
        case Form.TEXT:
            return st.text(min_size=1, max_size=20)
        case Form.COUNT:
            return st.integers(0, 1 << 40)
        case Form.FLAG:
            return st.booleans()
        case Form.TIME:
            return st.integers(0, 1 << 33).map(float)
        case Form.PARTS:
            return st.integers(0, WHOLE)
        case Form.SHARE:
            return st.integers(0, WHOLE * 1000).map(lambda thousandths: round(thousandths / 1000, 3))
        case Form.NUMBERS:
            return st.lists(st.floats(-1e9, 1e9, allow_nan=False), max_size=6).map(tuple)


def parts(kind: type) -> st.SearchStrategy[Any]:
    more = {"steps": st.integers(1, 20)} if kind is RunStatus else {}
    return st.builds(kind, **{place.name: values(place) for place in PLACES[kind]}, **more)


def many(kind: type, name: str, most: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(parts(kind), max_size=most, unique_by=lambda part: getattr(part, name)).map(tuple)


STATUSES = st.builds(
    CanaryStatus,
    generation=st.integers(0, 1 << 40),
    phase=st.sampled_from(("", "Idle", "Progressing")),
    message=st.text(max_size=30),
    weights=many(VersionStatus, "version"),
    run=st.none() | parts(RunStatus),
    checks=many(CheckStatus, "name"),
    last_action=st.none() | parts(LastAction),
    history=st.lists(parts(PastRun), max_size=5).map(tuple),
    conditions=many(Condition, "type"),
)


@given(STATUSES)
@settings(deadline=None, max_examples=200)
def test_written_and_read_it_is_the_same(status: CanaryStatus) -> None:
    assert reread(status) == status


@given(STATUSES)
@settings(deadline=None, max_examples=50)
def test_only_fields_of_the_definition_are_written(status: CanaryStatus) -> None:
    assert set(_names(to_document(status), "status")) <= DEFINED


def _names(value: object, place: str) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in _names(item, place)]
    if not isinstance(value, dict):
        return []
    found = []
    for key, inner in value.items():
        found += [f"{place}.{key}", *_names(inner, f"{place}.{key}")]
    return found


def test_every_field_of_the_definition_is_read() -> None:
    shown = canaryroutes.status()
    found = read(shown)
    assert found.run is not None
    assert (found.run.step, found.run.steps, found.run.weight) == (3, 5, 25_000)
    assert found.checks[0].log_e == (-2.1, -2.9, -4.0, -5.5, -7.2, -8.8)
    again = to_document(found)
    lost = {name for name in _names(shown, "status") if name not in _names(again, "status")}
    # empty or 0 in the example
    assert lost == {"status.rollout.mirror", "status.rollout.paused", "status.rollout.outcome"} | {
        "status.checks.needs",
        "status.checks.failures",
        "status.checks.thresholdUs",
    }


@pytest.mark.parametrize(
    "damaged",
    [
        {"rollout": "x"},
        {"rollout": {"runId": "", "step": 2}},
        {"rollout": {"runId": "a" * 16, "outcome": "Somehow"}},
        {"checks": [{"verdict": "Pass"}, 3, None], "weights": {}, "conditions": [[]]},
        {"history": [{"outcome": "Promoted"}], "lastAction": {"result": "Accepted"}},
        {"observedGeneration": -1, "message": 5, "phase": None},
    ],
)
def test_what_cannot_be_read_is_absent(damaged: dict[str, object]) -> None:
    assert read(damaged) == CanaryStatus()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.sampled_from(("rollout", "checks", "weights", "history", "lastAction", "conditions", "message")),
)
@settings(deadline=None, max_examples=200)
def test_reading_is_total(value: object, key: str) -> None:
    found = read({key: value})
    assert reread(found) == found


@pytest.mark.parametrize(
    "text", ["", "2026-11-21", "2026-13-21T01:00:00Z", "2026-11-21T25:00:00Z", "1969-01-01T00:00:00Z", "x"]
)
def test_no_time(text: str) -> None:
    assert seconds_of(text) == 0.0


def test_times_are_the_second_that_has_begun() -> None:
    assert time_text(1_795_225_800.999) == "2026-11-21T01:50:00Z"
    assert seconds_of("2026-11-21T01:50:00.5Z") == 1_795_225_800.0


@pytest.mark.parametrize("seconds", [253_402_300_800, 1e12, 1e300])
def test_a_time_beyond_all_years_is_the_last(seconds: float) -> None:
    assert time_text(seconds) == "9999-12-31T23:59:59Z"


def test_numbers_that_no_status_can_hold_are_the_largest() -> None:
    """What a replica that was broken into says must not keep its version from being taken back."""
    [check] = reread(CanaryStatus(checks=(CheckStatus("errors", requests=1 << 64, bad=(1 << 63) - 1),))).checks
    assert (check.requests, check.bad) == ((1 << 63) - 1, (1 << 63) - 1)


def test_texts_are_cut_to_what_the_definition_takes() -> None:
    run = RunStatus("a" * 16, "v2", revision="r" * 65)
    past = PastRun("a", "v2", "", "Aborted", "x" * 2000, 1.0, 2.0)
    found: Any = to_document(CanaryStatus(message="m" * 2000, run=run, history=(past,)))
    assert (len(found["message"]), len(found["rollout"]["revision"]), len(found["history"][0]["reason"])) == (
        1024,
        64,
        1024,
    )
