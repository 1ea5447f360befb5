"""When a data plane counts as alive, when as ready, and what it says if not."""

from dataclasses import replace

from serin.dataplane.readiness import LAG_SECONDS, View, WorkerView, alive, reasons, warnings

ONE, TWO = WorkerView(11, "7"), WorkerView(12, "7")
READY = View((ONE, TWO), "7", since=0.0, ever_ready=True)


def test_all_serve_the_newest_plan() -> None:
    assert reasons(READY) == ()
    assert alive(READY)


def test_no_plan_is_not_ready_but_alive() -> None:
    view = View((None, None), "", since=0.0)
    assert reasons(view) == ("no plan yet: plan/generation is not there",)
    assert alive(view)


def test_workers_that_start_or_restart() -> None:
    view = replace(READY, workers=(None, replace(TWO, generation="")))
    assert reasons(view) == ("worker 0 is being restarted", "worker 1 (process 12) is starting")
    assert alive(view)


def test_no_worker_is_not_alive() -> None:
    assert not alive(replace(READY, workers=(None, None)))


def test_at_the_start_every_worker_must_have_the_newest_plan() -> None:
    view = View((ONE, replace(TWO, generation="6")), "7", since=0.0)
    assert reasons(view) == ("worker 1 (process 12) serves plan 6, the newest is 7",)


def test_later_a_worker_may_be_behind_for_a_moment() -> None:
    behind = replace(READY, workers=(ONE, replace(TWO, generation="6")))
    assert reasons(replace(behind, since=LAG_SECONDS)) == ()
    assert len(reasons(replace(behind, since=LAG_SECONDS + 0.1))) == 1


def test_a_plan_that_cannot_be_taken_takes_no_replica_out() -> None:
    view = replace(READY, workers=(ONE, replace(TWO, generation="6", kept="7")), since=100.0)
    assert reasons(view) == ()
    assert warnings(view) == ("worker 1 (process 12) could not take plan 7 and keeps plan 6",)


def test_one_that_is_leaving_serves_on_and_is_not_ready() -> None:
    view = replace(READY, leaving=True)
    assert reasons(view) == ("ending: connections are taken until load balancers have noticed",)
    assert alive(view)


def test_draining_is_not_ready_but_alive() -> None:
    view = replace(READY, draining=True)
    assert reasons(view) == ("draining: no new connections are taken",)
    assert alive(view)
