"""Rights by the letter: tests/kube compares them with what is used."""

import pytest
from harness.chart import Chart, Release
from harness.rbac import Grant, grants

WRITES = {"create", "update", "patch", "delete", "deletecollection", "*", "bind", "escalate", "impersonate"}
ONE = {"controller.scope.enabled": True, "controller.scope.namespace": "shop"}
CASES = {"cluster": {}, "one namespace": ONE, "nothing cluster-wide": {**ONE, "rbac.scope": True}}


@pytest.fixture(params=CASES, scope="module")
def release(chart: Chart, request: pytest.FixtureRequest) -> Release:
    return chart.render(CASES[request.param])


def writing(granted: list[Grant]) -> set[tuple[str, str]]:
    return {(resource, verb) for grant in granted for resource in grant.resources for verb in {*grant.verbs} & WRITES}


def test_every_rule_has_a_reason(release: Release) -> None:
    granted = grants(release.text)
    assert len(granted) > 10
    assert [grant for grant in granted if not grant.why] == []


def test_nothing_of_users_is_written_but_status(release: Release) -> None:
    assert writing(grants(release.text)) == {
        ("ingresses/status", "patch"),
        ("canaryroutes/status", "patch"),
        ("events", "create"),
        ("events", "patch"),
        ("leases", "create"),
        ("leases", "update"),
    }


def test_rules_name_what_they_mean(release: Release) -> None:
    for grant in grants(release.text):
        assert "*" not in (*grant.groups, *grant.resources, *grant.verbs)


def test_a_namespaced_release_reads_secrets_there_only(chart: Chart) -> None:
    of_secrets = [grant.namespace for grant in grants(chart.render(ONE).text) if "secrets" in grant.resources]
    assert of_secrets == ["shop"]


def test_the_certificate_for_all_hosts_may_lie_elsewhere(chart: Chart) -> None:
    values = {**ONE, "controller.extraArgs": {"default-ssl-certificate": "certs/all"}}
    [found] = [grant for grant in grants(chart.render(values).text) if grant.namespace == "certs"]
    assert (found.resources, found.names) == (("secrets",), ("all",))


def test_maps_named_by_options_may_lie_elsewhere(chart: Chart) -> None:
    values = {
        **ONE,
        "controller.addHeaders": {"X-Served-By": "edge"},
        "controller.config": {"proxy-set-headers": "lines/sent"},
        "controller.extraArgs": {"tcp-services-configmap": "ports/tcp", "udp-services-configmap": "shop/udp"},
    }
    found = {
        (grant.namespace, name)
        for grant in grants(chart.render(values).text)
        if "configmaps" in grant.resources
        for name in grant.names
    }
    assert found == {
        ("ingress", "serin-controller"),
        ("ingress", "serin-custom-add-headers"),
        ("lines", "sent"),
        ("ports", "tcp"),
    }


def test_nodes_are_read_only_where_their_addresses_are_shown(chart: Chart) -> None:
    def nodes(values: dict[str, object]) -> bool:
        return any("nodes" in grant.resources for grant in grants(chart.render(values).text))

    assert not nodes({})
    assert nodes({"controller.publishService.enabled": False})
    assert nodes({"controller.service.enabled": False})
    assert not nodes(
        {"controller.publishService.enabled": False, "controller.extraArgs": {"publish-status-address": "a.b"}}
    )


def test_only_the_controller_s_account_has_them(release: Release) -> None:
    bindings = [*release.all("RoleBinding"), *release.all("ClusterRoleBinding")]
    account = {"kind": "ServiceAccount", "name": "serin", "namespace": "ingress"}
    assert [binding["subjects"] for binding in bindings] == [[account]] * len(bindings)
    roles = {(role["kind"], role["metadata"].get("namespace"), role["metadata"]["name"]) for role in release.objects}
    for binding in bindings:
        assert (binding["roleRef"]["kind"], binding["metadata"].get("namespace"), binding["roleRef"]["name"]) in roles


def test_releases_of_one_name_in_two_namespaces_share_no_object(chart: Chart) -> None:
    def names(namespace: str) -> set[tuple[str, str, str]]:
        objects = chart.render({"controller.ingressClassResource.name": namespace}, namespace=namespace).objects
        return {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in objects}

    assert names("a").isdisjoint(names("b"))
