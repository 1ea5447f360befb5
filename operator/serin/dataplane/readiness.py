"""Whether this data plane serves what it should, in words.

Pure. A worker that falls behind for a moment is no reason: plans are taken between two requests, not at once.
"""

from dataclasses import dataclass

LAG_SECONDS = 5.0
"""How long a worker may serve an older plan than the newest before the data plane counts as not ready."""


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A place's process. `generation` is the plan it serves, empty when none; `kept` one that it could not take.

    `why` is why it could not, where that is known. `silent`: asked how it is, it does not answer.
    """

    pid: int
    generation: str
    kept: str = ""
    connections: tuple[int, int, int] = (0, 0, 0)
    leaving: bool = False
    why: str = ""
    silent: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """The data plane at one moment. `workers` has None for a place whose process is being replaced.

    `generation` is the newest plan's, empty when there is none yet; `since` how many seconds it has been the newest.
    `leaving`: it serves on until whoever sends traffic has noticed. `subject` is what serves: `worker`, of which there
    may be many, or `nginx`.
    """

    workers: tuple[WorkerView | None, ...]
    generation: str
    since: float
    leaving: bool = False
    draining: bool = False
    ever_ready: bool = False
    subject: str = "worker"


def alive(view: View) -> bool:
    """For /healthz: waiting for a first plan is not a fault, having no process to serve one is."""
    return not view.generation or any(view.workers)


def reasons(view: View) -> tuple[str, ...]:
    """Why the data plane is not ready; empty when it is.

    A worker that could not take the newest plan goes on with its last good one, and that is no reason: every replica
    would leave its Service at once.
    """
    if view.draining:
        return ("draining: no new connections are taken",)
    if view.leaving:
        return ("ending: connections are taken until load balancers have noticed",)
    if not view.generation:
        return ("no plan yet: plan/generation is not there",)
    found = []
    for number, worker in enumerate(view.workers):
        if worker is None:
            found.append(f"{_called(view, number)} is being restarted")
        elif worker.silent:
            found.append(f"{_called(view, number)} (process {worker.pid}) does not answer")
        elif not worker.generation:
            found.append(f"{_called(view, number)} (process {worker.pid}) is starting")
        elif _behind(worker, view):
            serves = f"serves plan {worker.generation}, the newest is {view.generation}"
            found.append(f"{_called(view, number)} (process {worker.pid}) {serves}")
    return tuple(found)


def warnings(view: View) -> tuple[str, ...]:
    """What is wrong although the data plane is ready."""
    return tuple(
        f"{_called(view, number)} (process {worker.pid}) could not take plan {worker.kept} and keeps plan "
        f"{worker.generation}{f': {worker.why}' if worker.why else ''}"
        for number, worker in enumerate(view.workers)
        if worker is not None and worker.kept
    )


def _called(view: View, number: int) -> str:
    return f"worker {number}" if view.subject == "worker" else view.subject


def _behind(worker: WorkerView, view: View) -> bool:
    if worker.generation == view.generation or worker.kept == view.generation:
        return False
    return not view.ever_ready or view.since > LAG_SECONDS
