"""What one decision costs: in C, through cffi, and in the pure Python twin.

1,000 splits of 10 versions of 100 endpoints, all different (a million endpoints), asked in random order, so that most
memory that a decision touches is in no near cache. Bars, for round robin: 300 ns in C, 500 ns through cffi.
"""

import argparse
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from serin.native._ffi import ffi, lib

from serin.native import state
from serin.native.pools import PoolsFile
from serin.native.twin.decision import TwinWorker
from serin.native.twin.hashing import Random
from serin.native.worker import Choice, Worker
from serin.routing.plan import Algorithm, Endpoint, Pool, PoolSpec, RuleId, Share, Split

ROOT = Path(__file__).resolve().parents[1]
BATCH = 512
BATCHES = 300
BAR_C, BAR_CFFI = 300, 500


def make(splits: int, versions: int, endpoints: int, algorithm: Algorithm) -> tuple[list[Pool], list[Split]]:
    pools = []
    for n in range(splits * versions):
        spec = PoolSpec(f"{n + 1:016x}", "bench", f"s{n}", 80, algorithm, 3)
        first = n * endpoints
        listed = tuple(
            Endpoint(f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}", 8000) for i in range(first, first + endpoints)
        )
        pools.append(Pool(spec, listed))
    made = []
    for n in range(splits):
        own = pools[n * versions : (n + 1) * versions]
        shares = tuple(Share(f"{n << 8 | v:016x}", p.spec.id, 100 // versions) for v, p in enumerate(own, 1))
        made.append(Split(f"{n + 1 << 32:016x}", RuleId("h", f"/{n}", "Prefix"), shares))
    return pools, made


def per_call(call: Callable[[int], object], after: Callable[[], None], count: int) -> float:
    """Median ns of `call` with a random number below `count`; `after` is not timed."""
    rnd, times = random.Random(3), []
    for _ in range(BATCHES):
        order = [rnd.randrange(count) for _ in range(BATCH)]
        began = time.perf_counter_ns()
        for n in order:
            call(n)
        times.append((time.perf_counter_ns() - began) / BATCH)
        after()
    return statistics.median(times)


def loop_cost() -> float:
    return per_call(lambda _: None, lambda: None, 1000)


def in_c(run_dir: Path, splits: list[Split], worker: Worker) -> tuple[float, float] | None:
    """Decide; decide and done."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    listing, program = run_dir / "splits.txt", run_dir / "decide"
    lines = [f"{s.id} {worker.split(s.id, s.shape).ref.shape:x}\n" for s in splits]
    listing.write_text("".join(lines))
    sources = [str(p) for p in sorted((ROOT / "csrc").glob("*.c"))]
    subprocess.run([compiler, "-std=c11", "-O2", *sources, str(ROOT / "bench" / "decide.c"), "-o", program], check=True)
    done = subprocess.run([program, run_dir, listing], check=True, capture_output=True, text=True)
    alone, both = done.stdout.split()
    return float(alone), float(both)


def by_cffi(worker: Worker, splits: list[Split]) -> float:
    """One call of srn_decide, its arguments at hand; the choice is the one used last, as from a worker's free list."""
    choice = ffi.new("srn_choice *")
    handles = [worker.split(split.id, split.shape) for split in splits]
    known = [handle.ref for handle in handles]
    decide, rnd, times = lib.srn_decide_plain, random.Random(3), []
    for _ in range(BATCHES):
        asked = [known[rnd.randrange(len(known))] for _ in range(BATCH)]
        began = time.perf_counter_ns()
        for _ref in asked:
            pass
        empty = time.perf_counter_ns()
        for ref in asked:
            decide(ref, choice)
        times.append((time.perf_counter_ns() - empty - (empty - began)) / BATCH)
    return statistics.median(times)


def by_handle(worker: Worker, splits: list[Split], *, done: bool) -> float:
    """SplitHandle.decide as the proxy calls it: a Choice with the address as text."""
    handles = [worker.split(s.id, s.shape) for s in splits]
    taken: list[Choice | int] = []

    def call(n: int) -> None:
        choice = handles[n].decide()
        if done:
            choice.done(200)  # type: ignore[union-attr]
        else:
            taken.append(choice)

    def after() -> None:
        for choice in taken:
            assert isinstance(choice, Choice)
            choice.done(200)
        taken.clear()

    return per_call(call, after, len(splits))


def by_twin(pools: PoolsFile, splits: list[Split]) -> float:
    blocks = {}
    for split in splits:
        for share in split.shares:
            pool = pools.read_pool(share.pool)
            assert pool is not None
            blocks[pool.id] = pool
    decoded = [block for s in splits if (block := pools.read_split(s.id))]
    worker = TwinWorker(blocks, Random(1))

    def call(n: int) -> None:
        worker.decide(decoded[n], 1_000_000)

    return per_call(call, lambda: None, len(decoded))


def show(what: str, ns: float, bar: float | None = None) -> None:
    verdict = "" if bar is None else f"   bar {bar:.0f}: {'met' if ns <= bar else 'MISSED'}"
    print(f"{what:<44}{ns:>9.0f} ns{verdict}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--endpoints", type=int, default=100)
    parser.add_argument("--algorithm", choices=[a.value for a in Algorithm], default=Algorithm.ROUND_ROBIN.value)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        run_dir, rnd = Path(folder), random.Random(1)
        pools = PoolsFile.open(run_dir / "plan" / "pools.bin", lambda: rnd.getrandbits(64), time.monotonic)
        began = time.perf_counter()
        all_pools, splits = make(options.splits, options.versions, options.endpoints, Algorithm(options.algorithm))
        for pool in all_pools:
            pools.put_pool(pool)
        for split in splits:
            pools.put_split(split)
        pools.show()
        took = time.perf_counter() - began
        files = state.create(run_dir, 2)
        worker = Worker.attach(run_dir, 0)
        size = f"{options.splits} splits of {options.versions} versions of {options.endpoints} endpoints"
        print(f"{size}, {options.algorithm}; written in {took:.1f} s")
        empty = loop_cost()
        figures = in_c(run_dir, splits, worker)
        cffi = by_cffi(worker, splits)
        barred = options.algorithm == Algorithm.ROUND_ROBIN.value
        if figures is not None:
            show("C: srn_decide", figures[0], BAR_C if barred else None)
            show("C: srn_decide and srn_done", figures[1])
        show("cffi: srn_decide_plain", cffi, BAR_CFFI if barred else None)
        show("Python: SplitHandle.decide, giving a Choice", by_handle(worker, splits, done=False) - empty)
        show("Python: decide and done", by_handle(worker, splits, done=True) - empty)
        show("twin: decide", by_twin(pools, splits[:100]) - empty)
        worker.close()
        files.close()
        pools.close()
        return int(barred and (cffi > BAR_CFFI or (figures is not None and figures[0] > BAR_C)))


if __name__ == "__main__":
    sys.exit(main())
