"""Request targets as nginx reads them, and changed paths as it writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.routing.paths import escape, normalize, query


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", b"/"),
        (b"/a/b?c=1", b"/a/b"),
        (b"/a?b?c", b"/a"),
        (b"/a#frag", b"/a"),
        (b"/a#f?q", b"/a"),
        (b"//", b"/"),
        (b"//a///b//", b"/a/b/"),
        (b"/a/./b", b"/a/b"),
        (b"/a/.", b"/a/"),
        (b"/.", b"/"),
        (b"/a/../b", b"/b"),
        (b"/a/..", b"/"),
        (b"/a/b/..", b"/a/"),
        (b"/a//../b", b"/b"),
        (b"/a/.../b", b"/a/.../b"),
        (b"/a/.b", b"/a/.b"),
        (b"/.well-known/x", b"/.well-known/x"),
        (b"/foo%2Fbar", b"/foo/bar"),
        (b"/foo%2f%2Fbar", b"/foo/bar"),
        (b"/a/%2e%2E/b", b"/b"),
        (b"/%61", b"/a"),
        (b"/%2561", b"/%61"),
        (b"/a%3Fb", b"/a?b"),
        (b"/a%23b", b"/a#b"),
        (b"/%E4%BD%A0", b"/\xe4\xbd\xa0"),
        (b"/a+b", b"/a+b"),
        (b"/a?x=%zz", b"/a"),
        (b"/..", None),
        (b"/../a", None),
        (b"/a/../..", None),
        (b"//..", None),
        (b"/%2e%2e", None),
        (b"/a%00", None),
        (b"/a%", None),
        (b"/a%4", None),
        (b"/a%4?", None),
        (b"/a%zz", None),
        (b"nope", None),
        (b"*", None),
        (b"", None),
    ],
)
def test_target_is_read_as_nginx_reads_it(target: bytes, path: bytes | None) -> None:
    assert normalize(target) == path


def nginx_reads(target: bytes) -> bytes | None:
    """A second reading, byte by byte with a stack of kept bytes, to compare with."""
    out = bytearray()
    i = 0
    ended = False
    while not ended:
        char = target[i : i + 1]
        ended = char in (b"", b"?", b"#")
        literal = False
        if char == b"%":
            pair = target[i + 1 : i + 3]
            if len(pair) < 2 or any(c not in b"0123456789abcdefABCDEF" for c in pair):
                return None
            char, literal = bytes((int(pair, 16),)), True
            i += 2
            if char == b"\0":
                return None
        i += 1
        boundary = ended or char == b"/"
        if boundary and not (literal and char in b"?#"):
            if out.endswith(b"/."):
                del out[-1:]
            elif out.endswith(b"/.."):
                del out[-3:]
                if not out:
                    return None
                while not out.endswith(b"/"):
                    del out[-1:]
            if not ended and not out.endswith(b"/"):
                out += b"/"
        else:
            out += char
    return bytes(out)


@given(st.lists(st.sampled_from([b"/", b".", b"..", b"a", b"%2f", b"%2e", b"%41", b"%25", b"%3f", b"?", b"%", b"%00"])))
def test_two_readings_of_a_target_agree(parts: list[bytes]) -> None:
    target = b"/" + b"".join(parts)
    assert normalize(target) == nginx_reads(target)


@given(st.binary(max_size=30))
def test_a_read_path_is_clean(tail: bytes) -> None:
    path = normalize(b"/" + tail)
    if path is not None:
        assert path.startswith(b"/")
        assert b"//" not in path
        assert not {b".", b".."} & set(path.split(b"/"))


@pytest.mark.parametrize(
    ("target", "text"), [(b"/a", b""), (b"/a?", b"?"), (b"/a?b=c?d", b"?b=c?d"), (b"/a?b#c?d", b"?b"), (b"/a#b?c", b"")]
)
def test_query_keeps_its_mark(target: bytes, text: bytes) -> None:
    assert query(target) == text


def test_escape_covers_what_nginx_escapes() -> None:
    escaped = {n for n in range(256) if escape(bytes((n,))) != bytes((n,))}
    assert escaped == {*range(0x21), *range(0x7F, 256), *b'"#%<>?\\^`{|}'}
    assert escape(b"/a b/\xe4") == b"/a%20b/%E4"


@given(st.binary(max_size=30))
def test_an_escaped_path_is_read_back(tail: bytes) -> None:
    path = normalize(b"/" + tail)
    if path is not None:
        assert normalize(escape(path)) == path
