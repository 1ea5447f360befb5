"""Ingress status on a real API server, as `kubectl get ingress` shows it; and that nothing else is written."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from harness.cluster import Objects, calling, ingress, running, soon
from harness.kube import Kube

from serin.cluster.api import Api
from serin.cluster.kinds import INGRESS, NODE, POD, SERVICE
from serin.cluster.own_pod import OwnPodReader
from serin.cluster.status import Publish, StatusWriter
from serin.refs import Ref


def writer(api: Api, known: Objects, publish: Publish, own: OwnPodReader | None = None) -> StatusWriter:
    return StatusWriter(api, lambda: True, known, publish, own or OwnPodReader(api, "", ""))


def address(api_server: Kube, namespace: str, name: str) -> str:
    """The column ADDRESS."""
    told = api_server.kubectl("-n", namespace, "get", "ingress", name).stdout.splitlines()
    column = told[0].index("ADDRESS")
    return told[1][column:].split("  ")[0].strip()


@pytest.fixture
def user(api_server: Kube, namespace: str) -> Path:
    """Somebody of our own, so that the audit log shows what this test's writer does."""
    return api_server.user(f"status-{namespace}")


async def test_the_service_s_address_is_shown_follows_it_and_goes(api_server: Kube, namespace: str, user: Path) -> None:
    refs = [Ref("Ingress", namespace, name) for name in ("a", "b")]
    lb = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    async with calling(user) as api, calling(api_server.kubeconfig) as admin:
        for ref in refs:
            await admin.create(INGRESS.path(namespace), ingress(ref.name, namespace))
        await admin.create(SERVICE.path(namespace), {"metadata": {"name": "lb"}, "spec": lb})
        known = Objects(admin, *refs)
        await known.look()
        status = writer(api, known, Publish(service=Ref("Service", namespace, "lb")))
        status.ours(frozenset(refs))

        async def give(*entries: dict[str, str]) -> None:
            body = {"status": {"loadBalancer": {"ingress": list(entries)}}}
            await admin.patch(SERVICE.path(namespace, "lb", "status"), body)

        def shown(text: str) -> bool:
            return all(address(api_server, namespace, ref.name) == text for ref in refs)

        async with running(status.run()):
            await give({"ip": "192.0.2.7"})
            await soon(lambda: shown("192.0.2.7"), "the address", seconds=15)
            await known.look()
            await give({"ip": "192.0.2.7"}, {"hostname": "lb.example.com"})
            await soon(
                lambda: shown("192.0.2.7,lb.example.com") or shown("lb.example.com,192.0.2.7"), "both", seconds=15
            )
            await known.look()
        assert await status.clear() == 2
        assert await asyncio.to_thread(shown, "")
    wrote = {
        (entry.verb, entry.path.partition("?")[0]) for entry in api_server.audit(user=user_name(user), writes=True)
    }
    assert wrote == {("patch", INGRESS.path(namespace, ref.name, "status")) for ref in refs}


async def test_nothing_is_written_when_nothing_changed(api_server: Kube, namespace: str, user: Path) -> None:
    ref = Ref("Ingress", namespace, "a")
    async with calling(user) as api, calling(api_server.kubeconfig) as admin:
        await admin.create(INGRESS.path(namespace), ingress("a", namespace))
        known = Objects(admin, ref)
        await known.look()
        status = writer(api, known, Publish(addresses=("192.0.2.7", "lb.example.com")))
        status.ours(frozenset((ref,)))
        await status._round()
        await known.look()
        for _ in range(5):
            status.ours(frozenset((ref,)))
            status._read_again()
            await status._round()
    assert len(api_server.audit(user=user_name(user), writes=True)) == 1


async def test_an_ingress_that_its_user_changes_meanwhile_keeps_the_change(
    api_server: Kube, namespace: str, user: Path
) -> None:
    ref = Ref("Ingress", namespace, "a")
    async with calling(user) as api, calling(api_server.kubeconfig) as admin:
        await admin.create(INGRESS.path(namespace), ingress("a", namespace))
        known = Objects(admin, ref)
        await known.look()
        await admin.patch(INGRESS.path(namespace, "a"), {"metadata": {"annotations": {"of": "user"}}})
        status = writer(api, known, Publish(addresses=("192.0.2.7",)))
        status.ours(frozenset((ref,)))
        await status._round()
        conflict = await admin.get(INGRESS.path(namespace, "a"))
        await known.look()
        await status._round()
        settled = await admin.get(INGRESS.path(namespace, "a"))
    assert conflict is not None
    assert "ingress" not in conflict["status"]["loadBalancer"]
    assert settled is not None
    assert settled["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.7"}]
    assert settled["metadata"]["annotations"]["of"] == "user"
    told = api_server.audit(user=user_name(user), writes=True)
    assert [entry.status for entry in told] == [409, 200]


async def test_an_ingress_of_the_same_name_made_anew_is_another_one(
    api_server: Kube, namespace: str, user: Path
) -> None:
    ref = Ref("Ingress", namespace, "a")
    async with calling(user) as api, calling(api_server.kubeconfig) as admin:
        await admin.create(INGRESS.path(namespace), ingress("a", namespace))
        known = Objects(admin, ref)
        await known.look()
        await admin.delete(INGRESS.path(namespace, "a"))
        await admin.create(INGRESS.path(namespace), ingress("a", namespace))
        status = writer(api, known, Publish(addresses=("192.0.2.7",)))
        status.ours(frozenset((ref,)))
        await status._round()
        found = await admin.get(INGRESS.path(namespace, "a"))
    assert found is not None
    assert "ingress" not in found["status"]["loadBalancer"]


async def test_the_addresses_of_the_nodes_of_our_pods(api_server: Kube, namespace: str, user: Path) -> None:
    ref = Ref("Ingress", namespace, "a")
    async with calling(user) as api, calling(api_server.kubeconfig) as admin:
        await admin.create(INGRESS.path(namespace), ingress("a", namespace))
        for number in (1, 2, 3):
            await _pod(admin, namespace, f"pod{number}", f"{namespace}-{number}", f"10.0.0.{number}", ready=number < 3)
        known = Objects(admin, ref)
        await known.look()
        status = writer(api, known, Publish(), OwnPodReader(api, namespace, "pod1"))
        status.ours(frozenset((ref,)))
        await status._round()
        found = await admin.get(INGRESS.path(namespace, "a"))
        for number in (1, 2, 3):
            await admin.delete(NODE.path(name=f"{namespace}-{number}"))
    assert found is not None
    assert found["status"]["loadBalancer"]["ingress"] == [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]


async def test_the_last_replica_takes_the_address_away_and_no_other(
    api_server: Kube, namespace: str, user: Path
) -> None:
    ref = Ref("Ingress", namespace, "a")
    async with calling(user) as api, calling(api_server.kubeconfig) as admin:
        await admin.create(INGRESS.path(namespace), ingress("a", namespace))
        for name in ("mine", "other"):
            await _pod(admin, namespace, name, "", "", ready=False)
        known = Objects(admin, ref)
        await known.look()
        own = OwnPodReader(api, namespace, "mine")
        await own.read()

        async def end() -> int:
            status = writer(api, known, Publish(addresses=("192.0.2.7",)), own)
            status.ours(frozenset((ref,)))
            return await status.clear()

        status = writer(api, known, Publish(addresses=("192.0.2.7",)), own)
        status.ours(frozenset((ref,)))
        await status._round()
        await known.look()
        assert await end() == 0  # this container is merely restarted
        await admin.delete(POD.path(namespace, "mine"))
        assert await end() == 0  # there is another replica
        await admin.delete(POD.path(namespace, "other"))
        assert await end() == 1


async def _pod(admin: Api, namespace: str, name: str, node: str, ip: str, *, ready: bool) -> None:
    meta: dict[str, Any] = {"name": name, "labels": {"app": "serin", "pod-template-hash": name}}
    spec: dict[str, Any] = {"containers": [{"name": "c", "image": "serin"}], "serviceAccountName": "default"}
    if node:
        await admin.create(NODE.path(), {"metadata": {"name": node}})
        addresses = [{"type": "InternalIP", "address": ip}]
        await admin.patch(NODE.path(name=node, sub="status"), {"status": {"addresses": addresses}})
        spec["nodeName"] = node
    await admin.create(POD.path(namespace), {"metadata": meta, "spec": spec})
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    body = {"status": {"phase": "Running", "conditions": conditions}}
    await admin.patch(POD.path(namespace, name, "status"), body)


def user_name(kubeconfig: Path) -> str:
    return kubeconfig.stem.removeprefix("user-")
