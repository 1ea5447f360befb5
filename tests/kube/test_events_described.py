"""Events on a real API server, as `kubectl describe` shows them; and what the next leader makes of them."""

import asyncio
from typing import Any

from harness.cluster import Objects, calling, ingress, running, soon
from harness.kube import Kube

from serin.cluster.api import Api
from serin.cluster.events import EventRecorder
from serin.cluster.kinds import EVENT, INGRESS, INGRESS_CLASS, POD
from serin.cluster.own_pod import OwnPodReader
from serin.problems import Problem, Severity
from serin.refs import Ref, Source


def recorder(api: Api, known: Objects, namespace: str, pod: str = "") -> EventRecorder:
    own = OwnPodReader(api, namespace, pod)
    return EventRecorder(api, lambda: True, known, own, instance="serin-0", namespace=namespace)


def problem(ref: Ref, text: str, field: str = "", code: str = "service-not-found") -> Problem:
    return Problem(Source(ref, field), code, Severity.ERROR, text)


async def described(api_server: Kube, namespace: str, kind: str, name: str) -> str:
    done = await asyncio.to_thread(api_server.kubectl, "-n", namespace, "describe", kind, name)
    return done.stdout


async def events(api: Api, namespace: str) -> list[dict[str, Any]]:
    return (await api.list(EVENT.path(namespace))).items


async def test_describe_tells_what_is_wrong(api_server: Kube, namespace: str) -> None:
    ref, secret = Ref("Ingress", namespace, "shop"), Ref("Secret", namespace, "cert")
    problems = (
        problem(ref, "there is no Service web; main answers 503", "spec.rules[0].http.paths[0].backend"),
        problem(secret, "it has no tls.key", code="certificate-unusable"),
        problem(ref, "x" * 5000, code="long-story"),
    )
    async with calling(api_server.kubeconfig) as api:
        await api.create(INGRESS.path(namespace), ingress("shop", namespace))
        known = Objects(api, ref)
        await known.look()
        told = recorder(api, known, namespace)
        told.observe(problems, lambda found: (ref,) if found == secret else ())
        async with running(told.run()):
            told.synced((ref,))
            await soon(lambda: len(_listed(api_server, namespace)) == 4, "four Events")
        text = await described(api_server, namespace, "ingress", "shop")
    assert "there is no Service web; main answers 503" in text
    assert "spec.rules[0].http.paths[0].backend" in text
    assert f"Secret {namespace}/cert: it has no tls.key" in text
    assert "ServiceNotFound" in text
    assert "serin-ingress-controller" in text
    assert "Scheduled for sync" in text
    assert "Warning" in text


async def test_the_next_leader_finds_what_was_told(api_server: Kube, namespace: str) -> None:
    """With a right to list Events it tells nothing again, and without finds the Event that is there."""
    ref = Ref("Ingress", namespace, "shop")
    async with calling(api_server.kubeconfig) as api:
        await api.create(INGRESS.path(namespace), ingress("shop", namespace))
        known = Objects(api, ref)
        await known.look()
        first = recorder(api, known, namespace)
        first.observe((problem(ref, "no"),))
        async with running(first.run()):
            await soon(lambda: len(_listed(api_server, namespace)) == 1, "the Event")
        (before,) = await events(api, namespace)

        second = recorder(api, known, namespace)
        second.observe((problem(ref, "no"), problem(ref, "other")))
        async with running(second.run()):
            await soon(lambda: len(_listed(api_server, namespace)) == 2, "the other Event")
        (again,) = [event for event in await events(api, namespace) if event["message"] == "no"]
        assert again == before

        blind = recorder(api, known, namespace)
        blind._knows_former = True
        blind.observe((problem(ref, "no"),))
        async with running(blind.run()):
            await soon(lambda: blind.figures()[1].value == 1, "the third leader to tell it")
        assert len(await events(api, namespace)) == 2


async def test_an_event_that_is_gone_is_made_again_and_counts_on(api_server: Kube, namespace: str) -> None:
    ref = Ref("Ingress", namespace, "shop")
    async with calling(api_server.kubeconfig) as api:
        await api.create(INGRESS.path(namespace), ingress("shop", namespace))
        known = Objects(api, ref)
        await known.look()
        now = [1000.0]
        own = OwnPodReader(api, namespace, "")
        told = EventRecorder(api, lambda: True, known, own, instance="i", namespace=namespace, clock=lambda: now[0])
        for step in (0.0, 2.0, 60.0, 2.0, 62.0, 1.0):
            # There, told, gone, back, counted on.
            now[0] += step
            told.observe((problem(ref, "no"),) if step != 60.0 else ())
            await told._round()
        (event,) = await events(api, namespace)
        assert event["count"] == 2
        await api.delete(EVENT.path(namespace, event["metadata"]["name"]))
        for step in (3000.0, 1.0, 1.0):
            now[0] += step
            await told._round()
        (event,) = await events(api, namespace)
        assert event["count"] == 2


async def test_a_class_and_our_own_pod_are_told_on_too(api_server: Kube, namespace: str) -> None:
    made = Ref("IngressClass", "", f"class-{namespace}")
    async with calling(api_server.kubeconfig) as api:
        spec = {"controller": "serin.dev/ingress-controller"}
        await api.create(INGRESS_CLASS.path(), {"metadata": {"name": made.name}, "spec": spec})
        pod = {"containers": [{"name": "c", "image": "serin"}]}
        await api.create(POD.path(namespace), {"metadata": {"name": "serin-0"}, "spec": pod})
        known = Objects(api, made)
        await known.look()
        told = recorder(api, known, namespace, "serin-0")
        ours = Ref("Pod", namespace, "serin-0")
        told.observe((problem(made, "two are default"), problem(ours, "not allowed to list nodes")))
        async with running(told.run()):
            await soon(lambda: "not allowed" in str(_listed(api_server, namespace)), "the Event on the pod")
            await soon(lambda: told.figures()[1].value == 2, "both Events")
        of_class = await described(api_server, namespace, "ingressclass", made.name)
        of_pod = await described(api_server, namespace, "pod", "serin-0")
        await api.delete(INGRESS_CLASS.path(name=made.name))
    assert "two are default" in of_class
    assert "not allowed to list nodes" in of_pod


def _listed(api_server: Kube, namespace: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api_server.get(EVENT.path(namespace))["items"]
    return found
