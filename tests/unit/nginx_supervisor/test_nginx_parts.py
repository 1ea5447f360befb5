"""The supervisor's smaller parts: nginx's log, its status socket, its standard output, rows, the page."""

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from unit.dataplane_parent.dataplane_driver import until

from serin.dataplane.nginx import processes, standard_output
from serin.dataplane.nginx.error_log import PER_SECOND, ErrorLog
from serin.dataplane.nginx.repeats import MOST, SECONDS, Repeats
from serin.dataplane.nginx.rows import MOST_LEAVING, ROWS, Leaving, Rows
from serin.dataplane.nginx.status import Connections, StatusSocket, leave, socket_path
from serin.dataplane.readiness import View, WorkerView, alive, reasons, warnings
from serin.errors import RunDirectoryError
from serin.telemetry.exposition import Page
from serin.telemetry.nginx_figures import NginxFigures, Reload, nginx_families

Line = tuple[str, int, str]


async def test_lines_of_nginx_are_heard(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Line] = []
    errors = ErrorLog(tmp_path, lambda *line: heard.append(line))
    fd = errors.writing_end()
    with caplog.at_level(logging.DEBUG):
        os.write(fd, b"2026/11/21 15:18:21 [error] 12#13: *7 connect() failed, client: 1.2.3.4\n")
        os.write(fd, b'nginx: [emerg] unknown directive "x" in /run/x.conf:3\n')
        os.write(fd, b"without any form\n")
        os.write(fd, b"\n")
        os.write(fd, b"2026/11/21 15:18:21 [warn] 1#1: *9 a client request body is buffered to a temporary file\n")
        await until(lambda: len(heard) == 4)
    os.close(fd)
    errors.close()
    assert heard == [
        ("error", 12, "*7 connect() failed, client: 1.2.3.4"),
        ("emerg", 0, 'unknown directive "x" in /run/x.conf:3'),
        ("error", 0, "without any form"),
        ("info", 1, "*9 a client request body is buffered to a temporary file"),
    ]
    levels = [logging.WARNING, logging.ERROR, logging.WARNING, logging.DEBUG]
    assert [r.levelno for r in caplog.records] == levels


async def test_a_line_end_in_what_a_request_brought_begins_no_line(tmp_path: Path) -> None:
    heard: list[Line] = []
    errors = ErrorLog(tmp_path, lambda *line: heard.append(line))
    fd = errors.writing_end()
    forged = 'upstream sent invalid header: "x\n2026/11/21 15:18:21 [emerg] 12#12: no\nnginx: [emerg] no"'
    os.write(fd, f"2026/11/21 15:18:21 [error] 13#13: *7 {forged}\n".encode())
    os.write(fd, b"2026/11/21 15:18:22 [notice] 12#12: signal process started\n")
    await until(lambda: len(heard) == 2)
    os.close(fd)
    errors.close()
    assert heard == [("error", 13, f"*7 {forged}"), ("notice", 12, "signal process started")]


async def test_much_is_heard_and_little_is_passed_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Line] = []
    errors = ErrorLog(tmp_path, lambda *line: heard.append(line))
    fd = errors.writing_end()
    for number in range(PER_SECOND + 20):
        os.write(fd, f"2026/11/21 15:18:21 [error] 1#1: {number}\n".encode())
    os.write(fd, b"2026/11/21 15:18:21 [alert] 1#1: worker process 5 exited on signal 9\n")
    await until(lambda: len(heard) == PER_SECOND + 21)
    assert errors.dropped == 20
    assert "exited on signal 9" in str(caplog.records[-1].__dict__)
    os.close(fd)
    errors.close()


async def test_a_dead_endpoint_is_no_line_for_each_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Line] = []
    errors = ErrorLog(tmp_path, lambda *line: heard.append(line))
    fd = errors.writing_end()
    for number in range(40):
        said = f"*{number} connect() failed (111: Connection refused), client: 10.0.0.{number}, server: a.example"
        os.write(fd, f"2026/11/21 15:18:21 [error] 1#1: {said}\n".encode())
    os.write(fd, b"2026/11/21 15:18:21 [error] 1#1: *1 connect() failed, client: 10.0.0.1, server: b.example\n")
    await until(lambda: len(heard) == 41)
    os.close(fd)
    errors.close()
    texts = [r.__dict__["serin_fields"]["text"] for r in caplog.records]
    assert [text.rpartition(" ")[2] for text in texts] == ["a.example", "b.example"]


def test_how_often_it_was_said_again() -> None:
    now = [100.0]
    repeats = Repeats(lambda: now[0])
    line = "*{} upstream timed out, client: ::1, server: a.example, request: x"
    assert [repeats.left_out(line.format(number)) for number in range(3)] == [0, None, None]
    assert [repeats.left_out("signal process started")] * 2 == [0, 0]
    now[0] += SECONDS
    assert repeats.left_out(line.format(3)) == 2
    assert repeats.left_out(line.format(4)) is None
    for number in range(MOST):
        assert repeats.left_out(f"a word {chr(0x4E00 + number)}, client: ::1") == 0
    assert repeats.left_out(line.format(5)) == 0, "forgotten for others: bounded"


async def test_nobody_reads_and_nginx_is_not_held_up(tmp_path: Path) -> None:
    first = ErrorLog(tmp_path, lambda *_: None)
    fd = first.writing_end()
    first.close()
    lines = 0
    with contextlib.suppress(BlockingIOError):
        while lines < 1 << 20:
            lines += bool(os.write(fd, b"2026/11/21 15:18:21 [error] 1#1: kept\n"))
    assert 100 < lines < 1 << 20
    heard: list[Line] = []
    second = ErrorLog(tmp_path, lambda *line: heard.append(line))
    await until(lambda: len(heard) > 100)
    os.close(fd)
    second.close()
    assert set(heard[:100]) == {("error", 1, "kept")}, "the next supervisor reads what is left"


@pytest.mark.parametrize(
    ("answer", "digest", "connections"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nabc\n", "abc", None),
        (
            (
                b"HTTP/1.1 200 OK\r\n\r\nActive connections: 9 \nserver accepts handled requests\n 71 70 200 \n"
                b"Reading: 1 Writing: 2 Waiting: 6 \n"
            ),
            None,
            Connections(2, 6, 71, 70),
        ),
        (b"HTTP/1.1 500 No\r\n\r\nabc", "", None),
        (b"", "", None),
    ],
)
async def test_status(tmp_path: Path, answer: bytes, digest: str | None, connections: Connections | None) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    status = StatusSocket(socket_path(tmp_path))
    assert await status.digest() == ""
    async with await asyncio.start_unix_server(serve, status.path):
        if digest is not None:
            assert await status.digest() == digest
        assert await status.connections() == connections


def test_a_long_path_gets_a_short_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert socket_path(Path("/run/serin/state/nginx")) == Path("/run/serin/state/nginx/status.sock")
    prefix = Path("/run") / ("long" * 40)
    path = socket_path(prefix)
    assert path == socket_path(prefix)
    assert path != socket_path(prefix / "other")
    assert path.parent.parent == tmp_path
    path.touch()
    leave(path, prefix)
    assert path.parent.is_dir(), "an nginx has its socket there"
    path.unlink()
    leave(path, prefix)
    assert not path.parent.exists()
    socket_path(prefix).parent.chmod(0o755)
    with pytest.raises(RunDirectoryError, match="only this user"):
        socket_path(prefix)


def test_a_standard_output_that_cannot_be_opened_again() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not standard_output.openable(theirs.fileno())
        with standard_output.for_nginx(theirs.fileno()) as fd:
            assert fd != theirs.fileno()
            subprocess.run(["sh", "-c", "echo logged > /dev/stdout"], stdout=fd, check=True)
        ours.settimeout(20)
        assert ours.recv(100) == b"logged\n"


def test_a_standard_output_that_can() -> None:
    reading, writing = os.pipe()
    with standard_output.for_nginx(writing) as fd:
        assert fd == writing
    os.close(reading)
    os.close(writing)


class State:
    def __init__(self, *pids: int) -> None:
        self.rows = list(pids)

    def pids(self) -> Sequence[int]:
        return tuple(self.rows)

    def release_worker(self, index: int) -> None:
        self.rows[index] = 0

    def put_name(self, cell: int, name: str, addresses: Sequence[str]) -> None: ...

    def close(self) -> None: ...


def test_rows_of_the_living_stay() -> None:
    entry = processes.entry(os.getppid())
    assert entry is not None
    gone = subprocess.Popen(["true"])
    gone.wait()
    state = State(0, entry.pid, gone.pid, 0)
    assert Rows(state).sweep((entry.group,)) == 1
    assert state.rows == [0, entry.pid, 0, 0]
    assert Rows(state).sweep((entry.group + 1,)) == 1, "another's process has taken the number"
    assert state.rows == [0, 0, 0, 0]


def test_a_row_that_changed_hands_meanwhile_stays() -> None:
    """A worker frees its own row in ending; before it is looked at, the next one may have taken it."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    state = State(gone.pid)
    before = state.pids()
    state.rows = [os.getppid()]
    looks = iter((before,))
    state.pids = lambda: next(looks, tuple(state.rows))  # type: ignore[method-assign]
    assert Rows(state).sweep(()) == 0
    assert state.rows == [os.getppid()]


def view(**worker: object) -> View:
    return View((WorkerView(7, **worker),), "2", 60.0, ever_ready=True, subject="nginx")  # type: ignore[arg-type]


def test_readiness_names_nginx() -> None:
    assert reasons(view(generation="2")) == ()
    assert reasons(view(generation="1")) == ("nginx (process 7) serves plan 1, the newest is 2",)
    assert reasons(view(generation="2", silent=True)) == ("nginx (process 7) does not answer",)
    kept = view(generation="1", kept="2", why="disk full")
    assert reasons(kept) == ()
    assert warnings(kept) == ("nginx (process 7) could not take plan 2 and keeps plan 1: disk full",)
    none = View((None,), "2", 60.0, subject="nginx")
    assert reasons(none) == ("nginx is being restarted",)
    assert not alive(none)


def test_the_page() -> None:
    page = Page()
    figures = NginxFigures("1.22.1", False, True, "ab", {"taken": 3}, Reload("late", 12.5, 30.01), 2, 1, 4, 5)
    nginx_families(page, figures)
    lines = {line for line in page.encode().decode().splitlines() if not line.startswith("#")}
    assert lines >= {
        'serin_nginx_info{version="1.22.1",configuration="ab"} 1',
        "serin_nginx_version_advised 0",
        "serin_nginx_lua 1",
        'serin_nginx_reloads_total{result="taken"} 3',
        'serin_nginx_reloads_total{result="refused"} 0',
        "serin_nginx_last_reload_ok 0",
        "serin_nginx_last_reload_timestamp_seconds 12.5",
        "serin_nginx_last_reload_seconds 30.01",
        "serin_nginx_quarantined_objects 2",
        "serin_nginx_master_deaths_total 1",
        "serin_nginx_old_worker_processes 4",
        "serin_nginx_log_lines_dropped_total 5",
    }


def test_of_old_workers_the_oldest_go_when_there_are_too_many() -> None:
    old = Leaving(3)
    assert old.see([7, 9]) == ()
    assert old.see([7, 9, 3]) == ()
    assert old.see([2, 3, 7, 9]) == (7,)
    assert old.see([2, 3, 9]) == ()
    assert old.see([1, 2, 3, 5, 9]) == (9, 3)
    assert MOST_LEAVING < ROWS
