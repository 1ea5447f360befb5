"""The Lease on a real API server: one leads, another follows when it is killed, and at once when it lets go."""

import asyncio
import time

from harness.cluster import calling, running, soon
from harness.kube import Kube

from serin.cluster.api import Api
from serin.cluster.election import Election
from serin.cluster.kinds import LEASE

TTL = 3.0


def candidates(api: Api, namespace: str, *names: str) -> list[Election]:
    return [Election(api, namespace, "serin", name, ttl=TTL) for name in names]


async def test_the_lease_moves_when_its_holder_is_killed_and_two_never_lead(api_server: Kube, namespace: str) -> None:
    both = 0

    async def watch_over(elections: list[Election]) -> None:
        nonlocal both
        while True:
            both += sum(election.leading for election in elections) > 1
            await asyncio.sleep(0.005)

    async with calling(api_server.kubeconfig) as api:
        first, second = elections = candidates(api, namespace, "first", "second")
        async with running(first.run(), watch_over(elections)) as (of_first, _):
            await soon(lambda: first.leading, "the first to lead")
            async with running(second.run()):
                await soon(lambda: second.holder == "first", "the second to see who leads")
                shown = await asyncio.to_thread(api_server.kubectl, "-n", namespace, "get", "lease", "serin")
                assert shown.stdout.splitlines()[1].split()[1] == "first"
                killed_at = time.monotonic()
                of_first.cancel()
                await soon(lambda: second.leading, "the second to lead", seconds=TTL * 3)
                assert time.monotonic() - killed_at > TTL / 2  # not before the first has stopped by itself
                lease = await api.get(LEASE.path(namespace, "serin"))
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == "second"
    assert lease["spec"]["leaseTransitions"] == 1
    assert both == 0


async def test_a_lease_that_is_released_moves_at_the_next_attempt(api_server: Kube, namespace: str) -> None:
    async with calling(api_server.kubeconfig) as api:
        first, second = (Election(api, namespace, "serin", name, ttl=20.0) for name in ("first", "second"))
        await first.attempt()
        await second.attempt()
        assert (first.leading, second.leading) == (True, False)
        await first.release()
        lease = await api.get(LEASE.path(namespace, "serin"))
        assert lease is not None
        assert not lease["spec"].get("holderIdentity")
        await second.attempt()
        assert second.leading


async def test_a_controller_that_starts_again_in_its_pod_goes_on_at_once(api_server: Kube, namespace: str) -> None:
    async with calling(api_server.kubeconfig) as api:
        before, other, after = (Election(api, namespace, "serin", name, ttl=20.0) for name in ("pod", "x", "pod"))
        for election in (before, other, after):
            await election.attempt()
        assert (other.leading, after.leading) == (False, True)


async def test_a_conflict_is_seen_and_settled(api_server: Kube, namespace: str) -> None:
    """Somebody labels the Lease between two renewals."""
    async with calling(api_server.kubeconfig) as api:
        (first,) = candidates(api, namespace, "first")
        await first.attempt()
        await api.patch(LEASE.path(namespace, "serin"), {"metadata": {"labels": {"team": "x"}}})
        await first.attempt()
        lease = await api.get(LEASE.path(namespace, "serin"))
    assert first.leading
    assert lease is not None
    assert lease["metadata"]["labels"] == {"team": "x"}
