"""What the controller put in shared memory is read back as the plan's values."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from serin.dataplane.nginx.weights_file import WeightsFile
from serin.errors import CorruptFileError
from serin.native import state
from serin.native.pools import PoolsFile
from serin.routing.plan import Algorithm, Endpoint, Pool, PoolSpec, RuleId, Share, Split, Trial

MAIN = Pool(
    PoolSpec("00000000000000aa", "d", "main", 80, Algorithm.EWMA), (Endpoint("127.0.0.1", 80), Endpoint("::1", 81))
)
OTHER = Pool(
    PoolSpec("00000000000000bb", "d", "ext", 80), (), external="api.example.net", external_port=8443, client_affinity=9
)
SPLIT = Split(
    "00000000000000cc",
    RuleId("a", "/", "Prefix"),
    (Share("0000000000000001", MAIN.spec.id, 70), Share("0000000000000002", OTHER.spec.id, 30)),
)


@pytest.fixture
def pools(tmp_path: Path) -> PoolsFile:
    made = PoolsFile.open(tmp_path / "plan" / "pools.bin", lambda: random.getrandbits(64), lambda: 0.0)
    made.put_pool(MAIN)
    made.put_pool(OTHER)
    made.put_split(SPLIT)
    made.show()
    return made


def test_splits_and_pools_come_back(pools: PoolsFile, tmp_path: Path) -> None:
    found = WeightsFile(tmp_path).current()
    split = found.splits[SPLIT.id]
    assert (split.shares, split.total, split.rest) == (SPLIT.shares, 100, True)
    pool = found.pools[MAIN.spec.id]
    assert (pool.endpoints, pool.spec.algorithm) == (MAIN.endpoints, Algorithm.EWMA)
    other = found.pools[OTHER.spec.id]
    assert (other.external, other.external_port, other.endpoints) == ("api.example.net", 8443, ())
    assert other.client_affinity > 0
    pools.close()


def test_a_rollout_comes_back(pools: PoolsFile, tmp_path: Path) -> None:
    """But for its trial: nginx without Lua counts for none, and is not to be reloaded for one."""
    main, new = (share.ident for share in SPLIT.shares)
    pools.put_split(replace(SPLIT, rest=False, first=new, suspended=(new,), salts=(3, 1 << 63), trial=Trial("7" * 16)))
    split = WeightsFile(tmp_path).current().splits[SPLIT.id]
    assert (split.rest, split.first, split.suspended, split.salts) == (False, new, (new,), (3, 1 << 63))
    assert split.trial is None
    pools.put_split(replace(SPLIT, first=main))
    split = WeightsFile(tmp_path).current().splits[SPLIT.id]
    assert (split.first, split.suspended, split.salts) == (main, (), None)
    pools.close()


def test_a_change_is_seen_and_nothing_else(pools: PoolsFile, tmp_path: Path) -> None:
    watch = WeightsFile(tmp_path)
    assert watch.changed()
    before = watch.current()
    assert not watch.changed()
    assert watch.current() is before
    pools.put_split(Split(SPLIT.id, SPLIT.rule, (Share("0000000000000001", MAIN.spec.id, 100),)))
    assert watch.changed()
    assert watch.current().splits[SPLIT.id].shares[0].weight == 100
    pools.drop(SPLIT.id)
    assert watch.changed()
    assert watch.current().splits == {}
    pools.close()


def test_a_change_while_it_is_read_is_not_lost(
    pools: PoolsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_main = Split(SPLIT.id, SPLIT.rule, (Share("0000000000000001", MAIN.spec.id, 100),))
    read = WeightsFile._read
    written: list[bool] = []

    def read_and_be_overtaken(watch: WeightsFile) -> None:
        read(watch)
        if not written:
            written.append(pools.put_split(all_main))

    monkeypatch.setattr(WeightsFile, "_read", read_and_be_overtaken)
    watch = WeightsFile(tmp_path)
    assert watch.current().splits[SPLIT.id].shares == all_main.shares
    assert not watch.changed()
    pools.close()


def test_a_resolved_name_brings_its_addresses(pools: PoolsFile, tmp_path: Path) -> None:
    shared = state.create(tmp_path, 1)
    watch = WeightsFile(tmp_path)
    block = pools.read_pool(OTHER.spec.id)
    assert watch.current().pools[OTHER.spec.id].endpoints == ()
    assert block is not None
    shared.put_name(block.name_cell, "api.example.net", ["192.0.2.7", "2001:db8::1"])
    assert watch.changed()
    assert watch.current().pools[OTHER.spec.id].endpoints == (
        Endpoint("192.0.2.7", 8443),
        Endpoint("2001:db8::1", 8443),
    )
    assert not watch.changed()
    shared.close()
    pools.close()


def test_a_damaged_file_leaves_what_was_read(pools: PoolsFile, tmp_path: Path) -> None:
    watch = WeightsFile(tmp_path)
    before = watch.current()
    pools.close()
    path = tmp_path / "plan" / "pools.bin"
    path.write_bytes(b"\0" * 8192)
    assert watch.current() is before
    assert not watch.changed(), "or stock mode would make its files anew for ever"
    path.unlink()
    assert watch.current() is before
    assert not watch.changed()
    with pytest.raises(CorruptFileError):
        WeightsFile(tmp_path).current()


def test_damage_in_a_block_is_noticed(pools: PoolsFile, tmp_path: Path) -> None:
    path = tmp_path / "plan" / "pools.bin"
    pools.close()
    data = bytearray(path.read_bytes())
    at = data.rindex(b"SBLK") + 64
    data[at] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptFileError):
        WeightsFile(tmp_path).current()
