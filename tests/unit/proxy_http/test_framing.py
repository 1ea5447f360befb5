"""The chunk decoder: whatever way the bytes are cut, the same payload, the same end."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.dataplane.proxy.framing import LAST_CHUNK, BadChunkError, ChunkDecoder, CountedBody, chunk


def decode(pieces: list[bytes], *, padded: bool = False) -> tuple[bytes, bool, bytes]:
    decoder = ChunkDecoder(padded=padded)
    payload = b""
    for number, piece in enumerate(pieces):
        payload += decoder.feed(piece)
        if decoder.done:
            return payload, True, decoder.rest + b"".join(pieces[number + 1 :])
    return payload, False, b""


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({p % (len(data) + 1) for p in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(ends)]


@given(st.lists(st.binary(min_size=1, max_size=40)), st.binary(max_size=9), st.lists(st.integers(0, 10**6)))
def test_round_trip(parts: list[bytes], rest: bytes, places: list[int]) -> None:
    sent = b"".join(piece for part in parts for piece in chunk(part)) + LAST_CHUNK + rest
    assert decode(cut(sent, places)) == (b"".join(parts), True, rest)


@given(st.lists(st.integers(0, 10**6)))
def test_extensions_and_trailers_are_dropped(places: list[int]) -> None:
    sent = b'4;a="b c";d\r\nwiki\r\n00005\r\npedia\r\n000;x\r\nA: b\r\nSome-Thing:\r\n\r\nnext'
    assert decode(cut(sent, places)) == (b"wikipedia", True, b"next")


@given(st.binary(max_size=60), st.lists(st.integers(0, 100)))
def test_how_bytes_are_cut_does_not_matter(data: bytes, places: list[int]) -> None:
    def outcome(pieces: list[bytes]) -> object:
        try:
            return decode(pieces)
        except BadChunkError:
            return "bad"

    assert outcome(cut(data, places)) == outcome([data])


@given(
    st.sampled_from([b"1\r\na\r\n0\r\n\r\n", b"2;x\r\nab\r\n0\r\nA: b\r\n\r\n"]),
    st.integers(0, 30),
    st.binary(min_size=1, max_size=1),
)
def test_line_ends_cannot_be_anything_else(sent: bytes, place: int, byte: bytes) -> None:
    """Replacing a byte of a line end is refused or leaves the body unfinished: never another end."""
    place %= len(sent)
    if sent[place : place + 1] in b"\r\n" and byte not in (b"\r", b"\n"):
        changed = sent[:place] + byte + sent[place + 1 :]
        try:
            payload, done, rest = decode([changed])
        except BadChunkError:
            return
        assert not (done and rest)
        assert not done or payload == decode([sent])[0]


@pytest.mark.parametrize("size", [b"3 \r\n", b"3\t \r\n", b"3 ;x\r\n"])
def test_padded_sizes_are_for_endpoints_only(size: bytes) -> None:
    sent = size + b"abc\r\n0\r\n\r\n"
    assert decode([sent], padded=True) == (b"abc", True, b"")
    with pytest.raises(BadChunkError):
        decode([sent])


def test_large_chunks_are_not_gathered() -> None:
    decoder = ChunkDecoder()
    assert decoder.feed(b"fffffffff\r\nab") == b"ab"
    part = b"x" * 1000
    assert decoder.feed(part) is part


def test_chunks_of_a_read_are_counted() -> None:
    decoder = ChunkDecoder()
    assert decoder.feed(b"1\r\na\r\n" * 3 + b"5\r\nbc") == b"aaabc"
    assert decoder.chunks == 4
    assert decoder.feed(b"d") == b"d"
    assert decoder.chunks == 1
    decoder.feed(b"ef\r\n0\r\n\r\n")
    assert decoder.done


def test_counted_body() -> None:
    body = CountedBody(5)
    assert (body.feed(b"abc"), body.done, body.left) == (b"abc", False, 2)
    assert (body.feed(b"defg"), body.done, body.rest) == (b"de", True, b"fg")


def test_an_empty_payload_is_no_chunk() -> None:
    assert chunk(b"") == []
