"""The proxy's access log follows what a plan says of it."""

import asyncio
import pathlib
from collections.abc import Callable

from serin.dataplane.proxy.completed import Completed
from serin.dataplane.proxy.exchange import LogContext
from serin.dataplane.proxy.log_lines import LogLines
from serin.routing.wide import Logs
from serin.telemetry.access_log import LogFormat


def record(target: bytes = b"/a") -> Completed:
    return Completed("192.0.2.1", b"GET %b HTTP/1.1" % target, 200, 12, 80, 0.01, LogContext(request_id="id"))


def written(tmp_path: pathlib.Path, form: LogFormat, act: Callable[[LogLines], None]) -> list[str]:
    """Lines of the file that the flags name."""
    path = tmp_path / "access.log"

    async def run() -> None:
        lines = LogLines(form, str(path), asyncio.get_running_loop())
        act(lines)
        lines.close()

    asyncio.run(run())
    return path.read_text().splitlines()


def test_as_the_flags_say(tmp_path: pathlib.Path) -> None:
    (line,) = written(tmp_path, LogFormat.UPSTREAMINFO, lambda lines: lines.add(record()))
    assert '"GET /a HTTP/1.1" 200 12' in line


def test_a_format_comes_and_goes(tmp_path: pathlib.Path) -> None:
    def act(lines: LogLines) -> None:
        lines.follow(Logs(format="$request_uri $status"))
        lines.add(record())
        lines.follow(Logs())
        lines.add(record())

    first, second = written(tmp_path, LogFormat.JSON, act)
    assert first == "/a 200"
    assert second.startswith('{"time":')


def test_put_out_by_the_plan_or_for_good_by_a_flag(tmp_path: pathlib.Path) -> None:
    def act(lines: LogLines) -> None:
        lines.follow(Logs(off=True))
        lines.add(record(b"/off"))
        lines.follow(Logs(format="$request_uri"))
        lines.add(record(b"/on"))

    assert written(tmp_path, LogFormat.UPSTREAMINFO, act) == ["/on"]
    (tmp_path / "access.log").unlink()
    assert written(tmp_path, LogFormat.OFF, act) == []


def test_urls_that_are_not_logged(tmp_path: pathlib.Path) -> None:
    def act(lines: LogLines) -> None:
        lines.follow(Logs(format="$request_uri", skip=("/health", "/a?b")))
        for target in (b"/health", b"/health?x", b"/a?b", b"/a"):
            lines.add(record(target))

    assert written(tmp_path, LogFormat.UPSTREAMINFO, act) == ["/health?x", "/a"]


def test_another_file_and_back(tmp_path: pathlib.Path) -> None:
    other = tmp_path / "other.log"

    def act(lines: LogLines) -> None:
        lines.follow(Logs(format="$request_uri", path=str(other)))
        lines.add(record(b"/there"))
        lines.follow(Logs(format="$request_uri"))
        lines.add(record(b"/here"))

    assert written(tmp_path, LogFormat.UPSTREAMINFO, act) == ["/here"]
    assert other.read_text() == "/there\n"


def test_a_file_that_cannot_be_opened_changes_nothing(tmp_path: pathlib.Path) -> None:
    def act(lines: LogLines) -> None:
        lines.follow(Logs(format="$request_uri", path=str(tmp_path / "no" / "such")))
        lines.add(record())

    assert written(tmp_path, LogFormat.UPSTREAMINFO, act) == ["/a"]
