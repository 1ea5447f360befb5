"""Rights to parts of a CanaryRoute that do not exist, asked of a real API server: roles may name them."""

import pytest
from harness.cluster import calling
from harness.kube import Kube

from serin.cluster.access import Uses, check_rights, needs
from serin.cluster.api import ApiError
from serin.cluster.may_act import may_update_part
from serin.cluster.scope import Scope

RBAC = "rbac.authorization.k8s.io/v1"


def role(name: str, resources: list[str], verbs: list[str], group: str, account: str, namespace: str) -> list[dict]:  # type: ignore[type-arg]
    return [
        {
            "apiVersion": RBAC,
            "kind": "Role",
            "metadata": {"name": name},
            "rules": [{"apiGroups": [group], "resources": resources, "verbs": verbs}],
        },
        {
            "apiVersion": RBAC,
            "kind": "RoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        },
    ]


async def test_the_right_to_promote_is_one_of_its_own(api_server: Kube, namespace: str) -> None:
    api_server.apply(
        *role("approver", ["canaryroutes/promote"], ["update"], "serin.dev", "anna", namespace),
        *role("editor", ["canaryroutes"], ["*"], "serin.dev", "bob", namespace),
        *role("asker", ["localsubjectaccessreviews"], ["create"], "authorization.k8s.io", "serin", namespace),
        namespace=namespace,
    )
    asked = [
        need
        for need in needs(Uses(Scope(namespace=namespace), approval_rbac=True))
        if "review" in need.rule.kind.plural
    ]
    async with calling(api_server.service_account(namespace, "serin")) as api:
        assert await check_rights(api, asked) == []

        async def may(name: str, verb: str) -> bool:
            groups = ["system:serviceaccounts", "system:authenticated"]
            who = (f"system:serviceaccount:{namespace}:{name}", "", groups, {"key": ["value"]})
            return await may_update_part(api, who, namespace, "shop", verb)

        assert await may("anna", "promote")
        assert not await may("anna", "abort")
        assert not await may("bob", "promote"), "who may edit may not approve"
        assert not await may("nobody", "promote")
    async with calling(api_server.service_account(namespace, "nobody")) as api:
        with pytest.raises(ApiError):
            await may_update_part(api, ("anna", "", [], {}), namespace, "shop", "promote")
