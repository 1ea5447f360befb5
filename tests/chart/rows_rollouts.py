"""Rows of the table of values: rollouts of CanaryRoutes."""

from typing import Any

from chart.finding import Row, count, flag, rules
from harness.chart import Release, named
from harness.rbac import PEOPLE

R = "controller.rollouts."
POLICY = {"controller.networkPolicy.enabled": True}


def port(release: Release) -> Any:
    return named(release.container("controller")["ports"], "facts")["containerPort"]


def secret(release: Release) -> Any:
    return named(release.pod["volumes"], "facts")["secret"]["secretName"]


def approves_by_edit(release: Release) -> Any:
    labels = release.one("ClusterRole", "-canary-approver")["metadata"]["labels"]
    return "rbac.authorization.k8s.io/aggregate-to-edit" in labels


def for_people(release: Release) -> Any:
    found = release.all("ClusterRole")
    return sum(each["metadata"]["labels"]["app.kubernetes.io/component"] == PEOPLE for each in found)


def sinks(release: Release) -> Any:
    return named(release.pod["volumes"], "notifications")["secret"]["secretName"]


def closed_to_others(release: Release) -> Any:
    return [
        rule["from"] for rule in release.one("NetworkPolicy")["spec"]["ingress"] if rule["ports"][0]["port"] == "facts"
    ]


OWN_PODS = {
    "app.kubernetes.io/name": "serin",
    "app.kubernetes.io/instance": "serin",
    "app.kubernetes.io/component": "controller",
}

ROWS = [
    Row(R + "checkHosts", ["*.a.svc", "10.0.0.0/8"], flag("controller", "canary-check-hosts"), "*.a.svc,10.0.0.0/8"),
    Row(R + "checkHosts", [], flag("controller", "canary-check-hosts"), None),
    Row(R + "notifications.existingSecret", "chats", sinks, "chats"),
    Row(
        R + "notifications.existingSecret",
        "chats",
        flag("controller", "canary-notifications"),
        "/etc/serin/notifications/sinks.yaml",
    ),
    Row(R + "notifications.existingSecret", "", flag("controller", "canary-notifications"), None),
    Row(R + "approvalRBAC", True, flag("controller", "canary-approval-rbac"), True),
    Row(R + "approvalRBAC", True, lambda r: "localsubjectaccessreviews" in rules("ClusterRole")(r), True),
    Row(R + "approvalRBAC", True, approves_by_edit, False),
    Row(R + "roles", True, for_people, 3),
    Row(R + "roles", False, for_people, 0),
    Row(R + "facts.enabled", False, flag("controller", "facts-address"), None),
    Row(R + "facts.enabled", False, flag("controller", "facts-secret"), None),
    Row(R + "facts.enabled", False, flag("controller", "facts-service"), None),
    Row(
        R + "facts.enabled",
        False,
        lambda r: [v["name"] for v in r.pod["volumes"]],
        ["plan", "state", "token", "webhook"],
    ),
    Row(R + "facts.enabled", False, closed_to_others, [], POLICY),
    Row(R + "facts.enabled", True, closed_to_others, [[{"podSelector": {"matchLabels": OWN_PODS}}]], POLICY),
    Row(R + "facts.enabled", False, count("Secret"), 1),
    Row(R + "facts.port", 9444, port, 9444),
    Row(R + "facts.port", 9444, flag("controller", "facts-address"), ":9444"),
    Row(R + "facts.port", 9444, lambda r: r.one("Service", "-facts")["spec"]["ports"][0]["port"], 9444),
    Row(R + "facts.existingSecret", "mine", secret, "mine"),
    Row(R + "facts.existingSecret", "mine", count("Secret"), 1),
]
