"""From a pool with an external name to a request's endpoint: the controller's file, the parent's answer, the worker."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from serin.native.names import ExternalNames
from serin.native.pools import PoolsFile
from serin.native.state import StateFiles, create
from serin.native.worker import NO_ENDPOINT, Worker
from serin.routing.plan import Algorithm, Endpoint, Pool, PoolSpec, RuleId, Share, Split

NUMBERS = itertools.count(1)


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "plan").mkdir()
    (tmp_path / "state").mkdir()
    return tmp_path


@pytest.fixture
def state(run_dir: Path) -> Iterator[StateFiles]:
    files = create(run_dir, 2)
    yield files
    files.close()


@pytest.fixture
def pools(run_dir: Path, state: StateFiles) -> Iterator[PoolsFile]:
    file = PoolsFile.open(run_dir / "plan" / "pools.bin", lambda: next(NUMBERS) * 7919, lambda: float(next(NUMBERS)))
    file.show()
    yield file
    file.close()


def external(number: int, name: str) -> Pool:
    spec = PoolSpec(f"{number:016x}", "prod", f"s{number}", 80, Algorithm.ROUND_ROBIN)
    return Pool(spec, (), external=name, external_port=5432)


def plain(number: int) -> Pool:
    return Pool(PoolSpec(f"{number:016x}", "prod", f"s{number}", 80), (Endpoint("10.0.0.9", 80),))


def test_names_of_pools_in_force(run_dir: Path, pools: PoolsFile) -> None:
    names = ExternalNames(run_dir)
    assert names.current() == {}
    pools.put_pool(plain(1))
    pools.put_pool(external(2, "db.example"))
    pools.put_pool(external(3, "mail.example"))
    pools.put_pool(external(4, "db.example"))
    found = names.current()
    assert found.keys() == {"db.example", "mail.example"}
    assert len(set(found.values())) == 2
    pools.drop(f"{3:016x}")
    assert names.current().keys() == {"db.example"}
    pools.put_pool(external(2, "other.example"))
    assert names.current().keys() == {"db.example", "other.example"}


def test_no_file_and_a_broken_one(run_dir: Path, pools: PoolsFile) -> None:
    assert ExternalNames(run_dir / "nowhere").current() == {}
    names = ExternalNames(run_dir)
    pools.put_pool(external(2, "db.example"))
    before = names.current()
    assert before.keys() == {"db.example"}
    (run_dir / "plan" / "pools.bin").unlink()
    (run_dir / "plan" / "pools.bin").write_bytes(b"rubbish")
    assert names.current() == before


def test_requests_reach_what_the_name_resolves_to(run_dir: Path, pools: PoolsFile, state: StateFiles) -> None:
    pools.put_pool(external(2, "db.example"))
    pools.put_split(Split("00000000000000aa", RuleId("", "/", "Prefix"), (Share(f"{9:016x}", f"{2:016x}", 1),), 1))
    worker = Worker.attach(run_dir, 0)
    split = worker.split("00000000000000aa", (f"{9:016x}",))
    assert split.decide() == NO_ENDPOINT
    state.put_name(ExternalNames(run_dir).current()["db.example"], "db.example", ("10.0.0.7",))
    choice = split.decide()
    assert not isinstance(choice, int)
    assert (choice.address, choice.port) == ("10.0.0.7", 5432)
    choice.done(200)
