"""Calls to a real API server: pages, patches, watches, and credentials that change under way."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
import yaml
from harness.cluster import calling, running, soon
from harness.kube import Kube

from serin.cluster.api import Api, ApiError, ApiUnreachableError, Object
from serin.cluster.connection import read_connection
from serin.cluster.kinds import CONFIG_MAP, NAMESPACE

FOREIGN_TOKEN = "eyJhbGciOiJSUzI1NiJ9.e30.AAAA"


async def test_objects_are_made_changed_read_and_deleted(api_server: Kube, namespace: str) -> None:
    path = CONFIG_MAP.path(namespace, "a")
    async with calling(api_server.kubeconfig) as api:
        assert (await api.version()).startswith("v1.")
        assert await api.get(path) is None
        made = await api.create(CONFIG_MAP.path(namespace), {"metadata": {"name": "a"}, "data": {"x": "1", "y": "2"}})
        assert (await api.patch(path, {"data": {"x": "3", "y": None}}))["data"] == {"x": "3"}
        with pytest.raises(ApiError) as conflict:
            await api.replace(path, made)
        assert (conflict.value.status, conflict.value.reason) == (409, "Conflict")
        assert "the object has been modified" in conflict.value.text
        found = await api.get(path, metadata_only=True)
        assert found is not None
        assert "data" not in found
        await api.delete(path)
        with pytest.raises(ApiError, match="NotFound"):
            await api.delete(path)
        counted = {tuple(dict(f.labels).values()): f.value for f in api.figures()}
        assert counted["get", "404"] == 1
        assert counted["replace", "409"] == 1


async def test_a_list_comes_in_pages_with_the_kind_of_each(api_server: Kube, namespace: str) -> None:
    async with calling(api_server.kubeconfig) as api:
        folder = CONFIG_MAP.path(namespace)

        at_once = asyncio.Semaphore(20)  # hundreds of handshakes in the same moment last longer than one may

        async def make(number: int) -> None:
            labels = {"half": str(number % 2)}
            async with at_once:
                await api.create(folder, {"metadata": {"name": f"c{number:04}", "labels": labels}})

        await asyncio.gather(*(make(number) for number in range(620)))
        listing = await api.list(folder, label_selector="half=1")
        assert len(listing.items) == 310
        assert {(item["apiVersion"], item["kind"]) for item in listing.items} == {("v1", "ConfigMap")}
        names = [item["metadata"]["name"] for item in (await api.list(folder, metadata_only=True)).items]
        assert len(set(names)) == len(names) == 621  # and kube-root-ca.crt
        assert len((await api.list(folder, field_selector="metadata.name=c0007")).items) == 1


async def test_a_watch_tells_from_the_version_of_a_list_on(api_server: Kube, namespace: str) -> None:
    told: list[tuple[str, str]] = []
    async with calling(api_server.kubeconfig) as api:
        folder = CONFIG_MAP.path(namespace)
        listing = await api.list(folder)

        async def follow() -> None:
            async for event in api.watch(folder, version=listing.version, timeout=60):
                name = event["object"]["metadata"].get("name", "")
                told.append((event["type"], name))

        async with running(follow()):
            await api.create(folder, {"metadata": {"name": "big"}, "data": {"x": "y" * 900_000}})
            await api.delete(CONFIG_MAP.path(namespace, "big"))
            await soon(lambda: ("DELETED", "big") in told, "the watch to tell of both")
    assert [event for event in told if event[1] == "big"] == [("ADDED", "big"), ("DELETED", "big")]


async def test_a_watch_ends_when_the_server_is_asked_to_end_it(api_server: Kube, namespace: str) -> None:
    async with calling(api_server.kubeconfig) as api:
        listing = await api.list(CONFIG_MAP.path(namespace))
        events = [e async for e in api.watch(CONFIG_MAP.path(namespace), version=listing.version, timeout=1)]
    assert {event["type"] for event in events} <= {"ADDED", "BOOKMARK"}


async def test_a_watch_that_is_refused_says_why(api_server: Kube) -> None:
    async with calling(api_server.kubeconfig) as api:
        with pytest.raises(ApiError, match="Invalid value"):
            _ = [event async for event in api.watch(CONFIG_MAP.path(), version="nonsense", timeout=1)]


async def test_a_token_is_read_from_its_file_for_each_call(api_server: Kube, namespace: str) -> None:
    kubeconfig = api_server.service_account(namespace, "reader")
    token = kubeconfig.with_suffix(".token")
    async with calling(kubeconfig) as api:
        with pytest.raises(ApiError) as refused:
            await api.get(NAMESPACE.path(name=namespace))
        assert refused.value.status == 403
        assert f"system:serviceaccount:{namespace}:reader" in refused.value.text
        good = token.read_text()
        token.write_text(FOREIGN_TOKEN)
        with pytest.raises(ApiError) as unknown:
            await api.get(NAMESPACE.path(name=namespace))
        assert unknown.value.status == 401
        token.write_text(good)
        with pytest.raises(ApiError) as known:
            await api.get(NAMESPACE.path(name=namespace))
        assert known.value.status == 403


async def test_a_plugin_is_asked_again_when_its_token_is_refused(api_server: Kube, namespace: str) -> None:
    """It gives a token that the server does not know first, then one that it does."""
    kubeconfig = api_server.service_account(namespace, "plugged")
    folder = kubeconfig.parent
    tries = folder / f"{namespace}.tries"
    script = folder / f"{namespace}.plugin.py"
    script.write_text(
        "import json, os, pathlib, sys\n"
        "assert json.loads(os.environ['KUBERNETES_EXEC_INFO'])['kind'] == 'ExecCredential'\n"
        f"tries = pathlib.Path({str(tries)!r})\n"
        "count = int(tries.read_text()) if tries.exists() else 0\n"
        "tries.write_text(str(count + 1))\n"
        f"good = pathlib.Path({str(kubeconfig.with_suffix('.token'))!r}).read_text()\n"
        f"token = good if count else {FOREIGN_TOKEN!r}\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential',\n"
        "                  'status': {'token': token}}))\n"
    )
    plugged = _with_user(kubeconfig, {"exec": {"command": sys.executable, "args": [str(script)]}})
    async with calling(plugged) as api:
        for _ in range(3):
            with pytest.raises(ApiError, match=r"403.*plugged"):
                await api.get(NAMESPACE.path(name=namespace))
    assert tries.read_text() == "2"


async def test_a_plugin_that_fails_says_what_it_said(api_server: Kube, namespace: str) -> None:
    kubeconfig = api_server.service_account(namespace, "broken")
    plugged = _with_user(kubeconfig, {"exec": {"command": "sh", "args": ["-c", "echo log in first >&2; exit 3"]}})
    async with calling(plugged) as api:
        with pytest.raises(ApiUnreachableError, match="sh ended with 3: log in first"):
            await api.version()


async def test_certificates_that_are_replaced_are_taken_up(own_api_server: Kube) -> None:
    """The server's authority and our certificate change in their files while the server is away."""
    async with calling(own_api_server.kubeconfig) as api:
        before = await api.version()
        await asyncio.to_thread(own_api_server.stop)
        with pytest.raises(ApiUnreachableError):
            await api.version()
        await asyncio.to_thread(own_api_server.renew_certificates)
        await asyncio.to_thread(own_api_server.start)
        assert await api.version() == before


async def test_a_server_that_is_not_trusted_is_not_talked_to(api_server: Kube, tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    own = read_connection(api_server.kubeconfig, environ={})
    other.write_text(own.certificate)
    api = Api(lambda: read_connection(api_server.kubeconfig, ca=other, environ={}))
    try:
        with pytest.raises(ApiUnreachableError, match=r"(?i)certificate verify failed"):
            await api.version()
    finally:
        await api.close()


def _with_user(kubeconfig: Path, user: Object) -> Path:
    """The same cluster with another way to log in."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"] = [{"name": entry["name"], "user": user} for entry in config["users"]]
    path = kubeconfig.with_suffix(".plugged.kubeconfig")
    path.write_text(json.dumps(config))
    return path
