"""Header lines that go with some statuses alone, as nginx's add_header without `always` has it."""

import pytest
from unit.proxy_http.http_rig import HOST, Rig, always

GET = f"GET / HTTP/1.1\r\n{HOST}\r\n"


@pytest.mark.parametrize(
    ("status", "added"), [(200, True), (201, True), (204, True), (302, True), (404, False), (401, False), (503, False)]
)
async def test_lines_for_fine_answers(rig: Rig, status: int, added: bool) -> None:
    length = b"" if status == 204 else b"Content-Length: 0\r\n"
    rig.endpoint.script = always(b"HTTP/1.1 %d X\r\n%b\r\n" % (status, length))
    rig.forward_options = {"fine_lines": b"Set-Cookie: a=b\r\n"}
    reply = await rig.ask(GET)
    assert (reply.status, reply.headers.get("set-cookie")) == (status, "a=b" if added else None)


async def test_a_page_of_ours_has_none(rig: Rig) -> None:
    rig.forward_options = {"fine_lines": b"Set-Cookie: a=b\r\n"}
    await rig.endpoint.stop()
    reply = await rig.ask(GET)
    assert (reply.status, reply.headers.get("set-cookie")) == (502, None)
