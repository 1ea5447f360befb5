"""What is watched in one namespace, or in those that a selector finds, and what rights that takes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import raw
from harness.kube import Kube
from harness.mirror import Mirror, mirrored
from harness.raw import delete, put

from serin.cluster.scope import Scope
from serin.refs import Ref

READ = ["get", "list", "watch"]
RULES = [
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": READ},
    {"apiGroups": [""], "resources": ["services", "endpoints", "secrets", "configmaps"], "verbs": READ},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": READ},
]


@pytest.fixture
def watcher(api_server: Kube) -> Path:
    return api_server.user("watcher")


@pytest.fixture
def namespaced(api_server: Kube, namespace: str) -> Path:
    """A service account that may read the objects of its namespace, and nothing else."""
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    api_server.request("POST", f"{roles}/roles", {"metadata": {"name": "reader"}, "rules": RULES})
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
    }
    api_server.request("POST", f"{roles}/rolebindings", binding)
    return api_server.service_account(namespace, "reader")


async def test_one_namespace_with_a_role_for_it_alone(
    api_server: Kube, namespaced: Path, namespace: str, make_namespace: Callable[..., str]
) -> None:
    other = make_namespace()
    put(api_server, raw.ingress("there", other, "there.test"), raw.ingress_class(namespace))
    try:
        async with mirrored(namespaced, Scope(namespace=namespace)) as mirror:
            put(api_server, raw.ingress("here", namespace, "here.test"), raw.ingress("more", other, "more.test"))
            put(api_server, raw.service("here", namespace), raw.tls_secret("here", namespace))
            await mirror.wait(lambda: mirror.of("Service", namespace), "the Service")
            await mirror.wait(lambda: mirror.of("Ingress", namespace), "the Ingress")
            assert not mirror.of("Ingress", other)
            assert not mirror.of("IngressClass", "")
            assert mirror.figure("watch_restarts_total") == 0
    finally:
        delete(api_server, "IngressClass", "", namespace)


async def test_object_of_another_namespace_by_name(
    api_server: Kube, watcher: Path, namespace: str, make_namespace: Callable[..., str]
) -> None:
    other = make_namespace()
    options, users = Ref("ConfigMap", other, "options"), Ref("Secret", other, "users")
    put(api_server, raw.config_map("options", other, key="one"), raw.config_map("unrelated", other, key="one"))
    async with mirrored(watcher, Scope(namespace=namespace), want=[options, users]) as mirror:
        await mirror.wait(lambda: _data(mirror, options).get("key") == "one", "the ConfigMap")
        put(api_server, raw.config_map("options", other, key="two"), raw.secret("users", other, auth="x"))
        await mirror.wait(lambda: _data(mirror, options).get("key") == "two", "its change")
        await mirror.wait(lambda: "auth" in _data(mirror, users), "the Secret")
        delete(api_server, "ConfigMap", other, "options")
        await mirror.wait(lambda: options not in mirror.views, "it to go")
        assert users in mirror.views


async def test_forbidden_object_counts_as_missing(
    api_server: Kube, namespaced: Path, namespace: str, make_namespace: Callable[..., str]
) -> None:
    other = make_namespace()
    put(api_server, raw.config_map("options", other, key="one"))
    ref = Ref("ConfigMap", other, "options")
    async with mirrored(namespaced, Scope(namespace=namespace), want=[ref]) as mirror:
        await mirror.wait(lambda: mirror.source.problems, "the problem")
        (problem,) = mirror.source.problems
        assert (problem.code, problem.source.ref) == ("read-forbidden", ref)
        assert ref not in mirror.views
        # All else goes on.
        put(api_server, raw.service("here", namespace))
        await mirror.wait(lambda: mirror.of("Service", namespace), "the Service")


async def test_selector(api_server: Kube, watcher: Path, make_namespace: Callable[..., str]) -> None:
    label = {"team": "shop"}
    chosen, other = make_namespace(label), make_namespace()
    for namespace in (chosen, other):
        put(api_server, raw.ingress("first", namespace, f"{namespace}.test"), raw.tls_secret("first", namespace))
    async with mirrored(watcher, Scope(selector="team=shop"), want=[Ref("Secret", chosen, "first")]) as mirror:
        assert mirror.of("Ingress", chosen)
        assert not mirror.of("Ingress", other)

        # One that enters brings what it has; what is made in it from then on comes, too.
        _label(api_server, other, "shop")
        await mirror.wait(lambda: mirror.of("Ingress", other), "what was there")
        put(api_server, raw.ingress("second", other, "second.test"))
        await mirror.wait(lambda: "second" in mirror.of("Ingress", other), "what is made")

        # One that leaves takes all along, but what is looked at by name.
        _label(api_server, chosen, None)
        await mirror.wait(lambda: not mirror.of("Ingress", chosen), "what was there to go")
        assert mirror.of("Secret", chosen)
        put(api_server, raw.ingress("third", chosen, "third.test"), raw.ingress("third", other, "third.test"))
        await mirror.wait(lambda: "third" in mirror.of("Ingress", other), "the other's")
        assert not mirror.of("Ingress", chosen)

        _label(api_server, chosen, "shop")
        await mirror.wait(lambda: len(mirror.of("Ingress", chosen)) == 2, "both again")
        assert mirror.figure("watch_restarts_total") == 0


def _label(kube: Kube, namespace: str, team: str | None) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    found = kube.get(path)
    found["metadata"]["labels"]["team"] = team
    if team is None:
        del found["metadata"]["labels"]["team"]
    kube.request("PUT", path, found)


def _data(mirror: Mirror, ref: Ref) -> Any:
    view: Any = mirror.views.get(ref)
    return view.data if view is not None else {}
