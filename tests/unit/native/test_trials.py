"""Counts of trials: who is in them, whose they are, and what outlives a restart, a takeover, a death or damage."""

import os
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from harness.shared_memory import Rig, hex64, make_pool, make_split
from serin.native._ffi import ffi, lib

from serin.native import layout, state, trials
from serin.native.hashing import hash64, hash_more
from serin.native.worker import BY_DEFAULT, BY_WEIGHT, NO_ENDPOINT, VERSION_ONLY, Choice, SplitHandle
from serin.rollout.facts import BOUNDS_US, FAILED, NO_STATUS, TrialCounts, VersionCounts
from serin.routing.plan import Split, Trial

ONE, TWO = "a" * 16, "b" * 16
SALTS = (3, 5)


def make(
    rig: Rig,
    weights: Sequence[int] = (50, 50),
    trial: Trial | None = None,
    *,
    number: int = 1,
    endpoints: Sequence[int] = (2, 2, 2),
    salts: tuple[int, int] | None = None,
    suspended: Sequence[int] = (),
) -> Split:
    pools = [make_pool(number * 16 + at, endpoints[at]) for at in range(len(weights))]
    split = make_split(number, list(zip(pools, weights, strict=True)), total=sum(weights) or 1, rest=False)
    out = tuple(split.shares[at].ident for at in suspended)
    return rig.put(replace(split, trial=trial or Trial(ONE), salts=salts, suspended=out), *pools)


def handle(rig: Rig, split: Split, index: int = 0) -> SplitHandle:
    return rig.worker(index).split(split.id, split.shape)


def taken(result: Choice | int) -> Choice:
    assert isinstance(result, Choice), result
    return result


def end(h: SplitHandle, status: int = 200, *, failed: bool = False, forced: int = -1, user: int = 0) -> int:
    choice = taken(h.decide(forced, user=user))
    choice.done(status, failed=failed)
    return choice.version


def counts(rig: Rig, trial: str = ONE) -> TrialCounts:
    return trials.read(rig.path).trials.get(trial, TrialCounts())


def drawn(found: TrialCounts) -> list[int]:
    return [sum(version.drawn.values()) for version in found.versions]


def other(found: TrialCounts) -> list[int]:
    return [sum(version.other.values()) for version in found.versions]


# --- who is drawn ---


def test_requests_by_weight_are_drawn_by_exact_status(rig: Rig) -> None:
    h = handle(rig, make(rig, (50, 50)))
    for _ in range(40):
        end(h, 200 if end(h, 404) else 503)
    found = counts(rig)
    assert sum(drawn(found)) == 80
    assert other(found) == [0, 0]
    assert set(found.versions[0].drawn) | set(found.versions[1].drawn) == {200, 404, 503}
    assert sum(v.drawn.get(404, 0) for v in found.versions) == 40


def test_rules_and_what_they_leave_are_not_drawn(rig: Rig) -> None:
    h = handle(rig, make(rig, (50, 50), endpoints=(2, 0)))
    assert end(h, forced=0) == 0
    assert h.decide(1) == NO_ENDPOINT
    taken(h.decide(-1, 2)).done(200)
    found = counts(rig)
    assert (drawn(found), other(found)) == ([0], [2])


def test_without_a_version_that_has_weight_nobody_is_drawn(rig: Rig) -> None:
    h = handle(rig, make(rig, (50, 50, 0), endpoints=(2, 0, 2)))
    end(h)
    rig.pools.put_pool(make_pool(17, 1))
    for _ in range(2):
        end(h)
    found = counts(rig)
    assert (sum(drawn(found)), sum(other(found))) == (2, 1)


@pytest.mark.parametrize(("weights", "version", "reason"), [((1, 0), 0, BY_DEFAULT), ((0, 1), 1, BY_WEIGHT)])
def test_a_version_with_all_the_weight_is_drawn(rig: Rig, weights: tuple[int, int], version: int, reason: int) -> None:
    h = handle(rig, make(rig, weights))
    choice = taken(h.decide())
    choice.done(200)
    assert (choice.version, choice.reason) == (version, reason)
    assert sum(drawn(counts(rig))) == 1


def test_copies_of_requests_are_not_drawn(rig: Rig) -> None:
    """Their split has one version, at the place of the candidate."""
    end(handle(rig, make(rig, (1,), Trial(ONE, 3))))
    found = counts(rig)
    assert (drawn(found), other(found)) == ([0, 0, 0, 0], [0, 0, 0, 1])


def test_the_endpoint_of_a_version_that_was_drawn_before(rig: Rig) -> None:
    """Two calls for one request: it is drawn, by a user, and stays so when the version is taken back in between."""
    h = handle(rig, make(rig, (0, 1), salts=SALTS))
    first = taken(h.decide(flags=VERSION_ONLY, user=7))
    assert first.version == 1
    make(rig, (0, 1), salts=SALTS, suspended=[1])
    assert taken(h.decide(user=7)).version == 0
    taken(h.decide(1, flags=first.follow(), user=7)).done(500)
    found = counts(rig)
    assert found.versions[1].drawn == {500: 1}
    assert found.bad_users == {(7 >> 16, 1, 500)}


def test_our_own_refusal_is_in_no_trial(rig: Rig) -> None:
    choice = taken(handle(rig, make(rig)).decide())
    choice.excuse()
    choice.done(413)
    choice.excuse()
    assert sum(drawn(counts(rig))) == 0


# --- what is counted ---


@pytest.mark.parametrize(
    ("status", "failed", "counted"),
    [
        (200, False, 200),
        (599, False, 599),
        (101, False, 101),
        (101, True, 101),
        (502, False, 502),
        (502, True, FAILED),
        (200, True, FAILED),
        (0, True, FAILED),
        (0, False, NO_STATUS),
        (99, False, NO_STATUS),
        (600, False, NO_STATUS),
    ],
)
def test_statuses(rig: Rig, status: int, failed: bool, counted: int) -> None:
    end(handle(rig, make(rig, (1, 0))), status, failed=failed)
    (version,) = counts(rig).versions
    assert version.drawn == {counted: 1}
    assert sum(version.drawn_us) == (counted not in (NO_STATUS, 101))


def test_the_endpoints_status_where_the_client_got_another(rig: Rig) -> None:
    h = handle(rig, make(rig, (1, 0)))
    choice = taken(h.decide())
    lib.srn_done_as(h.ref.worker, choice._struct, 404, 500, 0, 0)
    assert counts(rig).versions[0].drawn == {500: 1}


def test_a_retry_without_anybody_left_keeps_the_answer_that_is_passed_on(rig: Rig) -> None:
    choice = taken(handle(rig, make(rig, (1, 0), endpoints=(1, 1))).decide())
    assert choice.retry() is None
    choice.done(404)
    assert counts(rig).versions[0].drawn == {404: 1}


def test_bounds_are_those_of_the_engine() -> None:
    bounds = ffi.new("uint64_t[200]")
    assert tuple(bounds[i] for i in range(lib.srn_trial_bounds(bounds, 200))) == BOUNDS_US
    assert lib.srn_trial_bounds(ffi.NULL, 0) == len(BOUNDS_US) == layout.TRIAL_BUCKETS - 1


@pytest.mark.parametrize(("us", "bucket"), [(0, 0), (100, 0), (101, 1), (BOUNDS_US[-1], 95), (BOUNDS_US[-1] + 1, 96)])
def test_bounds_are_inclusive(rig: Rig, us: int, bucket: int) -> None:
    h = handle(rig, make(rig, (1, 0)))
    choice = taken(h.decide())
    began = choice._struct.started_us
    lib.srn_done(h.ref.worker, choice._struct, 200, 0, began + us)
    assert counts(rig).versions[0].drawn_us.index(1) == bucket


@pytest.mark.parametrize(("us", "slow"), [(999_999, 0), (1_000_000, 1), (30_000_000, 1)])
def test_who_left_after_a_second_has_waited_so_long(rig: Rig, us: int, slow: int) -> None:
    """No error, but no proof of speed either: a version that hangs has nothing else to be known by."""
    h = handle(rig, make(rig, (1, 0)))
    choice = taken(h.decide())
    lib.srn_done(h.ref.worker, choice._struct, 0, 0, choice._struct.started_us + us)
    (version,) = counts(rig).versions
    assert version.drawn == {NO_STATUS: 1}
    assert (sum(version.drawn_us), sum(version.drawn_us[bisect_left(BOUNDS_US, us) :])) == (slow, slow)


# --- users ---


def test_a_user_who_got_errors_is_noted_once_for_each(rig: Rig) -> None:
    h = handle(rig, make(rig, (1, 0), salts=SALTS))
    user = hash64(b"eve")
    for status in (500, 500, 503, 404, 200):
        end(h, status, user=user)
    end(h, 502, failed=True, user=user)
    end(h, 500, forced=0, user=user)
    found = counts(rig)
    assert found.bad_users == {(user >> 16, 0, status) for status in (500, 503, FAILED)}
    assert (found.versions[0].users, found.full) == (1, False)


def test_client_errors_where_the_trial_says_so(rig: Rig) -> None:
    end(handle(rig, make(rig, (1, 0), Trial(ONE, 0, True), salts=SALTS)), 404, user=1 << 40)
    assert counts(rig).bad_users == {(1 << 24, 0, 404)}


def test_a_split_without_salts_knows_no_users(rig: Rig) -> None:
    end(handle(rig, make(rig, (1, 0))), 500, user=1 << 40)
    found = counts(rig)
    assert (found.bad_users, found.versions[0].users) == (frozenset(), 0)


def test_from_the_first_that_finds_no_room_none_is_noted(rig: Rig) -> None:
    h = handle(rig, make(rig, (1, 0), salts=SALTS))
    for number in range(layout.BAD_USERS):
        end(h, 500, user=number + 1 << 16)
    found = counts(rig)
    assert not found.full
    assert len(found.bad_users) == layout.BAD_USERS
    end(h, 500, user=1 << 16)
    assert not counts(rig).full, "this one is in already"
    end(h, 500, user=1 << 50)
    end(h, 503, user=1 << 16)
    found = counts(rig)
    assert found.full
    assert len(found.bad_users) == layout.BAD_USERS


@pytest.mark.parametrize("number", [1, 100, 3000, 20_000])
def test_about_how_many_users(rig: Rig, number: int) -> None:
    h = handle(rig, make(rig, (1, 0), salts=SALTS))
    for at in range(number):
        end(h, user=hash64(b"user %d" % at))
    (version,) = counts(rig).versions
    assert abs(version.users - number) <= max(1, number * 0.05)


def test_more_users_than_can_be_told_apart() -> None:
    assert trials.different(8192) > trials.different(8191) > 70_000
    assert trials.different(0) == 0


# --- whose counts they are ---


def test_splits_of_a_trial_share_it(rig: Rig) -> None:
    one = handle(rig, make(rig, (1, 0), number=1))
    two = handle(rig, make(rig, (0, 1), number=2), 1)
    copy = handle(rig, make(rig, (1,), Trial(ONE, 1), number=3), 1)
    for h in (one, two, copy):
        end(h)
    found = counts(rig)
    assert (drawn(found), other(found)) == ([1, 1], [0, 1])


def test_another_trial_begins_at_zero_and_late_ends_count_for_their_own(rig: Rig) -> None:
    h = handle(rig, make(rig, (1, 0)))
    end(h)
    late = taken(h.decide())
    make(rig, (1, 0), Trial(TWO))
    end(h, 404)
    late.done(500)
    assert counts(rig, ONE).versions[0].drawn == {200: 1, 500: 1}
    assert counts(rig, TWO).versions[0].drawn == {404: 1}
    assert trials.read(rig.path, {TWO}).trials.keys() == {TWO}


def test_a_slot_that_changed_hands_has_nothing_of_before(rig: Rig) -> None:
    """More trials than there are slots, within the time for which slots are kept: the oldest gives way."""
    h = handle(rig, make(rig, (1, 0), salts=SALTS))
    end(h, 500, user=1 << 40)
    late = taken(h.decide(user=1 << 40))
    split = make(rig, (1, 0), Trial(TWO), salts=SALTS)
    for number in range(1, layout.TRIALS + 1):
        rig.pools.put_split(replace(split, trial=Trial(hex64(number << 20))))
        if number >= layout.TRIALS - 2:
            end(h, 404, user=2 << 40)
    late.done(503)
    found = trials.read(rig.path).trials
    assert ONE not in found
    assert len(found) == 3
    for trial in found.values():
        assert (trial.versions[0].drawn, trial.bad_users) == ({404: 1}, frozenset())
        assert trial.versions[0].users == 1


def test_the_controllers_restart_keeps_the_slot(rig: Rig) -> None:
    split = make(rig, (1, 0))
    h = handle(rig, split)
    end(h)
    before = rig.pools.read_split(split.id)
    rig.pools.close()
    rig.pools = rig.open_pools()
    assert rig.pools.read_split(split.id) == before
    make(rig, (1, 0), Trial(TWO), number=2)
    again = rig.pools.read_split(make(rig, (1, 1)).id)
    assert again is not None
    assert before is not None
    assert again.trial == before.trial
    end(h)
    assert sum(drawn(counts(rig))) == 2


def test_versions_beyond_the_cells_are_in_no_trial(rig: Rig) -> None:
    split = make(rig, (1, 1), Trial(ONE, 15))
    block = rig.pools.read_split(split.id)
    assert block is not None
    assert block.trial is None
    end(handle(rig, split))
    assert trials.read(rig.path).trials == {}


# --- restarts, deaths, damage ---


@pytest.mark.parametrize("keep", [True, False])
def test_a_new_parent_goes_on_with_the_counts(rig: Rig, keep: bool) -> None:
    end(handle(rig, make(rig, (1, 0))))
    before = trials.read(rig.path)
    rig.state.close()
    rig.state = state.create(rig.path, 2, keep=keep)
    assert trials.read(rig.path) == before
    assert before.instance not in ("", hex64(0))


def test_beside_a_parent_that_has_not_ended_yet_counts_begin_anew(rig: Rig) -> None:
    end(handle(rig, make(rig, (1, 0))))
    before = trials.read(rig.path)
    second = state.create(rig.path, 2)
    after = trials.read(rig.path)
    assert after.trials == {}
    assert after.instance != before.instance
    second.close()


def poke(path: Path, at: int, data: bytes) -> None:
    with (path / "state" / "trials.bin").open("r+b") as f:
        f.seek(at)
        f.write(data)


def offsets(path: Path) -> tuple[int, int]:
    """Of heads and cells."""
    with (path / "state" / "trials.bin").open("rb") as f:
        *_, heads, cells, _ = layout.TRIALS_HEADER.unpack(f.read(layout.TRIALS_HEADER.size))
    return heads, cells


@pytest.mark.parametrize("cell", [True, False])
def test_what_a_dead_worker_was_taking_over_is_free_again(rig: Rig, cell: bool) -> None:
    split = make(rig, (1, 0))
    h = handle(rig, split)
    end(h)
    heads, cells = offsets(rig.path)
    claim = layout.CLAIM_PART + 1 if cell else layout.CLAIM_TRIAL + 1
    poke(rig.path, cells if cell else heads, (2).to_bytes(8, "little"))
    rig.state._words.store(rig.state._rows_offset + layout.ROW.size + 16, claim)
    end(h)
    assert sum(drawn(counts(rig))) == 0, "another worker is at it: this request is in no trial"
    rig.state.release_worker(1)
    end(h)
    assert sum(drawn(counts(rig))) == (1 if cell else 2)


@pytest.mark.parametrize("cell", [True, False])
def test_a_new_parent_frees_what_nobody_is_at(rig: Rig, cell: bool) -> None:
    split = make(rig, (1, 0))
    end(handle(rig, split))
    heads, cells = offsets(rig.path)
    poke(rig.path, cells if cell else heads, (9).to_bytes(8, "little"))
    rig.workers.pop().close()
    rig.state.close()
    rig.state = state.create(rig.path, 2)
    end(handle(rig, split))
    assert sum(drawn(counts(rig))) == (1 if cell else 2)


@pytest.mark.parametrize("at", [0, 8, 16, 24, 40, 64])
def test_a_header_that_does_not_check_is_nothing(rig: Rig, at: int) -> None:
    h = handle(rig, make(rig, (1, 0)))
    end(h)
    poke(rig.path, at, b"\xff")
    assert trials.read(rig.path) == trials.NOTHING
    end(handle(rig, make(rig, (1, 0)), 1))


def test_no_file(rig: Rig, tmp_path: Path) -> None:
    assert trials.read(tmp_path / "nowhere") == trials.NOTHING
    (rig.path / "state" / "trials.bin").rename(rig.path / "state" / "away")
    worker = rig.worker(1)
    split = make(rig, (1, 0))
    h = worker.split(split.id, split.shape)
    end(h)
    (rig.path / "state" / "away").rename(rig.path / "state" / "trials.bin")
    assert counts(rig) == TrialCounts()
    worker.refresh()
    end(h)
    assert drawn(counts(rig)) == [1]


def test_a_file_cut_short_is_nothing(rig: Rig) -> None:
    make(rig, (1, 0))
    os.truncate(rig.path / "state" / "trials.bin", 4096)
    assert trials.read(rig.path) == trials.NOTHING
    with (rig.path / "state" / "trials.bin").open("r+b") as f:
        f.truncate(10)
    assert trials.read(rig.path) == trials.NOTHING


def test_an_idle_file_takes_no_memory(rig: Rig) -> None:
    """Heads alone; then a cell for each version that was asked, and a table once a user got an error."""
    path = rig.path / "state" / "trials.bin"
    before = path.stat().st_blocks * 512
    assert before < 200_000
    h = handle(rig, make(rig, (1, 1), salts=SALTS))
    for number in range(30):
        end(h, user=hash64(b"%d" % number))
    cells = path.stat().st_blocks * 512
    assert cells - before == 2 * layout.TRIAL_CELL.size
    end(h, 500, user=9)
    assert path.stat().st_blocks * 512 - cells == layout.BAD_USERS * 8


def test_what_was_never_counted_reads_as_empty(rig: Rig) -> None:
    h = handle(rig, make(rig, (0, 1)))
    end(h)
    found = counts(rig)
    assert found.versions[0] == VersionCounts()
    assert found.versions[1].drawn == {200: 1}


@pytest.mark.parametrize(
    "told",
    [
        (layout.TRIALS + 1, 0, *layout.trial_offsets()[:3]),
        (1 << 31, 0, 0, 0, 0),
        (layout.TRIALS, 0, 1 << 63, 1 << 63, 1 << 63),
        (layout.TRIALS, 0, layout.trial_offsets()[0], 0, layout.trial_offsets()[2]),
    ],
)
def test_a_header_that_leads_elsewhere_is_nothing(rig: Rig, told: tuple[int, ...]) -> None:
    """Its checksum is right: anybody can make one."""
    end(handle(rig, make(rig, (1, 0))))
    length = layout.trial_offsets()[3]
    head = layout.TRIALS_HEADER.pack(layout.TRIALS_MAGIC, layout.LAYOUT, layout.HEADER_SIZE, length, 7, *told)
    poke(rig.path, 0, head + hash_more(0, head).to_bytes(8, "little"))
    assert trials.read(rig.path) == trials.NOTHING


def test_a_header_that_says_what_all_say_is_read(rig: Rig) -> None:
    heads, cells, users, length = layout.trial_offsets()
    end(handle(rig, make(rig, (1, 0))))
    told = (layout.TRIALS, 0, heads, cells, users)
    head = layout.TRIALS_HEADER.pack(layout.TRIALS_MAGIC, layout.LAYOUT, layout.HEADER_SIZE, length, 7, *told)
    poke(rig.path, 0, head + hash_more(0, head).to_bytes(8, "little"))
    assert trials.read(rig.path).instance == f"{7:016x}"


def test_what_is_no_file_is_nothing_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    os.mkfifo(tmp_path / "state" / "trials.bin")
    assert trials.read(tmp_path) == trials.NOTHING
    (tmp_path / "state" / "trials.bin").unlink()
    (tmp_path / "state" / "trials.bin").mkdir()
    assert trials.read(tmp_path) == trials.NOTHING
