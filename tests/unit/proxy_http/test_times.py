"""How long an endpoint took to be connected, to begin its answer, and to end it, as the choice is told."""

import asyncio

from unit.proxy_http.http_rig import HOST, Rig, Visit, friendly

GET = f"GET / HTTP/1.1\r\n{HOST}\r\n"


async def test_a_kept_connection_takes_no_time_to_connect(rig: Rig) -> None:
    caller = await rig.call()
    for _ in range(2):
        assert (await caller.ask(GET)).status == 200
    await rig.settled()
    (ended, connected, _), again = (choice.times for choice in rig.choices)
    assert 0 < connected <= ended
    assert again[1] == 0


async def test_an_answer_in_one_piece_begins_when_it_ends(rig: Rig) -> None:
    assert (await rig.ask(GET)).status == 200
    await rig.settled()
    ended, _, begun = rig.choices[0].times
    assert begun == ended > 0


async def test_an_answer_in_pieces_begins_before_it_ends(rig: Rig) -> None:
    on = asyncio.Event()

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await on.wait()
        await visit.send(b"cd")

    rig.endpoint.script = script
    caller = await rig.call(GET)
    assert ((await caller.head()).status, await caller.read(2)) == (200, b"ab")
    on.set()
    assert await caller.read(2) == b"cd"
    await rig.settled()
    ended, connected, begun = rig.choices[0].times
    assert 0 < connected <= begun < ended


async def test_another_attempt_has_times_of_its_own(rig: Rig) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()  # and nothing more: the connection ends

    rig.endpoint.script = script
    await rig.add_endpoint(friendly)
    assert (await rig.ask(GET)).status == 200
    await rig.settled()
    ended, connected, begun = rig.choices[0].times
    assert 0 < connected <= begun == ended
    assert ended < rig.records[0].request_time
