"""What another thread puts arrives in order and complete, with few wakes."""

import asyncio
import threading

from serin.cluster.inbox import Inbox
from serin.cluster.kinds import SERVICE
from serin.cluster.scope import Feed
from serin.cluster.told import Told
from serin.refs import Ref

MANY = 5000


def told(number: int) -> Told:
    return Told(Feed(SERVICE), Ref("Service", "shop", f"s{number}"), "", str(number), None)


async def test_everything_arrives_in_order() -> None:
    inbox = Inbox()

    def write() -> None:
        for number in range(MANY):
            inbox.put(told(number))
            inbox.ring()

    thread = threading.Thread(target=write)
    thread.start()
    taken: list[Told] = []
    async with asyncio.timeout(45):
        while len(taken) < MANY:
            await inbox.wait()
            batch = inbox.take(100)
            assert len(batch) <= 100
            taken += batch
    thread.join()
    assert [int(each.version) for each in taken] == list(range(MANY))


async def test_one_wake_for_a_batch() -> None:
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.wait())
    await asyncio.sleep(0)
    for number in range(10):
        inbox.put(told(number))
    inbox.ring()
    inbox.ring()
    async with asyncio.timeout(45):
        await waiting
    assert len(inbox.take(100)) == 10
    # Nobody is woken for nothing.
    again = asyncio.create_task(inbox.wait())
    inbox.ring()
    done, _ = await asyncio.wait((again,), timeout=0.02)
    assert not done
    again.cancel()


async def test_what_was_put_before_anybody_waited() -> None:
    inbox = Inbox()
    inbox.put(told(1))
    inbox.ring()
    async with asyncio.timeout(45):
        await inbox.wait()
    assert len(inbox.take(10)) == 1


def test_loop_that_is_closed() -> None:
    inbox = Inbox()

    async def wait() -> None:
        inbox.put(told(1))
        await inbox.wait()

    asyncio.run(wait())
    inbox.take(10)
    inbox.put(told(2))
    inbox.ring()
    assert len(inbox.take(10)) == 1
