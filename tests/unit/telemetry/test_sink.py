"""Log lines reach their file whole, in order, and never hold up who writes them."""

import os
from pathlib import Path

import pytest

from serin.telemetry import sink
from serin.telemetry.sink import LineSink, piece_end


def test_blocks_are_appended_in_order(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"old\n")
    out = LineSink(str(path))
    out.write(b"one\ntwo\n")
    out.write(b"three\n")
    out.close()
    assert path.read_bytes() == b"old\none\ntwo\nthree\n"


def test_reopen_follows_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    first = LineSink(str(path))
    first.write(b"before\n")
    first.close()
    path.rename(tmp_path / "access.log.1")
    out = LineSink(str(path))
    path.rename(tmp_path / "access.log.2")
    out.reopen()
    out.write(b"after\n")
    out.close()
    assert path.read_bytes() == b"after\n"
    assert (tmp_path / "access.log.1").read_bytes() == b"before\n"


def test_a_reader_that_stands_still_costs_lines_not_time(tmp_path: Path) -> None:
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    out = LineSink(str(fifo), max_pending=200_000)
    line = b"x" * 99 + b"\n"
    for _ in range(100):
        out.write(line * 100)
    assert out.dropped >= 8000 - 700
    assert out.dropped % 100 == 0
    os.set_blocking(reader, True)
    received = b""
    while received.count(b"\n") < 10_000 - out.dropped:
        received += os.read(reader, 65536)
    os.close(reader)
    assert set(received.splitlines()) == {line[:-1]}
    out.close()


def test_failures_are_counted_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = LineSink("/dev/full")
    with caplog.at_level("INFO"):
        out.write(b"a\nb\n")
        out.write(b"c\n")
        out.close()
    assert out.dropped == 3
    assert [r.getMessage() for r in caplog.records] == ["access-log-failed"]


@pytest.mark.parametrize(
    ("block", "begin", "end"),
    [
        (b"ab\ncd\nef\n", 0, 6),
        (b"ab\ncd\nef\n", 6, 9),
        (b"abcdefghij\nk\n", 0, 11),
        (b"abcdefghij", 0, 10),
    ],
)
def test_pieces_end_with_lines(block: bytes, begin: int, end: int) -> None:
    assert piece_end(block, begin, 7) == end


def test_pipes_get_atomic_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    read, write = os.pipe()
    real = os.write

    def counted(fd: int, data: memoryview) -> int:
        sizes.append(len(data))
        return real(fd, data)

    monkeypatch.setattr(sink, "_open", lambda _: write)
    monkeypatch.setattr(os, "write", counted)
    out = LineSink("pipe")
    out.write(b"".join(b"y" * 150 + b"\n" for _ in range(100)))
    out.close()
    assert max(sizes) <= 4096
    assert len(os.read(read, 65536)) == 15100
    os.close(read)
