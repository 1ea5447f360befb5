"""CanaryRoutes as tools keep them: applied twice nothing changes, defaults are stable, status is apart."""

import copy
import json
from typing import Any

import pytest
from harness import canaryroutes
from harness.canaryroutes import causes, path
from harness.kube import Kube

VALID = canaryroutes.valid()
HOW = {"client-side": [], "server-side": ["--server-side"]}

DEFAULTS = {
    "spec.paused": False,
    "spec.targets[0].group": "networking.k8s.io",
    "spec.targets[0].kind": "Ingress",
    "spec.versions[1].weight": 0,
    "spec.rules[0].matches[0].headers[0].type": "Exact",
    "spec.rules[0].matches[0].cookies[0].type": "Exact",
    "spec.rules[0].matches[0].queryParams[0].type": "Exact",
    "spec.splitBy.type": "Request",
    "spec.rollout.revision": "",
    "spec.rollout.steps[0].duration": "0s",
    "spec.rollout.steps[0].approval": "None",
    "spec.rollout.stepTimeout": "1h",
    "spec.rollout.minReadyEndpoints": 1,
    "spec.rollout.falseAlarm": "5%",
    "spec.rollout.onFailure": "Rollback",
    "spec.rollout.onNoData": "Pause",
    "spec.rollout.checks[0].warmup": "30s",
    "spec.rollout.checks[0].webhook.timeout": "10s",
}
"""All that there are. What depends on another field has none here: the controller fills it in."""

BARE: dict[str, Any] = {
    "apiVersion": "serin.dev/v1alpha1",
    "kind": "CanaryRoute",
    "metadata": {"name": "bare"},
    "spec": {
        "targets": [{"name": "shop"}],
        "versions": [{"name": "v1", "service": {"name": "a"}, "weight": 1}, {"name": "v2", "service": {"name": "b"}}],
        "rules": [
            {
                "version": "v2",
                "matches": [
                    {key: [{"name": "a", "value": "b"}] for key in ("headers", "cookies", "queryParams")},
                ],
            },
        ],
        "splitBy": {},
        "rollout": {
            "version": "v2",
            "steps": [{"weight": "1%"}],
            "checks": [{"name": "smoke", "type": "Webhook", "webhook": {"url": "http://smoke"}}],
        },
    },
}


@pytest.fixture(scope="module")
def kube(api_server: Kube) -> Kube:
    canaryroutes.install(api_server)
    return api_server


def test_defaults(kube: Kube, namespace: str) -> None:
    made = kube.request("POST", path(namespace), BARE)
    added = {place: value for place, value in leaves(made["spec"], "spec") if place not in dict(leaves(BARE))}
    assert added == DEFAULTS


def test_defaults_of_the_schema_are_those_tested() -> None:
    in_schema = {name for name, field in canaryroutes.fields() if "default" in field}
    assert in_schema == {"".join(part.split("[")[0] + "." for part in place.split("."))[:-1] for place in DEFAULTS}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", VALID)
def test_applied_twice_nothing_changes(kube: Kube, namespace: str, name: str, how: str) -> None:
    first = applied(kube, namespace, VALID[name], *HOW[how])
    shown = kube.kubectl("-n", namespace, "diff", *HOW[how], "-f", "-", input=json.dumps(VALID[name]))
    assert shown.stdout == ""
    second = applied(kube, namespace, VALID[name], *HOW[how])
    assert second["resourceVersion"] == first["resourceVersion"]
    assert second["generation"] == first["generation"] == 1


def test_what_was_read_back_can_be_applied(kube: Kube, namespace: str) -> None:
    """As after `kubectl get -o yaml`, or a restored backup."""
    applied(kube, namespace, VALID["full"], "--server-side")
    shown = kube.get(path(namespace, "shop"))
    again = {**VALID["full"], "spec": shown["spec"]}
    assert applied(kube, namespace, again, "--server-side")["generation"] == 1


def test_a_status_between_two_applies_is_kept_and_hinders_none(kube: Kube, namespace: str) -> None:
    applied(kube, namespace, VALID["full"], "--server-side")
    kube.request("PATCH", path(namespace, "shop", "status"), {"status": canaryroutes.status()})
    before = kube.get(path(namespace, "shop"))
    after = applied(kube, namespace, VALID["full"], "--server-side")
    assert after["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert kube.get(path(namespace, "shop"))["status"] == canaryroutes.status()


def test_versions_keep_the_order_that_was_applied(kube: Kube, namespace: str) -> None:
    """The first is home; server-side apply merges the list by name."""
    route = VALID["three-ways"]
    applied(kube, namespace, route, "--server-side")
    turned = {**route, "spec": {**route["spec"], "versions": route["spec"]["versions"][::-1]}}
    applied(kube, namespace, turned, "--server-side")
    found = [version["name"] for version in kube.get(path(namespace, "three-ways"))["spec"]["versions"]]
    assert found == ["blue", "red", "plain"]


def test_versions_of_two_owners_are_merged(kube: Kube, namespace: str) -> None:
    route = VALID["smallest"]
    applied(kube, namespace, route, "--server-side", "--field-manager=team")
    more = {**route, "spec": {"versions": [{"name": "v2", "service": {"name": "shop-v2"}}]}}
    applied(kube, namespace, more, "--server-side", "--field-manager=pipeline")
    found = [version["name"] for version in kube.get(path(namespace, "smallest"))["spec"]["versions"]]
    assert found == ["v1", "v2"]


def test_spec_and_status_are_written_apart(kube: Kube, namespace: str) -> None:
    at = path(namespace, "shop")
    made = kube.request("POST", path(namespace), {**VALID["full"], "status": {"phase": "Idle"}})
    assert "status" not in made

    told = kube.request("PATCH", f"{at}/status", {"spec": {"paused": True}, "status": {"phase": "Progressing"}})
    assert (told["spec"]["paused"], told["status"]["phase"]) == (False, "Progressing")
    assert told["metadata"]["generation"] == 1

    turned = kube.request("PATCH", at, {"spec": {"paused": True}, "status": {"phase": "Idle"}})
    assert (turned["spec"]["paused"], turned["status"]["phase"]) == (True, "Progressing")
    assert turned["metadata"]["generation"] == 2


def test_every_field_of_the_status_is_kept(kube: Kube, namespace: str) -> None:
    kube.request("POST", path(namespace), VALID["full"])
    wanted = canaryroutes.status()
    told = kube.request("PATCH", f"{path(namespace, 'shop', 'status')}?fieldValidation=Strict", {"status": wanted})
    assert told["status"] == wanted
    set_fields = {"".join(part.split("[")[0] + "." for part in place.split("."))[:-1] for place, _ in leaves(wanted)}
    all_fields = dict(canaryroutes.fields(canaryroutes.schema()["properties"]["status"]))
    inner = {name for name in all_fields if any(other.startswith(f"{name}.") for other in all_fields)}
    assert set_fields == set(all_fields) - inner


@pytest.mark.parametrize(
    ("status", "field"),
    [
        ({"phase": "Running"}, "status.phase"),
        ({"message": "x" * 1025}, "status.message"),
        ({"weights": [{"version": f"v{n}"} for n in range(9)]}, "status.weights"),
        ({"weights": [{"version": "v1", "weight": "25"}]}, "status.weights[0].weight"),
        ({"rollout": {"step": 21}}, "status.rollout.step"),
        ({"rollout": {"verdict": "Good"}}, "status.rollout.verdict"),
        ({"rollout": {"outcome": "Lost"}}, "status.rollout.outcome"),
        ({"rollout": {"startedAt": "yesterday"}}, "status.rollout.startedAt"),
        ({"checks": [{"name": f"c{n}"} for n in range(9)]}, "status.checks"),
        ({"checks": [{"name": "c", "logE": ["0"] * 41}]}, "status.checks[0].logE"),
        ({"lastAction": {"value": "x" * 257}}, "status.lastAction.value"),
        ({"history": [{"runId": str(n)} for n in range(6)]}, "status.history"),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, "status.conditions[0].reason"),
        ({"conditions": [{"type": f"T{n}"} for n in range(9)]}, "status.conditions"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_status_is_bounded(kube: Kube, namespace: str, status: dict[str, Any], field: str) -> None:
    kube.request("POST", path(namespace), VALID["full"])
    found = causes(kube, "PATCH", path(namespace, "shop", "status"), {"status": status})
    assert field in [cause for cause, _ in found], found


def test_kubectl_refuses_unknown_fields(kube: Kube, namespace: str) -> None:
    wrong = copy.deepcopy(VALID["full"])
    wrong["spec"]["versions"][0]["wieght"] = 5
    done = kube.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(wrong), check=False)
    assert done.returncode == 1
    assert 'unknown field "spec.versions[0].wieght"' in done.stderr


def test_unknown_fields_are_dropped_and_kubectl_says_so(kube: Kube, namespace: str) -> None:
    wrong = copy.deepcopy(VALID["full"])
    wrong["spec"]["versions"][0]["wieght"] = 5
    done = kube.kubectl("-n", namespace, "apply", "--validate=warn", "-f", "-", input=json.dumps(wrong))
    assert 'Warning: unknown field "spec.versions[0].wieght"' in done.stderr
    assert "wieght" not in json.dumps(kube.get(path(namespace, "shop"))["spec"])


def applied(kube: Kube, namespace: str, route: dict[str, Any], *options: str) -> dict[str, Any]:
    """The metadata afterwards."""
    kube.kubectl("-n", namespace, "apply", *options, "-f", "-", input=json.dumps(route))
    metadata: dict[str, Any] = kube.get(path(namespace, route["metadata"]["name"]))["metadata"]
    return metadata


def leaves(value: Any, place: str = "") -> list[tuple[str, Any]]:
    """What is neither mapping nor list (nor list of texts), by its place: `spec.versions[0].name`."""
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, f"{place}.{key}".lstrip("."))]
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [leaf for number, inner in enumerate(value) for leaf in leaves(inner, f"{place}[{number}]")]
    return [(place, value)]
