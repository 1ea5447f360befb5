"""One change after the other: endpoints at once, compile, weights at once, the rest when its batch is due.

No waiting and no reading of files in here: the clock is an argument, so tests walk through time.
"""

import logging
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.compile.pools import fill_or_close
from serin.control.holdoff import Holdoff
from serin.control.journal import Journal
from serin.control.publish import Publisher
from serin.objects.store import Snapshot, Store
from serin.objects.views import EndpointSlice
from serin.problems import Problem
from serin.refs import Ref
from serin.routing.plan import Plan
from serin.telemetry import log

ENDPOINT_KINDS = frozenset(("EndpointSlice", "Endpoints", "Service"))
RETRY = 1.0
"""Seconds until a publication that failed (a full disk) is tried again."""
REMIND = 60.0
"""Seconds after which the same failure is said again in the log."""

CheckPattern = Callable[[str, bool], str | None]
Observer = Callable[[Compiled, tuple[Problem, ...]], None]
"""Told of what was compiled last and of all problems there are, after every compile and when the problems change.

It is called between two changes, from the first publication on, and must return at once.
"""
Service = tuple[str, str]
"""Namespace and name."""

_log = logging.getLogger("serin.control")


@dataclass(slots=True)
class Counts:
    """What the engine has done since it began."""

    compiles: int = 0
    compile_failures: int = 0
    publications: int = 0
    publication_failures: int = 0
    endpoint_changes: int = 0
    compile_ms: float = 0.0
    """Of the last compile."""
    revision: int = 0
    """Of the objects that the last compile read."""


class Engine:
    def __init__(
        self,
        store: Store,
        options: Options,
        publisher: Publisher,
        check_pattern: CheckPattern,
        clock: Callable[[], float],
        observers: Sequence[Observer] = (),
    ) -> None:
        self.counts = Counts()
        self._store = store
        self._options = options
        self._publisher = publisher
        self._check_pattern = check_pattern
        self._clock = clock
        self._observers = tuple(observers)
        self._journal = Journal(_log)
        self._holdoff = Holdoff()
        self._compiled: Compiled | None = None
        self._seen: Snapshot | None = None
        self._source_problems: tuple[Problem, ...] = ()
        self._problems: tuple[Problem, ...] = ()
        self._joined_from: tuple[tuple[Problem, ...], tuple[Problem, ...]] = ((), ())
        self._failed_at: float | None = None
        self._complaint = ("", 0.0)
        """What was said last of a failed publication, and when."""
        self._behind = True
        """Some endpoints or weights may not be in force, and nobody knows which: the last attempt ended early."""

    @property
    def plan(self) -> Plan | None:
        """What was compiled last; its documents may still wait for their batch."""
        return self._compiled.plan if self._compiled else None

    @property
    def compiled(self) -> Compiled | None:
        """What was compiled last, with its memo; None before the first time."""
        return self._compiled

    @property
    def snapshot(self) -> Snapshot:
        """The objects as they are now; of endpoints it may know more than `compiled`, which waits for their batch."""
        return self._store.snapshot()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Of the objects and of where they come from, sorted. The same value until one of them changes."""
        found = self._compiled.problems if self._compiled else ()
        of_source, of_objects = self._joined_from
        if of_source is not self._source_problems or of_objects is not found:
            joined = {*self._source_problems, *found}
            self._problems = tuple(sorted(joined)) if self._source_problems else found
            self._joined_from = (self._source_problems, found)
        return self._problems

    @property
    def trials(self) -> frozenset[str]:
        """The trials whose shares are in force."""
        return self._publisher.trials

    @property
    def due(self) -> float | None:
        """When `run_due` has something to do; None: not before the next change."""
        if self._failed_at is not None:
            return self._failed_at + RETRY
        waiting = [at for at in (self._holdoff.due, self._publisher.sweep_due) if at is not None]
        return min(waiting, default=None)

    def changed(self, source_problems: Iterable[Problem] = ()) -> None:
        """The store's objects, or the problems of their source, are not what they were."""
        before = self._source_problems
        if (given := tuple(source_problems)) != before:
            self._source_problems = given
        snapshot = self._store.snapshot()
        if self._seen is not None and snapshot.revision == self._seen.revision:
            if self._source_problems is not before:
                self._tell()
            return
        refs = None if self._seen is None else snapshot.changed_since(self._seen.revision)
        # Whatever fails from here on, the batch that comes next brings everything into force.
        previous, self._seen = self._seen, snapshot
        self._holdoff.changed(self._clock())
        behind, self._behind = self._behind, True
        try:
            if refs is not None:
                self._endpoints(previous, snapshot, refs)
            if refs is None or any(ref.kind not in ENDPOINT_KINDS for ref in refs):
                self._compile(snapshot)
            self._behind = behind
        except OSError as error:
            self._publication_failed(error)

    def run_due(self) -> None:
        """Publish what waits, if its time has come, and drop what has left."""
        now = self._clock()
        if self._failed_at is not None and now < self._failed_at + RETRY:
            return
        try:
            if self._failed_at is not None or (self._holdoff.due is not None and now >= self._holdoff.due):
                self.publish()
            if self._publisher.sweep_due is not None and now >= self._publisher.sweep_due:
                self._publisher.sweep()
        except OSError as error:
            self._publication_failed(error)

    def publish(self) -> None:
        """Bring everything known into force now."""
        snapshot = self._store.snapshot()
        behind, self._behind = self._behind, True
        if self._compiled is None or self.counts.revision != snapshot.revision:
            self._compile(snapshot)
        plan, first = self.plan, self._publisher.plan is None
        if plan is not None and behind:
            self._publisher.at_once(plan)
        if plan is not None and self._publisher.is_due(plan):
            served = 0 if first or self._publisher.plan is None else len(self._publisher.plan.hosts)
            self._publisher.batch(plan)
            self.counts.publications += 1
            # Every request meets 404 from here on: an IngressClass that was deleted looks like this.
            level = logging.WARNING if served and not plan.hosts else logging.INFO
            log.event(
                _log,
                log.PLAN_PUBLISHED,
                level=level,
                hosts=len(plan.hosts),
                hosts_before=served,
                revision=self.counts.revision,
            )
        if first:
            self._tell()
        self._failed_at, self._behind, self._complaint = None, False, ("", 0.0)
        self._holdoff.published(self._clock())

    def _compile(self, snapshot: Snapshot) -> None:
        """The last good plan stays in force when compile itself fails: that is our mistake, not the user's."""
        started = self._clock()
        self.counts.revision = snapshot.revision
        try:
            compiled = compile_snapshot(snapshot, self._options, self._check_pattern, self._compiled)
        except Exception as error:
            self.counts.compile_failures += 1
            text = "".join(traceback.format_exception(error))
            log.event(_log, log.COMPILE_FAILED, level=logging.ERROR, revision=snapshot.revision, error=text)
            return
        self.counts.compiles += 1
        self.counts.compile_ms = (self._clock() - started) * 1000
        self._compiled = compiled
        self._tell()
        if self._publisher.plan is not None:
            plan, changes = compiled.plan, compiled.changes
            self._publisher.blocks(
                [plan.pools[i] for i in changes.pools if i in plan.pools],
                [plan.splits[i] for i in changes.splits if i in plan.splits],
            )

    def _tell(self) -> None:
        """Nothing before the first publication: what is missing then may only be on its way."""
        if self._compiled is None or self._publisher.plan is None:
            return
        problems = self.problems
        self._journal.record(problems)
        for observer in self._observers:
            try:
                observer(self._compiled, problems)
            except Exception as error:  # a bug of ours, which must not keep the plan from being published
                text = "".join(traceback.format_exception(error))
                log.event(_log, log.CONTROL_FAILED, level=logging.ERROR, error=text, observer=repr(observer))

    def _endpoints(self, previous: Snapshot | None, snapshot: Snapshot, refs: Iterable[Ref]) -> None:
        compiled = self._compiled
        if compiled is None:
            return
        services = {service for ref in refs for service in services_of(ref, snapshot, previous)}
        specs = {spec for service in services for spec in compiled.pools_of_service(*service)}
        filled = [fill_or_close(snapshot, spec, self._options)[0] for spec in specs]
        self.counts.endpoint_changes += self._publisher.endpoints(filled)

    def _publication_failed(self, error: OSError) -> None:
        self.counts.publication_failures += 1
        now = self._failed_at = self._clock()
        text, said = self._complaint
        if str(error) != text or now >= said + REMIND:
            self._complaint = (str(error), now)
            log.event(_log, log.RUN_DIRECTORY_FAILED, level=logging.ERROR, error=str(error), retry_seconds=RETRY)


def services_of(ref: Ref, *snapshots: Snapshot | None) -> set[Service]:
    """The Services whose endpoints a change of `ref` may move; a slice may have belonged to another one before."""
    if ref.kind in ("Service", "Endpoints"):
        return {(ref.namespace, ref.name)}
    if ref.kind != "EndpointSlice":
        return set()
    views = [s.find(ref) for s in snapshots if s is not None]
    return {(ref.namespace, view.service) for view in views if isinstance(view, EndpointSlice)}
