"""Reading roles and audit logs: what the test of the chart's rights stands on."""

import json

from harness.rbac import Grant, Right, grants, missing, surplus, used
from localkube.audit import read_entry

ROLES = """
kind: ClusterRole
metadata: {name: a}
rules:
# Not a reason.
- apiGroups: [""]
  resources: [nodes]
  verbs: [get]
# why: routes (list), and
# their changes
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [list, watch]
---
kind: Role
metadata: {name: b, namespace: own}
rules:
# why: the lease
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [one]
  verbs: [get, create]
---
kind: Service
"""


def entry(verb: str, resource: str, sub: str = "", namespace: str = "", name: str = "", group: str = "") -> str:
    target = {"resource": resource, "subresource": sub, "namespace": namespace, "name": name, "apiGroup": group}
    return json.dumps({"verb": verb, "user": {"username": "u"}, "objectRef": target, "requestURI": "/x"})


def test_reasons_stand_right_above_rules() -> None:
    assert [grant.why for grant in grants(ROLES)] == ["", "routes (list), and their changes", "the lease"]
    assert [grant.namespace for grant in grants(ROLES)] == ["", "", "own"]


def test_used_rights_come_from_requests_for_resources() -> None:
    lines = [
        entry("patch", "ingresses", "status", "shop", "web", "networking.k8s.io"),
        entry("patch", "ingresses", "status", "shop", "web", "networking.k8s.io"),
        entry("create", "selfsubjectaccessreviews", group="authorization.k8s.io"),
        json.dumps({"verb": "get", "user": {"username": "u"}, "requestURI": "/version"}),
    ]
    rights = used(read_entry(line) for line in lines)
    assert rights == [Right("networking.k8s.io", "ingresses/status", "patch", "shop", "web")]


def test_a_role_covers_its_namespace_and_names() -> None:
    lease = grants(ROLES)[2]
    assert lease.covers(Right("coordination.k8s.io", "leases", "get", "own", "one"))
    assert not lease.covers(Right("coordination.k8s.io", "leases", "get", "own", "two"))
    assert not lease.covers(Right("coordination.k8s.io", "leases", "get", "other", "one"))
    assert not lease.covers(Right("coordination.k8s.io", "leases", "create", "own", "one")), "names bind no create"
    assert not lease.covers(Right("coordination.k8s.io", "leases", "get")), "a Role gives nothing cluster-wide"


def test_a_cluster_role_covers_every_namespace() -> None:
    routes = grants(ROLES)[1]
    assert routes.covers(Right("networking.k8s.io", "ingresses", "list"))
    assert routes.covers(Right("networking.k8s.io", "ingresses", "watch", "shop"))
    assert not routes.covers(Right("networking.k8s.io", "ingresses/status", "list"))


def test_missing_and_surplus_rights_are_named() -> None:
    rights = [Right("networking.k8s.io", "ingresses", "watch"), Right("", "pods", "list", "own")]
    assert missing(grants(ROLES), rights) == ["list pods  in own"]
    assert surplus(grants(ROLES), rights) == ["get nodes in all namespaces"], "no reason; others have one"


def test_a_verb_beside_used_ones_has_to_be_named_in_the_reason() -> None:
    def grant(why: str) -> Grant:
        return Grant(("",), ("secrets",), ("get", "list"), (), "", why)

    rights = [Right("", "secrets", "list")]
    assert surplus([grant("certificates")], rights) == ["get secrets in all namespaces"]
    assert surplus([grant("certificates, and passwords by name (get)")], rights) == []
