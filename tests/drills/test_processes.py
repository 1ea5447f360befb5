"""Processes end, in order and out of order: what is lost is what the dead one had in flight, and nothing more."""

import concurrent.futures
import os
import pathlib
import signal
import time

from harness.load import load
from harness.manifests import canary, put
from harness.serving import await_ready, is_running, launch, launch_command
from harness.waiting import until
from harness.wire import Request, is_refused
from harness.world import HOST, World

CONNECTIONS = 6


def test_killed_worker_loses_only_what_it_had_in_flight(world: World) -> None:
    serving = world.serve()
    with load(serving.door, HOST, connections=CONNECTIONS) as running:
        until(lambda: running.count > 100, "requests")
        victim = serving.workers()[0]
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in serving.workers() and len(serving.workers()) == 2, "another worker")
        until(serving.is_ready, "readiness")
        world.settle(serving, "main")
        after = time.monotonic()
        until(lambda: sum(running.since(after).values()) > 100, "requests")
    assert len(running.lost()) <= CONNECTIONS, "at most one request for each connection"
    assert set(running.since(after)) == {"200 main"}


def test_workers_replaced_in_order_lose_nothing(world: World) -> None:
    serving = world.serve()
    before = set(serving.workers())
    with load(serving.door, HOST, path="/?sleep=5ms", again=world.plane.is_nginx) as running:
        until(lambda: running.count > 20, "requests")
        os.kill(serving.data_plane(), signal.SIGHUP)
        until(lambda: not before & set(serving.workers()) and len(serving.workers()) == 2, "new workers")
        until(serving.is_ready, "readiness")
    assert not running.lost()


def test_sigterm_answers_what_is_in_flight(world: World) -> None:
    serving = world.serve()
    slow = Request(host=HOST, path="/?sleep=700ms")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = world.backends.requests
        replies = [pool.submit(serving.door.send, slow) for _ in range(8)]
        until(lambda: world.backends.requests >= asked + 8, "all requests to arrive")
        assert serving.stop() == 0
        assert {future.result().status for future in replies} == {200}
    assert serving.door.send(Request(host=HOST)).status == 0, "nobody listens any more"


def test_nobody_is_taken_in_who_would_not_be_served(world: World) -> None:
    """A client that comes while the last requests end is refused at once, and can go elsewhere: it does not wait."""
    serving = world.serve()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = world.backends.requests
        last = pool.submit(serving.door.send, Request(host=HOST, path="/?sleep=2s"))
        until(lambda: world.backends.requests > asked, "the request to arrive")
        os.kill(serving.data_plane(), signal.SIGTERM)
        until(lambda: is_refused(serving.door.http), "connections to be refused")
        came = {is_refused(serving.door.http) for _ in range(200)}
        assert not last.done(), "all of it was while a request was in flight"
        assert came == {True}
        assert last.result().status == 200


def test_data_plane_serves_on_without_its_controller(world: World) -> None:
    put(world.folder / "canary.yaml", canary("canary", HOST, "canary", weight="10"))
    serving = world.serve()
    data_plane = serving.data_plane()
    try:
        with load(serving.door, HOST) as running:
            until(lambda: running.count > 100, "requests")
            serving.process.kill()
            serving.process.wait()
            after = time.monotonic()
            until(lambda: sum(running.since(after).values()) > 300, "requests")
        assert not running.lost()
        counts = running.since(0)
        assert set(counts) == {"200 main", "200 canary"}
        assert serving.is_ready()
    finally:
        os.kill(data_plane, signal.SIGTERM)
        until(lambda: not pathlib.Path(f"/proc/{data_plane}").exists(), "the data plane to end")


def test_data_plane_alone_serves_the_last_plan(world: World) -> None:
    """What a controller left in the run directory is enough."""
    put(world.folder / "canary.yaml", canary("canary", HOST, "canary", weight="50"))
    first = world.serve()
    run_dir = first.run_dir
    assert first.stop() == 0
    (run_dir / "state" / "ports.json").unlink(missing_ok=True)
    ports = ("--http-port", "0", "--https-port", "0", "--healthz-port", "0")
    options = ("--bind", "127.0.0.1", "--workers", "1", *world.plane.options)
    alone = launch_command("data-plane", *options, *ports, run_dir=run_dir)
    world.started.append(await_ready(alone))
    answers = [world.backend(alone) for _ in range(40)]
    assert answers.count("canary") in range(18, 23)
    assert "serin_controller_hosts" in alone.get("/metrics")[1], "the controller's figures, as it left them"


def test_data_plane_that_dies_is_started_again(world: World) -> None:
    serving = world.serve()
    first = serving.data_plane()
    workers = [] if world.plane.is_nginx else serving.workers()
    os.kill(first, signal.SIGKILL)
    until(lambda: serving.data_plane() not in (0, first), "another data plane")
    again = await_ready(serving)
    world.settle(again, "main")
    until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in workers), "orphaned workers to end")
    assert len(again.workers()) == 2


def test_a_killed_serve_is_taken_up_again_with_what_it_left_serving(world: World) -> None:
    """Its data plane serves on, and obeys the next one: nothing has to be looked for and ended first."""
    serving = world.serve()
    data_plane = serving.data_plane()
    with load(serving.door, HOST, again=True) as running:
        serving.process.kill()
        serving.process.wait()
        again = world.serve()
        until(lambda: "data-plane-adopted" in again.output(), "the data plane to be taken over")
        put(world.folder / "canary.yaml", canary("canary", HOST, "canary", weight="50"))
        until(lambda: "200 canary" in running.since(0), "the change to be in force")
    assert not running.lost()
    assert (again.door, again.healthz) == (serving.door, serving.healthz)
    assert again.stop() == 0
    until(lambda: not is_running(data_plane), "the data plane to end with the second")


def test_a_data_plane_with_other_flags_is_not_taken_over(world: World) -> None:
    serving = world.serve()
    data_plane = serving.data_plane()
    serving.process.kill()
    serving.process.wait()
    try:
        other = launch(world.folder, "--workers", "3", run_dir=serving.run_dir)
        assert other.process.wait(30) == 2
        assert f"process {data_plane}" in other.output()
    finally:
        os.kill(data_plane, signal.SIGTERM)
        until(lambda: not pathlib.Path(f"/proc/{data_plane}").exists(), "the data plane to end")


def test_second_serve_on_the_same_run_directory_is_refused(world: World) -> None:
    serving = world.serve()
    other = launch(world.folder, run_dir=serving.run_dir)
    assert other.process.wait(30) == 2
    assert f"process {serving.process.pid}" in other.output()
    assert world.backend(serving) == "main"


def test_restart_goes_on_where_it_ended(world: World) -> None:
    """The draw's place and the plan are kept in the run directory."""
    put(world.folder / "canary.yaml", canary("canary", HOST, "canary", weight="50"))
    first = world.serve()
    assert {world.backend(first) for _ in range(20)} == {"main", "canary"}
    assert first.stop() == 0
    second = world.serve()
    answers = [world.backend(second) for _ in range(40)]
    assert answers.count("canary") in range(18, 23)
