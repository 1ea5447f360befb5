"""Each kind's objects are told of when they are made, changed and deleted; and the watch writes nothing."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from harness import raw
from harness.kube import Kube
from harness.mirror import Mirror, mirrored
from harness.raw import delete, put

from serin.refs import Ref


@pytest.fixture
def watcher(api_server: Kube) -> Path:
    return api_server.user("watcher")


async def test_made_changed_and_deleted(api_server: Kube, watcher: Path, namespace: str) -> None:
    async with mirrored(watcher) as mirror:

        async def told(made: raw.JSON, changed: raw.JSON, shows: Any) -> None:
            kind, name = made["kind"], made["metadata"]["name"]
            put(api_server, made)
            await mirror.wait(lambda: name in mirror.of(kind, namespace), f"{kind} made")
            before = shows(mirror.of(kind, namespace)[name])
            put(api_server, changed)
            await mirror.wait(lambda: shows(mirror.of(kind, namespace)[name]) != before, f"{kind} changed")
            delete(api_server, kind, namespace, name)
            await mirror.wait(lambda: name not in mirror.of(kind, namespace), f"{kind} deleted")

        await told(
            raw.ingress("shop", namespace, "a.test"),
            raw.ingress("shop", namespace, "b.test"),
            lambda view: view.rules[0].host,
        )
        await told(raw.service("shop", namespace, 80), raw.service("shop", namespace, 81), lambda view: view.ports)
        await told(
            raw.endpoint_slice("shop-1", namespace, "10.0.0.1"),
            raw.endpoint_slice("shop-1", namespace, "10.0.0.2"),
            lambda view: view.endpoints,
        )
        await told(
            raw.endpoints("by-hand", namespace, "10.0.0.1"),
            raw.endpoints("by-hand", namespace, "10.0.0.2"),
            lambda view: view.subsets,
        )
        assert mirror.figure("watch_restarts_total") == 0


async def test_same_name_again(api_server: Kube, watcher: Path, namespace: str) -> None:
    async with mirrored(watcher) as mirror:
        for host in ("a.test", "b.test", "c.test"):
            put(api_server, raw.ingress("shop", namespace, host))
            if host != "c.test":
                delete(api_server, "Ingress", namespace, "shop")

        def host_now() -> str:
            view = mirror.of("Ingress", namespace).get("shop")
            return view.rules[0].host if view is not None else ""

        await mirror.wait(lambda: host_now() == "c.test", "the last one")
        identity = mirror.source.identity(Ref("Ingress", namespace, "shop"))
        path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/shop"
        assert identity is not None
        assert identity.uid == api_server.get(path)["metadata"]["uid"]


async def test_ingress_class(api_server: Kube, watcher: Path, namespace: str) -> None:
    async with mirrored(watcher) as mirror:
        put(api_server, raw.ingress_class(namespace))
        try:
            await mirror.wait(lambda: namespace in mirror.of("IngressClass", ""), "the class")
        finally:
            delete(api_server, "IngressClass", "", namespace)
        await mirror.wait(lambda: namespace not in mirror.of("IngressClass", ""), "the class to go")


async def test_only_wanted_tls_secrets_are_kept(api_server: Kube, watcher: Path, namespace: str) -> None:
    wanted, other = Ref("Secret", namespace, "wanted"), Ref("Secret", namespace, "other")
    put(api_server, *(raw.tls_secret(ref.name, namespace) for ref in (wanted, other)))
    async with mirrored(watcher, want=[wanted]) as mirror:
        await mirror.wait(lambda: wanted in mirror.views and other not in mirror.views, "one Secret")
        assert mirror.source.identity(other) is None

        put(api_server, *(raw.tls_secret(ref.name, namespace, "key2") for ref in (other, wanted)))
        await mirror.wait(lambda: _data(mirror, wanted).get("tls.key") == b"key2", "the new key")
        assert other not in mirror.views

        mirror.source.want(frozenset((other,)))
        await mirror.wait(lambda: other in mirror.views and wanted not in mirror.views, "the other Secret")
        assert _data(mirror, other)["tls.key"] == b"key2"

        delete(api_server, "Secret", namespace, "other")
        await mirror.wait(lambda: other not in mirror.views, "no Secret")


async def test_read_by_name(api_server: Kube, watcher: Path, namespace: str) -> None:
    users, options = Ref("Secret", namespace, "users"), Ref("ConfigMap", namespace, "options")
    async with mirrored(watcher, want=[users, options]) as mirror:
        async with asyncio.timeout(45):
            await mirror.source.settled()
        assert not {users, options} & mirror.views.keys()

        put(api_server, raw.secret("unrelated", namespace, auth="three"))
        put(api_server, raw.secret("users", namespace, auth="one"), raw.config_map("options", namespace, key="one"))
        await mirror.wait(lambda: _data(mirror, users).get("auth") == b"one", "the Secret")
        await mirror.wait(lambda: _data(mirror, options).get("key") == "one", "the ConfigMap")

        put(api_server, raw.secret("users", namespace, auth="two"), raw.config_map("options", namespace, key="two"))
        await mirror.wait(lambda: _data(mirror, users).get("auth") == b"two", "the Secret's change")
        await mirror.wait(lambda: _data(mirror, options).get("key") == "two", "the ConfigMap's change")
        assert Ref("Secret", namespace, "unrelated") not in mirror.views

        delete(api_server, "ConfigMap", namespace, "options")
        await mirror.wait(lambda: options not in mirror.views, "the ConfigMap to go")


async def test_secret_comes_again_with_another_type(api_server: Kube, watcher: Path, namespace: str) -> None:
    """Each type is told of by a watch of its own."""
    ref = Ref("Secret", namespace, "either")
    async with mirrored(watcher, want=[ref]) as mirror:
        put(api_server, raw.secret("either", namespace, auth="one"))
        await mirror.wait(lambda: "auth" in _data(mirror, ref), "the Secret")
        for made, key in (
            (raw.tls_secret("either", namespace), "tls.key"),
            (raw.secret("either", namespace, auth="two"), "auth"),
        ):
            delete(api_server, "Secret", namespace, "either")
            put(api_server, made)
            await mirror.wait(lambda key=key: key in _data(mirror, ref), key)  # type: ignore[misc]
        delete(api_server, "Secret", namespace, "either")
        await mirror.wait(lambda: ref not in mirror.views, "it to go")


async def test_fetch_of_what_nobody_wants(api_server: Kube, watcher: Path, namespace: str) -> None:
    put(api_server, raw.config_map("once", namespace, key="x"))
    ref = Ref("ConfigMap", namespace, "once")
    async with mirrored(watcher) as mirror:
        view: Any = await mirror.source.fetch(ref)
        assert view.data == {"key": "x"}
        assert await mirror.source.fetch(Ref("ConfigMap", namespace, "never")) is None
        assert mirror.source.identity(ref) is None
        assert ref not in mirror.views


async def test_identity_and_addresses(api_server: Kube, watcher: Path, namespace: str) -> None:
    ref = Ref("Ingress", namespace, "shop")
    path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/shop"
    put(api_server, raw.ingress("shop", namespace, "a.test"))
    async with mirrored(watcher) as mirror:
        identity = mirror.source.identity(ref)
        found = api_server.get(path)
        assert identity is not None
        assert (identity.uid, identity.version) == (found["metadata"]["uid"], found["metadata"]["resourceVersion"])
        assert identity.api_version == "networking.k8s.io/v1"
        assert mirror.source.addresses(ref) == ()

        found["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.test"}]}}
        api_server.request("PUT", path + "/status", found)
        await mirror.wait(lambda: mirror.source.addresses(ref), "the addresses")
        assert mirror.source.addresses(ref) == ({"ip": "192.0.2.1"}, {"hostname": "lb.test"})


async def test_what_cannot_be_read_is_a_problem(api_server: Kube, watcher: Path, namespace: str) -> None:
    made = raw.endpoint_slice("names", namespace, "10.0.0.1")
    made |= {"addressType": "FQDN", "endpoints": [{"addresses": ["backend.test"]}]}

    async with mirrored(watcher) as mirror:

        def codes() -> list[str]:
            return [p.code for p in mirror.source.problems if p.source.ref.namespace == namespace]

        put(api_server, made)
        await mirror.wait(codes, "the problem")
        assert codes() == ["address-type-unsupported"]
        delete(api_server, "EndpointSlice", namespace, "names")
        await mirror.wait(lambda: not codes(), "the problem to go")


async def test_managed_endpoints_are_not_watched(api_server: Kube, watcher: Path, namespace: str) -> None:
    """Those of the endpoint controller have slices and only cost."""
    made = raw.service("shop", namespace)
    made["spec"]["selector"] = {"app": "shop"}
    put(api_server, made)
    path = f"/api/v1/namespaces/{namespace}/endpoints/shop"
    async with mirrored(watcher) as mirror:
        await mirror.wait(lambda: api_server.get(path), "the controller's Endpoints")
        assert api_server.get(path)["metadata"]["labels"]["endpoints.kubernetes.io/managed-by"] == "endpoint-controller"
        put(api_server, raw.endpoints("by-hand", namespace, "10.0.0.1"))
        await mirror.wait(lambda: "by-hand" in mirror.of("Endpoints", namespace), "those made by hand")
        assert "shop" not in mirror.of("Endpoints", namespace)


async def test_nothing_is_written(api_server: Kube, namespace: str) -> None:
    async with mirrored(api_server.user("silent")) as mirror:
        put(api_server, raw.ingress("shop", namespace, "a.test"), raw.service("shop", namespace))
        await mirror.wait(lambda: "shop" in mirror.of("Ingress", namespace), "the Ingress")
        delete(api_server, "Ingress", namespace, "shop")
        await mirror.wait(lambda: "shop" not in mirror.of("Ingress", namespace), "the Ingress to go")
    assert api_server.audit("silent", writes=True) == []
    verbs = {entry.verb for entry in api_server.audit("silent")}
    assert {"list", "watch"} <= verbs <= {"get", "list", "watch"}


def _data(mirror: Mirror, ref: Ref) -> Mapping[str, Any]:
    view: Any = mirror.views.get(ref)
    return view.data if view is not None else {}
