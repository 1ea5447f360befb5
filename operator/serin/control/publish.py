"""Brings a plan into force: what may change under running requests at once, the rest with the next batch.

Order is everything here. A block is in shared memory before a document names it, and leaves only when no worker can
hold a document that does. What a plan means is not looked at. A pool or split that cannot be put, or a host that cannot
be rendered, but for a full disk, is Serin's own fault: it stays as it was, and all others go into force.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from serin.routing.plan import Plan, Pool, Split
from serin.telemetry import log

LEAVING = 30.0
"""Seconds a pool or split outlives the last plan that named it; workers take a new plan within one or two."""

T = TypeVar("T")

_log = logging.getLogger("serin.control")


class Blocks(Protocol):
    """The shared memory of weights and endpoints (serin.native.pools.PoolsFile)."""

    @property
    def splits(self) -> frozenset[str]: ...
    @property
    def pools(self) -> frozenset[str]: ...
    def put_pool(self, pool: Pool) -> bool: ...
    def put_split(self, split: Split) -> bool: ...
    def drop(self, ident: str) -> None: ...
    def show(self) -> None:
        """All blocks of a plan are there: workers may see the first of them."""


class Documents(Protocol):
    """Routes and policies (serin.render.rundir.RunDirectory)."""

    def publish(self, plan: Plan) -> Mapping[str, Exception]:
        """Gives the hosts that are served as before, or not at all, because they cannot be rendered."""


class Publisher:
    def __init__(self, blocks: Blocks, documents: Documents, clock: Callable[[], float]) -> None:
        self._blocks = blocks
        self._documents = documents
        self._clock = clock
        self._pools: dict[str, Pool] = {}
        self._splits: dict[str, Split] = {}
        self._leaving: dict[str, float] = {}
        self._plan: Plan | None = None

    @property
    def plan(self) -> Plan | None:
        """The plan whose documents are in force."""
        return self._plan

    @property
    def trials(self) -> frozenset[str]:
        """The trials whose shares are in force: of the splits as they were put last."""
        return frozenset(split.trial.id for split in self._splits.values() if split.trial is not None)

    def endpoints(self, pools: Iterable[Pool]) -> int:
        """Pools that are in force get these endpoints with the next request; the number that changed."""
        changed = 0
        for pool in pools:
            if pool.spec.id in self._pools and self._pools[pool.spec.id] != pool:
                self._put_pool(pool)
                changed += 1
        return changed

    def blocks(self, pools: Iterable[Pool], splits: Iterable[Split]) -> None:
        """Endpoints and weights in force with the next request, as far as they fit the documents in force.

        A split whose list of versions changes waits for `batch`: its rules and weights are taken together.
        """
        for pool in pools:
            if differs(self._pools.get(pool.spec.id), pool):
                self._put_pool(pool)
        for split in splits:
            old = self._splits.get(split.id)
            if old is not None and differs(old, split) and old.shape == split.shape:
                self._put_split(split)
                if _in_words(old) != _in_words(split):
                    _tell_weights(split)

    def at_once(self, plan: Plan) -> None:
        """All endpoints and weights of `plan`, as `blocks` does."""
        self.blocks(plan.pools.values(), plan.splits.values())

    def is_due(self, plan: Plan) -> bool:
        """Whether `plan` has something for `batch`."""
        return self._plan is None or not same_documents(self._plan, plan)

    def batch(self, plan: Plan) -> None:
        """Everything of `plan` in force, in an order that is right at each moment in between."""
        self.at_once(plan)
        for split in plan.splits.values():
            if differs(self._splits.get(split.id), split):
                self._put_split(split)
        self._blocks.show()
        refused = self._documents.publish(plan)
        for host, error in refused.items():
            log.event(_log, log.HOST_REFUSED, level=logging.ERROR, error=repr(error), host=host)
        self._plan = plan
        if refused:  # an earlier plan's host may name any of them
            self._leaving.clear()
            return
        now = self._clock()
        for ident in self._blocks.splits | self._blocks.pools:
            if ident not in plan.splits and ident not in plan.pools:
                self._leaving.setdefault(ident, now)
        for ident in [i for i in self._leaving if i in plan.splits or i in plan.pools]:
            del self._leaving[ident]

    @property
    def sweep_due(self) -> float | None:
        return min(self._leaving.values()) + LEAVING if self._leaving else None

    def sweep(self) -> None:
        """Drop what no plan has named for LEAVING seconds."""
        now = self._clock()
        gone = [ident for ident, since in self._leaving.items() if now >= since + LEAVING]
        for ident in gone:
            self._blocks.drop(ident)
            self._pools.pop(ident, None)
            self._splits.pop(ident, None)
            del self._leaving[ident]

    def _put_pool(self, pool: Pool) -> None:
        spec = pool.spec
        try:
            self._blocks.put_pool(pool)
        except OSError:
            raise
        except Exception as error:  # our own fault, and this pool's alone
            _refused(error, pool=spec.id, service=f"{spec.namespace}/{spec.service}")
        else:
            self._pools[spec.id] = pool

    def _put_split(self, split: Split) -> None:
        try:
            self._blocks.put_split(split)
        except OSError:
            raise
        except Exception as error:  # our own fault, and this split's alone
            _refused(error, split=split.id, host=split.rule.host, path=split.rule.path)
        else:
            self._splits[split.id] = split


def _tell_weights(split: Split) -> None:
    rule, (weights, total, suspended) = split.rule, _in_words(split)
    more: dict[str, Any] = {"suspended": suspended} if suspended else {}
    log.event(_log, log.WEIGHTS_CHANGED, host=rule.host, path=rule.path, weights=weights, total=total, **more)


def _in_words(split: Split) -> tuple[str, int, str]:
    """Weights, main's first and then the others' in order; their total; the idents of versions that are taken back."""
    return " ".join(str(share.weight) for share in split.shares), split.total, " ".join(split.suspended)


def _refused(error: Exception, **of: str) -> None:
    log.event(_log, log.BLOCK_REFUSED, level=logging.ERROR, error=repr(error), **of)


def same_documents(old: Plan, new: Plan) -> bool:
    """Whether the documents of both are equal: everything but weights and endpoints."""
    return (
        old.globals == new.globals
        and same(old.hosts, new.hosts)
        and same(old.certificates, new.certificates)
        and same(old.users, new.users)
        and old.splits.keys() == new.splits.keys()
        and old.pools.keys() == new.pools.keys()
    )


def same(old: Mapping[str, T], new: Mapping[str, T]) -> bool:
    """Equal, fast where compile has handed on the same values."""
    return old is new or (len(old) == len(new) and not any(differs(old.get(name), now) for name, now in new.items()))


def differs(old: object, new: object) -> bool:
    """Looks at identity first: values are mostly handed on, and comparing thousands of them by field takes long."""
    return old is not new and old != new
