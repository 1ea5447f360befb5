"""The run directory: what is written when, who may write, and what a reader refuses."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serin.errors import CorruptFileError, RunDirectoryError
from serin.render.rundir import RunDirectory, default_path
from serin.routing.identity import content_digest
from serin.routing.plan import Certificate, Globals, Host, Plan, Pool, PoolSpec, RuleId, Share, Split, UserFile

PEM = b"-----BEGIN CERTIFICATE-----"
USERS = b"alice:{PLAIN}wonder\n"


START = 1_700_000_000.5


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(tmp_path: Path, clock: Clock) -> Iterator[RunDirectory]:
    made = RunDirectory(tmp_path / "run", clock, lambda: START)
    made.create()
    made.lock()
    yield made
    made.unlock()


def plan(*hosts: Host, weight: int = 10) -> Plan:
    certificate = Certificate(content_digest(PEM), PEM)
    users = UserFile(content_digest(USERS), USERS)
    pool = Pool(PoolSpec("p" * 16, "n", "s", 80), ())
    split = Split("s" * 16, RuleId("a", "/", "Prefix"), (Share("i" * 16, pool.spec.id, weight),))
    return Plan(
        {h.name: h for h in hosts},
        {split.id: split},
        {pool.spec.id: pool},
        {certificate.digest: certificate},
        {users.digest: users},
    )


A = Host("a.example", aliases=("alias.example", "b.example"), certificate=content_digest(PEM))
B = Host("b.example")


def files(directory: RunDirectory) -> dict[str, int]:
    """Inode of each published file: changes when it is written again."""
    return {str(p.relative_to(directory.plan)): p.stat().st_ino for p in directory.plan.rglob("*") if p.is_file()}


def test_a_reader_gets_what_was_published(directory: RunDirectory) -> None:
    directory.publish(plan(A, B))
    reader = RunDirectory(directory.path)
    index = reader.read_index()
    assert reader.read_generation() == index.generation == 1_700_000_000_501
    assert {name: reader.read_host(digest) for name, digest in index.hosts.items()} == {
        "a.example": A,
        "alias.example": A,
        "b.example": B,
    }
    assert index.certificates == {"a.example": content_digest(PEM), "alias.example": content_digest(PEM)}
    assert reader.certificate(content_digest(PEM)) == PEM
    assert reader.users(index.users[0]) == USERS


def test_generation_counts_changes_alone(directory: RunDirectory) -> None:
    directory.publish(plan(A, B))
    before = files(directory)
    directory.publish(plan(replace(A), B))
    assert files(directory) == before
    directory.publish(plan(A, B, weight=50))
    assert files(directory) == before, "weights are not in the documents"
    directory.publish(replace(plan(A, B), globals=Globals(hsts="")))
    assert directory.read_generation() == 1_700_000_000_502


def test_one_changed_host_writes_one_document(directory: RunDirectory) -> None:
    directory.publish(plan(A, B))
    before = files(directory)
    directory.publish(plan(A, replace(B, aliases=("c.example",))))
    after = files(directory)
    assert {n for n in before if before[n] != after[n]} == {"index.json", "generation"}
    assert [n.split("/")[0] for n in after.keys() - before.keys()] == ["hosts"]


def test_the_next_controller_counts_on_and_repairs(directory: RunDirectory, clock: Clock) -> None:
    directory.publish(plan(A, B))
    digest = directory.read_index().hosts["a.example"]
    (directory.plan / "hosts" / f"{digest}.json").write_bytes(b"half a docu")
    (directory.plan / "hosts" / ".half.new").write_bytes(b"")
    (directory.plan / ".metrics.4711.new").write_bytes(b"")
    directory.unlock()
    successor = RunDirectory(directory.path, clock)
    successor.lock()
    try:
        successor.publish(plan(A, B))
        assert successor.read_generation() == 1_700_000_000_502
        assert successor.read_host(digest) == A
        assert not (directory.plan / "hosts" / ".half.new").exists()
        assert not (directory.plan / ".metrics.4711.new").exists()
    finally:
        successor.unlock()


def test_a_damaged_generation_does_not_count_from_the_start(directory: RunDirectory) -> None:
    for host in (A, B, A):
        directory.publish(plan(host))
    (directory.plan / "generation").write_bytes(b"\0\0")
    successor = RunDirectory(directory.path)
    successor.publish(plan(B))
    assert successor.read_generation() == 1_700_000_000_504


def test_no_generation_comes_twice_after_the_plan_was_removed(directory: RunDirectory) -> None:
    for host in (A, B):
        directory.publish(plan(host))
    last = directory.read_generation()
    shutil.rmtree(directory.plan)
    successor = RunDirectory(directory.path, wall_clock=lambda: START + 0.1)
    successor.create()
    successor.publish(plan(A))
    assert successor.read_generation() == successor.read_index().generation == last + 99


def test_what_nobody_names_goes_after_two_plans_and_a_minute(directory: RunDirectory, clock: Clock) -> None:
    def step(n: int) -> Plan:
        return plan(Host("a.example", aliases=(f"n{n}.example",)))

    directory.publish(step(0))
    first = directory.plan / "hosts" / f"{directory.read_index().hosts['a.example']}.json"
    for n in range(1, 5):
        directory.publish(step(n))
    assert first.exists(), "younger than a minute"
    clock.now += 61
    directory.publish(step(5))
    assert not first.exists()
    assert len(list((directory.plan / "hosts").iterdir())) == 3, "the two before may still be read"
    assert directory.read_host(directory.read_index().hosts["n5.example"]).name == "a.example"


def test_a_file_that_is_wanted_again_stays(directory: RunDirectory, clock: Clock) -> None:
    directory.publish(plan(A))
    directory.publish(plan(B))
    directory.publish(plan(A))
    for n in range(3):
        clock.now += 61
        directory.publish(plan(A, Host(f"n{n}.example")))
    assert directory.read_host(directory.read_index().hosts["a.example"]) == A


def test_secrets_are_closed_to_others(directory: RunDirectory) -> None:
    before = os.umask(0)
    try:
        directory.publish(plan(A))
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in directory.plan.rglob("*") if p.is_file()}
    assert modes[f"{content_digest(PEM)}.pem"] == modes[content_digest(USERS)] == 0o640
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
    assert not any(mode & 0o007 for mode in modes.values())


def test_no_secret_is_in_a_document(directory: RunDirectory) -> None:
    directory.publish(plan(A))
    for path in [*directory.plan.glob("hosts/*"), directory.plan / "index.json"]:
        assert b"BEGIN" not in path.read_bytes()
        assert b"wonder" not in path.read_bytes()


def test_a_second_controller_is_refused_and_told_of_the_first(directory: RunDirectory) -> None:
    with pytest.raises(RunDirectoryError, match=f"process {os.getpid()}"):
        RunDirectory(directory.path).lock()
    directory.unlock()
    again = RunDirectory(directory.path)
    again.lock()
    again.unlock()


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from serin.render.rundir import RunDirectory;"
        "d = RunDirectory(Path(sys.argv[1])); d.create(); d.lock(); os._exit(9)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env, check=False).returncode == 9
    mine = RunDirectory(tmp_path)
    mine.lock()
    mine.unlock()


def test_a_controllers_side_alone_leaves_the_rest_to_others(tmp_path: Path) -> None:
    """In a pod state/ is another container's, and the folder above them is read-only."""
    made = RunDirectory(tmp_path / "run")
    made.create_plan()
    assert {path.name for path in made.path.iterdir()} == {"plan"}
    made.publish(plan(A))
    assert "a.example" in made.read_index().hosts
    made.create_plan()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="file"):
        RunDirectory(tmp_path / "file" / "run").create()


def test_a_full_disk_leaves_the_plan_in_force(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.publish(plan(A))
    before = files(directory)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fchmod", full)
        with pytest.raises(OSError, match=r"No space left on device: '.*/plan/hosts/"):
            directory.publish(plan(A, B))
    assert files(directory) == before
    directory.publish(plan(A, B))
    assert directory.read_index().hosts.keys() == {"a.example", "alias.example", "b.example"}


def broken(host: Host) -> Host:
    """Has a part that no document has a form for."""
    wrong: Any = object()
    return replace(host, www=wrong)


def test_a_host_that_cannot_be_rendered_stays_as_it_was(directory: RunDirectory, clock: Clock) -> None:
    directory.publish(plan(A, B))
    before = directory.read_index()
    fresh = Host("new.example")
    changed = replace(plan(broken(replace(A, aliases=("other.example",))), B, fresh), certificates={}, users={})
    for step in range(4):
        refused = directory.publish(replace(changed, globals=Globals(hsts=f"max-age={step}")))
        clock.now += 61
    assert list(refused) == ["a.example"]
    assert isinstance(refused["a.example"], AttributeError)
    index = directory.read_index()
    assert index.hosts == {**before.hosts, "new.example": index.hosts["new.example"]}
    assert directory.read_host(index.hosts["alias.example"]) == A
    assert directory.certificate(index.certificates["a.example"]) == PEM, "what it names stays too"
    assert directory.users(content_digest(USERS)) == USERS
    mended = replace(A, aliases=("other.example",))
    assert directory.publish(plan(mended, B, fresh)) == {}
    assert directory.read_host(directory.read_index().hosts["other.example"]) == mended


def test_a_new_host_that_cannot_be_rendered_is_left_out(directory: RunDirectory) -> None:
    assert list(directory.publish(plan(broken(A), B))) == ["a.example"]
    assert directory.read_index().hosts.keys() == {"b.example"}
    assert directory.publish(plan(A, B)) == {}
    assert directory.read_host(directory.read_index().hosts["a.example"]) == A


def test_names_that_a_certificate_is_not_for_are_without_it(directory: RunDirectory) -> None:
    directory.publish(plan(replace(A, uncertified=("alias.example",))))
    index = directory.read_index()
    assert index.hosts.keys() == {"a.example", "alias.example", "b.example"}
    assert index.certificates.keys() == {"a.example", "b.example"}


def test_nothing_published_yet(directory: RunDirectory) -> None:
    assert directory.read_generation() == 0
    with pytest.raises(CorruptFileError):
        directory.read_index()


@pytest.mark.parametrize("pattern", ["index.json", "hosts/*.json", "tls/*.pem", "users/*"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_no_damaged_file_is_taken(directory: RunDirectory, pattern: str, damage: str) -> None:
    directory.publish(plan(A))
    index = directory.read_index()
    (path,) = directory.plan.glob(pattern)
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if damage == "cut" else data[:-1] + bytes((data[-1] ^ 1,)))
    with pytest.raises(CorruptFileError):
        _ = (
            directory.read_index(),
            directory.read_host(index.hosts["a.example"]),
            directory.certificate(index.certificates["a.example"]),
            directory.users(index.users[0]),
        )


def test_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert default_path(8080) == tmp_path / "serin-8080"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "absent"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = default_path(8080)
    assert made.parent == tmp_path
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
