"""A plain request's first attempt as one call: what nginx is told, and everything that is left to Lua."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from harness.shared_memory import Rig, make_pool, make_split
from serin.native._ffi import ffi, lib

from serin.routing.plan import Algorithm, Split

LATER = lib.SRN_LATER
UNKNOWN = b"0123456789abcdef v=1"


class Nginx:
    """A worker with the functions that it calls in nginx; requests are numbers. `speaks`: it has ngx.balancer's."""

    def __init__(self, rig: Rig, *, speaks: bool = True) -> None:
        error = ffi.new("char[256]")
        self.pointer = lib.srn_attach(os.fsencode(rig.path), lib.SRN_ANY_ROW, 1, error, len(error))
        assert self.pointer != ffi.NULL, ffi.string(error)
        self.texts: dict[int, bytes] = {}
        self.peers: list[tuple[int, bytes, int]] = []
        self.more: list[tuple[int, int]] = []
        self.kept: list[Any] = []
        made = ffi.new("srn_nginx *")
        made.variable = self._keep(
            ffi.callback("int (void *, char *, size_t, char *, int, char **, size_t *, char **)", self._variable)
        )
        if speaks:
            made.set_peer = self._keep(ffi.callback("int (void *, uint8_t *, size_t, int, char **)", self._set_peer))
            made.more_tries = self._keep(ffi.callback("int (void *, int, char **)", self._more_tries))
        lib.srn_follow(self.pointer, made)

    def _keep(self, value: Any) -> Any:
        self.kept.append(value)
        return value

    def _variable(
        self, request: Any, name: Any, length: int, lower: Any, capture: int, value: Any, n: Any, err: Any
    ) -> int:
        assert ffi.buffer(name, length)[:] == b"serin"
        text = self.texts.get(int(ffi.cast("uintptr_t", request)))
        if text is None:
            return -5
        value[0], n[0] = self._keep(ffi.new("char[]", text)), len(text)
        return 0

    def _set_peer(self, request: Any, address: Any, length: int, port: int, err: Any) -> int:
        self.peers.append((int(ffi.cast("uintptr_t", request)), ffi.buffer(address, length)[:], port))
        return 0

    def _more_tries(self, request: Any, count: int, err: Any) -> int:
        self.more.append((int(ffi.cast("uintptr_t", request)), count))
        return 0

    def know(self, rig: Rig, number: int, endpoints: int = 1, *, tries: int = 3, hashed: bool = False) -> bytes:
        pool = make_pool(number, endpoints, Algorithm.HASH if hashed else Algorithm.ROUND_ROBIN)
        return self.know_split(rig.put(make_split(number, [(pool, 0)]), pool), tries)

    def know_split(self, split: Split, tries: int = 3) -> bytes:
        route, idents = self._keep(ffi.new("srn_route *")), [int(s.ident, 16) for s in split.shares]
        lib.srn_route_init(route, self.pointer, int(split.id, 16), idents, len(idents))
        text = split.id.encode() + b" v=1"
        lib.srn_know(self.pointer, text, len(text), route, tries)
        return text

    def forward(self, request: int, text: bytes | None) -> int:
        if text is not None:
            self.texts[request] = text
        return int(lib.srn_request_forward(self.pointer, ffi.cast("void *", request)))

    def first(self, request: int, text: bytes | None) -> int:
        if text is not None:
            self.texts[request] = text
        return int(lib.srn_request_first(ffi.cast("void *", request)))

    def choice(self, request: int) -> Any:
        return lib.srn_request_choice(self.pointer, ffi.cast("void *", request))


@pytest.fixture
def nginx(rig: Rig) -> Iterator[Nginx]:
    made = Nginx(rig)
    yield made
    lib.srn_detach(made.pointer)


def test_nginx_gets_the_endpoint(rig: Rig, nginx: Nginx) -> None:
    text = nginx.know(rig, 1)
    assert nginx.forward(64, text) == 0
    found = nginx.choice(64)
    assert nginx.peers == [(64, b".".join(b"%d" % part for part in found.address[0:4]), found.port)]
    assert nginx.more == []


@pytest.mark.parametrize(("tries", "more"), [(3, [(64, 1)]), (0, [(64, 1)]), (1, [])])
def test_room_for_another_attempt(rig: Rig, nginx: Nginx, tries: int, more: list[tuple[int, int]]) -> None:
    text = nginx.know(rig, 1, 2, tries=tries)
    assert nginx.forward(64, text) == 0
    assert nginx.more == more
    assert bool(lib.srn_request_granted(nginx.pointer, ffi.cast("void *", 64))) is bool(more)


def test_what_is_left_to_lua(rig: Rig, nginx: Nginx) -> None:
    assert nginx.forward(64, UNKNOWN) == LATER
    text = nginx.know(rig, 1, 2)
    assert nginx.forward(320, None) == LATER
    for unknown in (b"", b"short", text[:-1], text + b" ", UNKNOWN):
        assert nginx.forward(128, unknown) == LATER
    assert nginx.forward(192, text) == 0
    assert nginx.forward(192, text) == LATER, "a retry"
    lib.srn_request_refuse(nginx.pointer, ffi.cast("void *", 256), 503)
    assert nginx.forward(256, text) == LATER, "refused before"
    assert [request for request, _, _ in nginx.peers] == [192]


def test_nobody_to_ask(rig: Rig, nginx: Nginx) -> None:
    assert nginx.forward(64, nginx.know(rig, 1, 0)) == lib.SRN_NO_ENDPOINT
    assert nginx.forward(128, nginx.know(rig, 2, 3, hashed=True)) == lib.SRN_KEY_WANTED
    assert nginx.peers == []


def test_thousands_of_texts(rig: Rig, nginx: Nginx) -> None:
    """Each finds its own route, also where the table has grown; a text that comes again replaces its route."""
    texts = [nginx.know(rig, number) for number in range(1, 301)] + [nginx.know(rig, 7)]
    for number, text in enumerate(texts):
        assert nginx.forward(64 * (number + 1), text) == 0
        assert nginx.choice(64 * (number + 1)).split == int(text[:16], 16)


def test_a_balancer_of_another_form(rig: Rig) -> None:
    nginx = Nginx(rig, speaks=False)
    assert nginx.forward(64, nginx.know(rig, 1)) == LATER
    lib.srn_detach(nginx.pointer)


def test_ahead_of_lua(rig: Rig, nginx: Nginx) -> None:
    text = nginx.know(rig, 1, 2)
    assert nginx.first(64, text) == 1
    assert [request for request, _, _ in nginx.peers] == [64]
    assert nginx.first(64, text) == 0, "a retry"
    assert nginx.forward(64, text) == LATER
    assert nginx.first(128, UNKNOWN) == 0
    assert nginx.forward(128, UNKNOWN) == LATER
    assert len(nginx.peers) == 1


def test_what_was_found_ahead_of_lua_is_what_lua_finds(rig: Rig, nginx: Nginx) -> None:
    """Versions but the first one have names that Lua gives to the log: chosen once, counted once."""
    pools = make_pool(1, 1), make_pool(2, 1)
    text = nginx.know_split(rig.put(make_split(1, [(pools[0], 0), (pools[1], 100)]), *pools))
    assert nginx.first(64, text) == 0
    assert nginx.forward(64, text) == 1
    assert len(nginx.peers) == 1
    assert nginx.forward(64, text) == LATER, "told once"
    nobody = nginx.know(rig, 3, 0)
    assert nginx.first(128, nobody) == 0
    assert nginx.forward(128, nobody) == lib.SRN_NO_ENDPOINT


def test_nobody_is_followed(rig: Rig) -> None:
    nginx = Nginx(rig)
    text = nginx.know(rig, 1)
    lib.srn_detach(nginx.pointer)
    assert nginx.first(64, text) == 0
