"""spec.rollout as a view: every field read, every default, and no rollout at all where a part of it is not as meant.

What the schema refuses is in tests/unit/crds/test_crd_offline.py, case by case.
"""

from typing import Any

import pytest

from serin.objects.canaryroute_values import duration_of, parts_of
from serin.objects.parse import parse_object
from serin.objects.views import CanaryCheck, CanaryRoute, CheckType
from serin.problems import Problem

Raw = dict[str, Any]
V1: Raw = {"name": "v1", "service": {"name": "shop-v1"}, "weight": 1}
V2: Raw = {"name": "v2", "service": {"name": "shop-v2"}}
STEPS: list[Raw] = [{"weight": "5%"}]


def read(rollout: object, metadata: Raw | None = None, **spec: Any) -> tuple[CanaryRoute, tuple[Problem, ...]]:
    body = {"versions": [V1, V2], "rollout": rollout, **spec}
    named = {"name": "shop", **(metadata or {})}
    found = parse_object({"apiVersion": "serin.dev/v1alpha1", "kind": "CanaryRoute", "metadata": named, "spec": body})
    assert isinstance(found.view, CanaryRoute)
    return found.view, found.problems


def rollout(**fields: Any) -> Raw:
    return {"version": "v2", "steps": STEPS, **fields}


def check(**fields: Any) -> CanaryCheck:
    found, problems = read(rollout(checks=[{"name": "c", **fields}]))
    assert problems == ()
    assert found.rollout is not None
    return found.rollout.checks[0]


def test_every_field() -> None:
    steps = [
        {"name": "testers", "weight": "0%", "approval": "Required", "mirror": "12.5%"},
        {"weight": "0.125%", "duration": "1h30m5s250ms"},
        {"weight": "100.000%", "approval": "None"},
    ]
    found, problems = read(
        rollout(
            revision="1.8.2",
            baseline="v1",
            steps=steps,
            stepTimeout="0s",
            minReadyEndpoints=3,
            falseAlarm="0.1%",
            onFailure="Pause",
            onNoData="Continue",
        ),
        paused=True,
    )
    made = found.rollout
    assert problems == ()
    assert made is not None
    assert (made.version, made.revision, made.baseline, made.source.field) == ("v2", "1.8.2", "v1", "spec.rollout")
    assert (made.step_timeout, made.min_ready, made.min_ready_share, made.false_alarm) == (0, 3, 0, 0.001)
    assert (made.on_failure, made.on_no_data, found.paused, found.held) == ("Pause", "Continue", True, "")
    assert [(s.name, s.weight, s.duration, s.approval, s.mirror) for s in made.steps] == [
        ("testers", 0, 0, True, 12_500),
        ("2", 125, 5405.25, False, 0),
        ("3", 100_000, 0, False, 0),
    ]
    assert made.steps[1].source.field == "spec.rollout.steps[1]"


def test_every_default() -> None:
    made = read(rollout())[0].rollout
    assert made is not None
    assert (made.revision, made.baseline, made.step_timeout, made.min_ready, made.min_ready_share) == (
        "",
        "v1",
        3600,
        1,
        0,
    )
    assert (made.checks, made.false_alarm, made.on_failure, made.on_no_data) == ((), 0.05, "Rollback", "Pause")


def test_a_percentage_of_endpoints_is_a_share_and_no_number() -> None:
    made = read(rollout(minReadyEndpoints="62.5%"))[0].rollout
    assert made is not None
    assert (made.min_ready, made.min_ready_share) == (0, 0.625)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"type": "Errors", "max": "0.5%"}, {"most": 0.005, "interval": 15, "min_requests": 100, "statuses": ("5xx",)}),
        ({"type": "Errors", "maxRatio": "1.5", "statuses": ["5xx", "429", "5xx"]}, {"most": None, "most_ratio": 1.5}),
        ({"type": "Errors", "maxRatio": "1", "statuses": ["5xx", "429", "5xx"]}, {"statuses": ("5xx", "429")}),
        ({"type": "Errors", "max": "1%", "warmup": "0s", "minRequests": 7}, {"warmup": 0, "min_requests": 7}),
        ({"type": "Latency", "max": "1s500ms", "percentile": 99}, {"most": 1.5, "percentile": 99}),
        ({"type": "Latency", "max": "1s"}, {"percentile": 95, "warmup": 30, "failure_threshold": 3}),
        (
            {
                "type": "Prometheus",
                "min": "-1.5e3",
                "max": "2",
                "prometheus": {"address": "http://prom:9090", "query": "x"},
            },
            {"least": -1500, "most": 2, "interval": 60, "min_requests": 0, "address": "http://prom:9090", "query": "x"},
        ),
        (
            {
                "type": "Webhook",
                "failureThreshold": 1,
                "interval": "5s",
                "minRequests": 1,
                "webhook": {"url": "https://a.example/x?y=1", "timeout": "60s", "secretRef": {"name": "token"}},
            },
            {
                "url": "https://a.example/x?y=1",
                "timeout": 60,
                "secret": "token",
                "failure_threshold": 1,
                "interval": 5,
                "min_requests": 1,
            },
        ),
        ({"type": "Webhook", "webhook": {"url": "https://a.example"}}, {"timeout": 10, "secret": "", "interval": 60}),
    ],
)
def test_checks(fields: Raw, expected: Raw) -> None:
    found = check(**fields)
    assert found.type == CheckType(fields["type"])
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("90s", 90), ("1h30m", 5400), ("30m1h", 5400), ("5ms", 0.005), ("5m5s", 305), ("1m1ms", 60.001)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_of(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5 m", "1.5h", "-5s", "123456s", "1d", "1h1h1h1h1h", "5S", "5s\n", "٥s"])
def test_no_durations(text: str) -> None:
    assert duration_of(text) is None


@pytest.mark.parametrize(("text", "parts"), [("0%", 0), ("100%", 100_000), ("0.001%", 1), ("33.3%", 33_300)])
def test_percentages(text: str, parts: int) -> None:
    assert parts_of(text) == parts


@pytest.mark.parametrize("text", ["", "%", "5", "05%", "100.1%", "1.0001%", ".5%", "-1%", "5 %", "5%\n", "٥%"])
def test_no_percentages(text: str) -> None:
    assert parts_of(text) is None


@pytest.mark.parametrize(
    ("weights", "baseline"), [((3, 2, None), "v1"), ((2, 3, None), "b"), ((2, 2, None), "v1"), ((0, 2, None), "b")]
)
def test_by_default_the_baseline_has_the_largest_weight(weights: tuple[int | None, ...], baseline: str) -> None:
    versions = [
        {"name": name, "service": {"name": name}, **({} if weight is None else {"weight": weight})}
        for name, weight in zip(("v1", "b", "v2"), weights, strict=True)
    ]
    found, problems = read(rollout(), versions=versions)
    assert found.rollout is not None
    assert (found.rollout.baseline, problems) == (baseline, ())


BROKEN: list[Any] = [
    rollout(steps=[{"weight": "5%", "aproval": "Required"}]),
    rollout(setps=[]),
    rollout(checks=[{"name": "e", "type": "Errors", "maxRation": "2"}]),
    rollout(checks=[{"name": "e", "type": "Errors", "max": "5%"}] * 2),
    rollout(checks={"name": "e"}),
    rollout(steps=["5%"]),
    rollout(steps=[{"weight": "5%", "mirror": "1%"}]),
    rollout(onFailure="pause"),
    rollout(baseline="v2"),
    {"version": "v2"},
]


@pytest.mark.parametrize("broken", BROKEN)
def test_one_mistake_holds_the_rollout_and_its_version_keeps_weight_0(broken: Any) -> None:
    found, problems = read(broken)
    assert (found.rollout, found.held) == (None, "v2")
    assert [v.weight for v in found.versions] == [1, 0]
    assert problems[-1].code == "canaryroute-rollout-unusable"
    assert problems[-1].text.endswith("there is no rollout, and v2 has weight 0")
    assert problems[-1].source.field == "spec.rollout"
    assert all(problem.severity == "error" for problem in problems)
    assert len(problems) >= 2


@pytest.mark.parametrize(
    ("broken", "field", "expected"),
    [
        (rollout(steps=[{"weight": "5%", "duration": 30}]), "steps[0].duration", "a duration such as 30s"),
        (rollout(steps=[{"weight": 5}]), "steps[0].weight", 'a percentage from "0%"'),
        (rollout(steps=[{"weight": "5%", "approval": True}]), "steps[0].approval", "one of None, Required"),
        (rollout(checks=[{"name": "c", "type": "Errors", "max": 5}]), "checks[0].max", 'a percentage such as "5%"'),
        (rollout(revision=1.8), "revision", 'a text (write "1.8" in quotes)'),
    ],
)
def test_a_number_in_the_place_of_a_text_is_told_what_the_text_has_to_be(
    broken: Raw, field: str, expected: str
) -> None:
    """30 in quotes would be the next mistake."""
    told = {problem.source.field: problem.text for problem in read(broken)[1]}
    assert told[f"spec.rollout.{field}"].startswith(f"expected {expected}")


def test_a_weight_beside_the_steps_is_a_mistake_and_does_not_count() -> None:
    found, problems = read(rollout(), versions=[V1, {**V2, "weight": 9}])
    assert [p.code for p in problems] == ["canaryroute-rollout-version", "canaryroute-rollout-unusable"]
    assert (found.rollout, found.held, [v.weight for v in found.versions]) == (None, "v2", [1, 0])
    found, _ = read(rollout(), versions=[{**V1, "weight": 0}, {**V2, "weight": 9}])
    assert [v.weight for v in found.versions] == [1, 0]


def test_a_version_that_is_not_there_leaves_the_weights_as_they_are() -> None:
    found, problems = read(rollout(version="v3"), versions=[V1, {**V2, "weight": 9}])
    assert (found.rollout, found.held, [v.weight for v in found.versions]) == (None, "", [1, 9])
    assert problems[-1].text.endswith("there is no rollout")


@pytest.mark.parametrize("broken", [rollout(version="v3"), rollout(version=2), "v2", []])
def test_where_the_version_cannot_be_read_the_one_that_rolled_out_last_is_held(broken: Any) -> None:
    body = {"versions": [V1, V2], "rollout": broken}
    run = {"runId": "0" * 16, "version": "v2", "step": 1, "stepText": "1/2", "weight": "5%"}
    raw = {"apiVersion": "serin.dev/v1alpha1", "kind": "CanaryRoute", "metadata": {"name": "shop"}, "spec": body}
    found = parse_object({**raw, "status": {"rollout": run}}).view
    assert isinstance(found, CanaryRoute)
    assert (found.rollout, found.held) == (None, "v2")
    without = parse_object({**raw, "spec": {"versions": [V1, V2]}, "status": {"rollout": run}}).view
    assert isinstance(without, CanaryRoute)
    assert without.held == ""


@pytest.mark.parametrize(
    "spec",
    [
        {"rules": [{"version": "v1", "matches": [{"method": "get"}]}]},
        {"rules": "none"},
        {"versions": [V1, V2, {"name": "v3"}]},
        {"versions": [{**V1, "weight": 0}, V2]},
    ],
)
def test_where_all_must_stay_home_there_is_no_rollout(spec: Raw) -> None:
    found, problems = read(rollout(), **spec)
    assert (found.rollout, found.held) == (None, "v2")
    assert [v.weight for v in found.versions] == [1, 0]
    assert "not all of its versions and rules can be read" in problems[-1].text


def test_a_rule_for_the_candidate_that_cannot_be_read_does_not_hold_the_rollout() -> None:
    found, _ = read(rollout(), rules=[{"version": "v2", "matches": [{"method": "get"}]}])
    assert found.rollout is not None
    assert found.rules == ()


def test_home_may_roll_out_and_needs_no_weight_then() -> None:
    found, problems = read(
        rollout(version="v1"), versions=[{"name": "v1", "service": {"name": "a"}}, {**V2, "weight": 1}]
    )
    assert problems == ()
    assert found.rollout is not None
    assert found.rollout.baseline == "v2"


def test_a_pause_that_cannot_be_read_is_one() -> None:
    found, problems = read(rollout(), paused="yes")
    assert (found.paused, [p.code for p in problems]) == (True, ["wrong-type"])
    assert problems[0].text.endswith("it counts as true")


def test_action_and_generation() -> None:
    metadata = {"annotations": {"serin.dev/action": "abort/1"}, "generation": 7}
    found, problems = read(rollout(), metadata)
    assert (found.action, found.generation, problems) == ("abort/1", 7, ())
    found, problems = read(rollout(), {"generation": "7"})
    assert (found.action, found.generation, problems) == ("", 0, ())


@pytest.mark.parametrize("url", ["https://user:secret@a.example/", "http://u:secret@prom"])
def test_a_password_in_an_address_is_not_repeated(url: str) -> None:
    for one in (
        {"name": "c", "type": "Webhook", "webhook": {"url": url}},
        {"name": "c", "type": "Prometheus", "max": "1", "prometheus": {"address": url, "query": "x"}},
    ):
        _, problems = read(rollout(checks=[one]))
        assert problems
        assert not any("secret" in problem.text.replace("secretRef", "") for problem in problems)
