"""Limits of a client hold over all workers together, and a worker that dies leaves no place taken."""

import concurrent.futures
import os
import signal

import pytest
from harness.manifests import ingress, put
from harness.planes import PROXY
from harness.waiting import until
from harness.wire import Request
from harness.world import World

LIMITED = "limited.example"


def test_a_rate_is_shared_by_all_workers(world: World) -> None:
    """One a minute with a burst of five: six at once, whichever worker gets them."""
    put(world.folder / "limited.yaml", ingress("limited", LIMITED, "main", limit_rpm="1"))
    serving = world.serve()
    world.settle(serving, "main")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: serving.door.send(Request(host=LIMITED)).status, range(40)))
    assert sorted(replies) == [200] * 6 + [503] * 34


@pytest.mark.parametrize("plane", [PROXY], indirect=True)
def test_a_worker_that_dies_leaves_no_place_taken(world: World) -> None:
    put(world.folder / "limited.yaml", ingress("limited", LIMITED, "main", limit_connections="3"))
    serving = world.serve()
    slow = Request(host=LIMITED, path="/?sleep=30s")

    def refused() -> bool:
        return serving.door.send(Request(host=LIMITED)).status == 503

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        before = world.backends.requests
        waiting = [pool.submit(serving.door.send, slow) for _ in range(3)]
        until(lambda: world.backends.requests >= before + 3, "three requests in flight")
        assert refused()
        assert world.backend(serving) == "main"
        for worker in serving.workers():
            os.kill(worker, signal.SIGKILL)
        assert {future.result().status for future in waiting} == {0}
        until(serving.is_ready, "readiness")
        until(lambda: not refused(), "places that died with their worker")
