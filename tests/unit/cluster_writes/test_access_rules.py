"""Which rights are asked for with which flags, and how one that is missing is told."""

from typing import Any

import pytest
from harness.fake_api import FakeApi

from serin.cluster.access import REVIEWS, RULES, Uses, check_access, check_rights, needs, sentence
from serin.cluster.api import ApiError
from serin.cluster.scope import Scope
from serin.refs import Ref


def rights(uses: Uses) -> set[tuple[str, str, str, str]]:
    return {
        (f"{n.rule.kind.plural}{'/' if n.rule.sub else ''}{n.rule.sub}", verb, n.namespace, n.name)
        for n in needs(uses)
        for verb in n.rule.verbs
    }


WHOLE = Uses(own_namespace="infra", election_id="serin", in_pod=True)


def test_of_the_whole_cluster() -> None:
    found = rights(WHOLE)
    assert ("ingresses", "watch", "", "") in found
    assert ("ingresses/status", "patch", "", "") in found
    assert ("canaryroutes/status", "patch", "", "") in found
    assert ("canaryroutes", "get", "", "") in found
    assert ("leases", "update", "infra", "serin") in found
    assert ("leases", "create", "infra", "") in found
    assert ("nodes", "get", "", "") in found
    assert ("pods", "list", "infra", "") in found
    # Events everywhere are Events in our own namespace and in `default` too.
    assert {ns for resource, _, ns, _ in found if resource == "events"} == {""}


def test_of_one_namespace_nothing_is_asked_for_outside_of_it_that_serving_needs() -> None:
    uses = Uses(Scope(namespace="web"), own_namespace="infra", election_id="serin")
    required = [need for need in needs(uses) if not need.rule.optional]
    assert {need.namespace for need in required} == {"web"}
    assert ("events", "create", "default", "") in rights(uses)


def test_each_right_is_asked_for_once() -> None:
    uses = Uses(Scope(namespace="web"), own_namespace="web", election_id="serin", in_pod=True)
    asked = [(n.rule.kind, n.rule.sub, verb, n.namespace, n.name) for n in needs(uses) for verb in n.rule.verbs]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize(
    ("uses", "right"),
    [
        (Uses(), "leases"),
        (Uses(election_id="serin", update_status=False), "ingresses/status"),
        (Uses(), "namespaces"),
        (Uses(in_pod=True, publish_status_address=True), "nodes"),
        (Uses(in_pod=True, publish_service=Ref("Service", "infra", "lb")), "nodes"),
        (Uses(), "nodes"),
        (Uses(), "pods"),
        (Uses(), "configmaps"),
    ],
)
def test_what_the_flags_leave_unused_is_not_asked_for(uses: Uses, right: str) -> None:
    assert right not in {resource for resource, *_ in rights(uses)}


def test_what_a_flag_names_is_asked_for_by_name() -> None:
    uses = Uses(
        Scope(namespace="web"),
        configmap=Ref("ConfigMap", "infra", "options"),
        default_ssl_certificate=Ref("Secret", "infra", "cert"),
        publish_service=Ref("Service", "infra", "lb"),
    )
    found = rights(uses)
    assert ("configmaps", "get", "infra", "options") in found
    assert ("secrets", "watch", "infra", "cert") in found
    assert ("services", "get", "infra", "lb") in found


def test_replicas_are_found_by_slices_of_one_namespace() -> None:
    uses = Uses(Scope(namespace="web"), facts_service=Ref("Service", "infra", "facts"))
    assert ("endpointslices", "list", "infra", "") in rights(uses)
    assert not any(ns == "infra" for *_, ns, _ in rights(Uses(facts_service=Ref("Service", "infra", "facts"))))


def test_who_may_approve_is_asked_only_where_it_counts() -> None:
    review = ("localsubjectaccessreviews", "create", "", "")
    assert review in rights(Uses(approval_rbac=True))
    assert review not in rights(WHOLE)


def test_a_selector_needs_the_namespaces() -> None:
    assert ("namespaces", "watch", "", "") in rights(Uses(Scope(selector="team=web")))


def test_a_sentence_names_the_right_the_loss_and_the_line_of_the_role() -> None:
    everywhere = next(n for n in needs(WHOLE) if n.rule.kind.plural == "endpointslices")
    assert sentence(everywhere, "watch") == (
        "not allowed to watch endpointslices in all namespaces: without it no backend has an endpoint; add to the "
        'ClusterRole: - {apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["watch"]}'
    )
    lease = next(n for n in needs(WHOLE) if n.name == "serin")
    assert sentence(lease, "update") == (
        "not allowed to update leases serin in namespace infra: without it no replica writes status or Events; add to "
        'the Role in namespace infra: - {apiGroups: ["coordination.k8s.io"], resources: ["leases"], '
        'verbs: ["update"], resourceNames: [serin]}'
    )
    nodes = next(n for n in needs(WHOLE) if n.rule.kind.plural == "nodes")
    assert sentence(nodes, "get").startswith("not allowed to get nodes: without it Ingresses show no ADDRESS")


def test_maps_of_ports_are_read_by_name_where_flags_name_them() -> None:
    assert not any(kind == "configmaps" for kind, *_ in rights(WHOLE))
    found = rights(Uses(tcp_services=Ref("ConfigMap", "infra", "tcp"), udp_services=Ref("ConfigMap", "dns", "udp")))
    assert {("configmaps", verb, "infra", "tcp") for verb in ("get", "list", "watch")} <= found
    assert ("configmaps", "watch", "dns", "udp") in found


def test_every_rule_has_a_reason_that_ends_the_sentence() -> None:
    for rule in RULES:
        assert rule.why
        assert not rule.why.endswith(".")


class Reviewing(FakeApi):
    """Answers reviews: everything is allowed but what `denied` has."""

    def __init__(self, version: str, *denied: tuple[str, str]) -> None:
        super().__init__()
        self.told = version
        self.denied = denied
        self.reviewed: list[dict[str, Any]] = []

    async def version(self) -> str:
        return self.told

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        assert path == REVIEWS
        asked = body["spec"]["resourceAttributes"]
        self.reviewed.append(asked)
        return {"status": {"allowed": (asked["resource"], asked["verb"]) not in self.denied}}


async def test_nothing_is_missing() -> None:
    api = Reviewing("v1.34.4")
    assert await check_access(api, needs(WHOLE)) == []
    assert {"group": "networking.k8s.io", "resource": "ingresses", "verb": "list"} in api.reviewed


@pytest.mark.parametrize("version", ["v1.25.0", "v1.34.4+k3s1", "v2.0.0", "", "master"])
async def test_versions_that_are_taken(version: str) -> None:
    assert await check_access(Reviewing(version), ()) == []


async def test_a_version_that_is_too_old_says_which_is_found() -> None:
    found = await check_access(Reviewing("v1.24.17-eks-1"), ())
    assert found == ["the API server is Kubernetes v1.24.17-eks-1; Serin needs v1.25 or later"]


@pytest.mark.parametrize(("status", "taken"), [(403, True), (404, True), (401, False), (500, False)])
async def test_a_version_that_is_kept_secret_keeps_nobody_waiting(
    status: int, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def version() -> str:
        raise ApiError(status, "Refused", "no")

    api = Reviewing("")
    monkeypatch.setattr(api, "version", version)
    if taken:
        assert await check_access(api, needs(WHOLE)) == []
    else:
        with pytest.raises(ApiError):
            await check_access(api, needs(WHOLE))


async def test_one_sentence_for_each_verb_that_is_missing() -> None:
    api = Reviewing("v1.34.4", ("services", "list"), ("services", "watch"), ("nodes", "get"))
    found = await check_access(api, needs(WHOLE))
    assert [text.partition(":")[0] for text in found] == [
        "not allowed to list services in all namespaces",
        "not allowed to watch services in all namespaces",
    ]
    optional = [need for need in needs(WHOLE) if need.rule.optional]
    assert [text.partition(":")[0] for text in await check_rights(api, optional)] == ["not allowed to get nodes"]
