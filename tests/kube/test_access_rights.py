"""What is missing is found by asking a real API server, as accounts with roles of their own."""

from collections.abc import Iterable
from typing import Any

from harness.cluster import calling
from harness.kube import Kube

from serin.cluster.access import Need, Uses, check_access, check_rights, needs
from serin.cluster.scope import Scope

RBAC = "rbac.authorization.k8s.io/v1"


def grant(api_server: Kube, namespace: str, account: str, asked: Iterable[Need], without: tuple[str, str]) -> None:
    """Roles of exactly these needs but for one (resource, verb); bound for each namespace, or for the cluster."""
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    for place in sorted({need.namespace for need in asked}):
        rules = [_rule(need, without) for need in asked if need.namespace == place]
        kind = "Role" if place else "ClusterRole"
        name = f"{account}-{namespace}"
        meta: dict[str, Any] = {"name": name, **({"namespace": place} if place else {})}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
        role = {"kind": kind, "rules": [rule for rule in rules if rule["verbs"]]}
        binding = {"kind": f"{kind}Binding", "roleRef": reference, "subjects": [subject]}
        made = [{"apiVersion": RBAC, "metadata": meta, **body} for body in (role, binding)]
        api_server.apply(*made, namespace=place or "default")


def _rule(need: Need, without: tuple[str, str]) -> dict[str, Any]:
    rule = need.rule
    resource = f"{rule.kind.plural}/{rule.sub}" if rule.sub else rule.kind.plural
    named = {"resourceNames": [need.name]} if need.name else {}
    verbs = [verb for verb in rule.verbs if (resource, verb) != without]
    return {"apiGroups": [rule.kind.group], "resources": [resource], "verbs": verbs, **named}


async def test_an_account_without_rights_misses_everything(api_server: Kube, namespace: str) -> None:
    asked = needs(Uses(own_namespace=namespace, election_id="serin", in_pod=True))
    async with calling(api_server.service_account(namespace, "nobody")) as api:
        required = await check_access(api, asked)
        everything = await check_rights(api, asked)
    assert len(required) == sum(len(need.rule.verbs) for need in asked if not need.rule.optional)
    assert len(everything) == sum(len(need.rule.verbs) for need in asked)
    assert required[0].startswith(
        "not allowed to list ingresses in all namespaces: without it there is nothing to serve"
    )


async def test_only_what_the_roles_leave_out_is_missing(api_server: Kube, namespace: str) -> None:
    asked = needs(Uses(own_namespace=namespace, election_id="serin", in_pod=True))
    kubeconfig = api_server.service_account(namespace, "whole")
    grant(api_server, namespace, "whole", asked, without=("endpointslices", "watch"))
    async with calling(kubeconfig) as api:
        found = await check_rights(api, asked)
    assert [text.partition(":")[0] for text in found] == ["not allowed to watch endpointslices in all namespaces"]
    line = found[0].partition("add to the ClusterRole: ")[2]
    assert line == '- {apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["watch"]}'


async def test_a_role_in_one_namespace_is_enough_for_one_namespace(api_server: Kube, namespace: str) -> None:
    asked = needs(Uses(Scope(namespace=namespace), own_namespace=namespace, election_id="serin", in_pod=True))
    within = [need for need in asked if need.namespace == namespace]
    kubeconfig = api_server.service_account(namespace, "narrow")
    grant(api_server, namespace, "narrow", within, without=("", ""))
    async with calling(kubeconfig) as api:
        assert await check_access(api, asked) == []
        limited = await check_rights(api, asked)
    assert {text.partition(":")[0].removeprefix("not allowed to ") for text in limited} == {
        "list ingressclasses",
        "watch ingressclasses",
        "get nodes",
        "create events in namespace default",
        "patch events in namespace default",
    }


async def test_asking_writes_nothing(api_server: Kube, namespace: str) -> None:
    user = f"asking-{namespace}"
    async with calling(api_server.user(user)) as api:
        assert await check_access(api, needs(Uses())) == []
    assert {entry.resource for entry in api_server.audit(user=user, writes=True)} == {"selfsubjectaccessreviews"}
