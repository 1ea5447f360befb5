"""Basic authentication: the cache, the bound, equal work for unknown users."""

import asyncio
import base64
import threading

import pytest

from serin.dataplane.proxy.auth import BROKEN, BUSY, DENIED, Authenticator, Checked, Verdict, Waiting, parse_credentials

FILE = b"alice:{PLAIN}wonder\nbob:{PLAIN}builder\n"


def header(user: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


class Comparer:
    """Counts comparisons; while `gate` is clear they wait, as real hashes take time."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes]] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, stored: str, password: bytes) -> bool:
        self.calls.append((stored, password))
        assert self.gate.wait(5)
        return stored == "{PLAIN}" + password.decode()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def authenticator(comparer: Comparer, clock: Clock | None = None, *, threads: int = 1, queue: int = 2) -> Authenticator:
    return Authenticator(lambda digest: FILE, threads=threads, queue=queue, clock=clock or Clock(), compare=comparer)


async def verdict(of: Authenticator, value: bytes | None) -> Checked:
    found = of.check("d1", value)
    return await found.verdict() if isinstance(found, Waiting) else found


async def test_right_and_wrong_pairs() -> None:
    auth = authenticator(Comparer())
    assert await verdict(auth, header("alice", "wonder")) == Checked(Verdict.ALLOWED, "alice")
    assert await verdict(auth, header("alice", "builder")) is DENIED
    assert await verdict(auth, header("carol", "wonder")) is DENIED
    auth.close()


async def test_a_verified_pair_is_remembered_for_a_minute_and_no_longer() -> None:
    comparer, clock = Comparer(), Clock()
    auth = authenticator(comparer, clock)
    await verdict(auth, header("alice", "wonder"))
    clock.now += 59
    assert auth.check("d1", header("alice", "wonder")) == Checked(Verdict.ALLOWED, "alice")
    assert len(comparer.calls) == 1
    clock.now += 2
    assert isinstance(auth.check("d1", header("alice", "wonder")), Waiting)
    auth.close()


async def test_a_pair_is_remembered_for_its_own_user_file_only() -> None:
    auth = authenticator(Comparer())
    await verdict(auth, header("alice", "wonder"))
    assert isinstance(auth.check("another", header("alice", "wonder")), Waiting)
    auth.close()


async def test_a_wrong_pair_is_not_remembered() -> None:
    auth = authenticator(Comparer())
    await verdict(auth, header("alice", "no"))
    assert isinstance(auth.check("d1", header("alice", "no")), Waiting)
    auth.close()


async def test_an_unknown_user_costs_one_comparison_like_a_known_one() -> None:
    comparer = Comparer()
    auth = authenticator(comparer)
    await verdict(auth, header("mallory", "wonder"))
    assert comparer.calls == [("{PLAIN}wonder", b"wonder")]
    auth.close()


async def test_equal_requests_at_once_share_a_comparison() -> None:
    comparer = Comparer()
    comparer.gate.clear()
    auth = authenticator(comparer)
    waiting = [asyncio.create_task(verdict(auth, header("alice", "wonder"))) for _ in range(20)]
    await asyncio.sleep(0)
    comparer.gate.set()
    assert {c.verdict for c in await asyncio.gather(*waiting)} == {Verdict.ALLOWED}
    assert len(comparer.calls) == 1
    auth.close()


async def test_beyond_the_queue_a_request_is_refused_at_once() -> None:
    comparer = Comparer()
    comparer.gate.clear()
    auth = authenticator(comparer, threads=1, queue=2)
    waiting = [asyncio.create_task(verdict(auth, header("alice", f"guess{n}"))) for n in range(3)]
    await asyncio.sleep(0)
    assert auth.check("d1", header("alice", "guess9")) is BUSY
    comparer.gate.set()
    await asyncio.gather(*waiting)
    assert isinstance(auth.check("d1", header("alice", "guess9")), Waiting)
    auth.close()


async def test_a_client_that_gives_up_does_not_spoil_the_shared_comparison() -> None:
    comparer = Comparer()
    comparer.gate.clear()
    auth = authenticator(comparer)
    gone = asyncio.create_task(verdict(auth, header("alice", "wonder")))
    stays = asyncio.create_task(verdict(auth, header("alice", "wonder")))
    await asyncio.sleep(0)
    gone.cancel()
    comparer.gate.set()
    assert (await stays).verdict is Verdict.ALLOWED
    auth.close()


async def test_an_unreadable_user_file_is_told_apart_from_a_wrong_password() -> None:
    def read(digest: str) -> bytes:
        raise FileNotFoundError(digest)

    auth = Authenticator(read)
    assert await verdict(auth, header("alice", "wonder")) is BROKEN
    auth.close()


@pytest.mark.parametrize(
    "value",
    [None, b"", b"Basic", b"Basic ", b"Bearer YTpi", b"Basic ***", b"Basic " + base64.b64encode(b"nocolon")],
)
async def test_unusable_credentials_are_denied_without_work(value: bytes | None) -> None:
    comparer = Comparer()
    auth = authenticator(comparer)
    assert auth.check("d1", value) is DENIED
    assert comparer.calls == []
    auth.close()


def test_the_scheme_is_read_without_regard_to_case_and_a_password_may_hold_colons() -> None:
    assert parse_credentials(b"bASIC " + base64.b64encode(b"u:p:q")) == ("u", b"p:q")
