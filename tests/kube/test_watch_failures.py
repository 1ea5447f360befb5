"""What an API server and the way to it may do to a watch, and that all is right again afterwards."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import raw
from harness.kube import Kube
from harness.mirror import LONGEST, Mirror, mirrored
from harness.raw import put
from harness.relay import Relay

from serin.cluster import rounds
from serin.cluster.scope import Scope
from serin.refs import Ref


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audits as fast as they can be told apart."""
    monkeypatch.setattr(rounds, "EVERY", 0.5)
    monkeypatch.setattr(rounds, "SOON", 0.5)
    monkeypatch.setattr(rounds, "LISTING", 1.0)


@pytest.fixture
def relay(api_server: Kube) -> Iterator[Relay]:
    with Relay(api_server.server) as made:
        yield made


async def test_connections_are_cut(api_server: Kube, relay: Relay, namespace: str) -> None:
    async with mirrored(relay.kubeconfig(api_server.user("cut"))) as mirror:
        for name in ("one", "two", "three"):
            relay.cut()
            put(api_server, raw.ingress(name, namespace, f"{name}.test"), raw.service(name, namespace))
            await mirror.wait(lambda name=name: name in mirror.of("Ingress", namespace), name)  # type: ignore[misc]
            await mirror.wait(lambda name=name: name in mirror.of("Service", namespace), name)  # type: ignore[misc]
        # Each watch goes on from where it was: nothing was listed anew.
        assert mirror.figure("watch_restarts_total") == 0


async def test_server_is_away_and_history_is_forgotten(own_api_server: Kube) -> None:
    """The watch's version is too old (410); what was deleted meanwhile is told by nobody."""
    kube = own_api_server
    put(kube, *(raw.ingress(name, "default", f"{name}.test") for name in ("stays", "goes")))
    put(kube, *(raw.endpoint_slice(name, "default", "10.0.0.1") for name in ("stays-1", "goes-1")))
    users = Ref("Secret", "default", "users")
    put(kube, raw.secret("users", "default", auth="one"))
    async with mirrored(kube.user("away"), want=[users]) as mirror:
        await mirror.wait(lambda: users in mirror.views, "the Secret")
        kube.stop()
        kube.delete_behind("ingress", "default", "goes")
        kube.delete_behind("endpointslices", "default", "goes-1")
        kube.delete_behind("secrets", "default", "users")
        kube.compact()
        kube.start()
        await mirror.wait(lambda: "goes" not in mirror.of("Ingress", "default"), "the ghost to go")
        await mirror.wait(lambda: "goes-1" not in mirror.of("EndpointSlice", "default"), "the slice to go")
        await mirror.wait(lambda: users not in mirror.views, "the Secret to go")
        assert "stays" in mirror.of("Ingress", "default")
        assert "stays-1" in mirror.of("EndpointSlice", "default")
        assert mirror.figure("store_ghosts_removed_total") == 2

        put(kube, raw.ingress("stays", "default", "changed.test"), raw.secret("users", "default", auth="two"))
        # kopf's pauses between its attempts have grown meanwhile, and a busy machine makes them longer
        await mirror.wait(lambda: _host(mirror, "default", "stays") == "changed.test", "a change", 2 * LONGEST)
        await mirror.wait(lambda: users in mirror.views, "the Secret again")


async def test_server_comes_back_with_other_certificates(own_api_server: Kube) -> None:
    kube = own_api_server
    put(kube, raw.ingress("shop", "default", "a.test"))
    async with mirrored(kube.user("renewed")) as mirror:
        kube.stop()
        kube.renew_certificates()
        kube.start()
        assert kube.user("renewed").exists()
        put(kube, raw.ingress("shop", "default", "b.test"), raw.ingress("more", "default", "c.test"))
        await mirror.wait(lambda: _host(mirror, "default", "shop") == "b.test", "a change")
        await mirror.wait(lambda: "more" in mirror.of("Ingress", "default"), "a new one")


async def test_data_are_from_a_backup(own_api_server: Kube, often: None, tmp_path: Path) -> None:
    """Versions begin at lower numbers: what is older by number counts nevertheless."""
    kube = own_api_server
    put(kube, raw.ingress("shop", "default", "old.test"), raw.ingress("kept", "default", "kept.test"))
    kube.stop()
    saved = tmp_path / "saved"
    kube.close()
    shutil.copytree(kube.folder / "etcd", saved)
    kube.start()
    put(kube, raw.ingress("shop", "default", "new.test"))
    for number in range(40):
        put(kube, raw.config_map(f"more-{number}", "default", key="x"))
    put(kube, raw.ingress("lost", "default", "lost.test"))
    async with mirrored(kube.user("backup")) as mirror:
        assert _host(mirror, "default", "shop") == "new.test"
        kube.close()
        shutil.rmtree(kube.folder / "etcd")
        shutil.copytree(saved, kube.folder / "etcd")
        kube.start()
        await mirror.wait(lambda: _host(mirror, "default", "shop") == "old.test", "what the backup has")
        await mirror.wait(lambda: "lost" not in mirror.of("Ingress", "default"), "what it has not")
        assert "kept" in mirror.of("Ingress", "default")


async def test_token_is_refused_and_replaced(api_server: Kube, relay: Relay, namespace: str) -> None:
    original = api_server.service_account(namespace, "rotating")
    _bind(api_server, namespace, "rotating")
    kubeconfig, token = relay.kubeconfig(original), original.with_suffix(".token")
    good = token.read_text()
    async with mirrored(kubeconfig, Scope(namespace=namespace)) as mirror:
        put(api_server, raw.service("before", namespace))
        await mirror.wait(lambda: "before" in mirror.of("Service", namespace), "a change")
        token.write_text("refused")
        relay.cut()
        await mirror.wait(lambda: _refused(api_server), "a refusal")
        put(api_server, raw.service("shop", namespace))
        token.write_text(good)
        await mirror.wait(lambda: "shop" in mirror.of("Service", namespace), "the Service")


async def test_dead_watch_is_begun_anew(
    api_server: Kube, relay: Relay, namespace: str, often: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connections say nothing more, and nobody tells: the audit, by another way, sees what is missing."""
    monkeypatch.setattr("serin.cluster.watch.pipe.END_TIMEOUT", 1.0)
    direct = api_server.user("dead")
    async with mirrored(direct, watched_by=relay.kubeconfig(direct)) as mirror:
        relay.hold()
        put(api_server, raw.ingress("shop", namespace, "a.test"))
        await mirror.wait(lambda: mirror.figure("watch_restarts_total") > 0, "another watch")
        relay.release()
        await mirror.wait(lambda: "shop" in mirror.of("Ingress", namespace), "the Ingress")


async def test_kind_comes_and_goes(own_api_server: Kube, often: None) -> None:
    kube = own_api_server
    crd = Path(__file__).parents[2] / "crds" / "canaryroute.yaml"
    async with mirrored(kube.user("crd")) as mirror:
        kube.kubectl("apply", "-f", str(crd))
        await mirror.wait(lambda: "canaryroutes" in _served(mirror), "the kind")
        kube.kubectl("delete", "-f", str(crd))
        await mirror.wait(lambda: "canaryroutes" not in _served(mirror), "the kind to go")
        put(kube, raw.ingress("shop", "default", "a.test"))
        await mirror.wait(lambda: "shop" in mirror.of("Ingress", "default"), "the Ingress")


def _served(mirror: Mirror) -> set[str]:
    return {str(feed) for feed in mirror.source._supervisor.feeds}


def _host(mirror: Mirror, namespace: str, name: str) -> str:
    view: Any = mirror.of("Ingress", namespace).get(name)
    return view.rules[0].host if view is not None else ""


def _refused(kube: Kube) -> bool:
    return any(entry.status == 401 for entry in kube.audit()[-200:])


def _bind(kube: Kube, namespace: str, account: str) -> None:
    binding = {
        "metadata": {"name": account},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }
    kube.request("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings", binding)
