"""The parent's smaller parts: settings, restart delays, the kept certificate, the watched generation."""

import asyncio
import datetime as dt
import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from unit.dataplane_parent.dataplane_driver import until

from serin.cli.arguments import parse
from serin.cli.data_plane import settings
from serin.dataplane.children import RestartDelay, describe_exit, spawn
from serin.dataplane.fallback_certificate import keep_certificate
from serin.dataplane.generation import GenerationWatch, read_generation
from serin.dataplane.settings import DataPlaneSettings
from serin.errors import SerinError, UsageError


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"plane": "haproxy"}, "--plane haproxy: expected one of proxy"),
        ({"workers": 0}, "--workers 0: expected a number from 1 to 60"),
        ({"workers": 61}, "--workers 61: expected a number from 1 to 60"),
        ({"https_port": 65536}, "--https-port 65536: expected a port from 0 to 65535"),
        ({"healthz_port": -1}, "--healthz-port -1: expected a port from 0 to 65535"),
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        DataPlaneSettings(Path("/run/x"), **wrong)  # type: ignore[arg-type]


def test_a_machine_with_many_processors_gets_as_many_workers_as_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(96)))
    assert DataPlaneSettings(Path("/run/x")).workers == 60
    assert settings(parse(["data-plane", "--run-dir", "/run/x"])).workers == 60


def test_delays_grow_while_a_worker_keeps_dying() -> None:
    delay = RestartDelay()
    assert [delay.after(0.5) for _ in range(9)] == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert delay.after(RestartDelay.LIVED) == 0.0
    assert delay.after(0.5) == 0.1


def test_delays_do_not_overflow() -> None:
    delay = RestartDelay()
    assert {delay.after(0.0) for _ in range(5000)} >= {0.0, 5.0}


@pytest.mark.parametrize(
    ("status", "text"),
    [(0, "exit code 0"), (3, "exit code 3"), (-9, "killed by SIGKILL"), (-99, "killed by signal 99")],
)
def test_exits_in_words(status: int, text: str) -> None:
    assert describe_exit(status) == text


async def test_what_a_child_says_last_is_heard() -> None:
    heard: list[str] = []
    child = spawn(
        ("/bin/sh", "-c", 'printf "ready 1\\nplan 2\\nhalf" > /dev/fd/$STATUS; exit 5'),
        environment=lambda fd: {"STATUS": str(fd)},
        pass_fds=(),
        heard=heard.append,
    )
    assert await asyncio.wait_for(child.exited, 45) == 5
    assert heard == ["ready 1", "plan 2"]
    child.send(signal.SIGTERM)


async def test_a_program_that_is_not_there() -> None:
    with pytest.raises(SerinError, match="cannot start"):
        spawn(("/nowhere/serin",), environment=lambda _: {}, pass_fds=(), heard=print)


NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


def test_the_certificate_is_kept_until_it_ends_soon(tmp_path: Path) -> None:
    path = tmp_path / "default.pem"
    keep_certificate(path, NOW)
    first = path.read_bytes()
    assert path.stat().st_mode & 0o077 & ~0o040 == 0
    keep_certificate(path, NOW + dt.timedelta(days=334))
    assert path.read_bytes() == first
    keep_certificate(path, NOW + dt.timedelta(days=336))
    assert path.read_bytes() != first
    end = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    assert end > NOW + dt.timedelta(days=600)


def test_a_broken_certificate_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "default.pem"
    path.write_text("rubbish")
    keep_certificate(path, NOW)
    x509.load_pem_x509_certificate(path.read_bytes())


@pytest.fixture
def publish(tmp_path: Path) -> Callable[[str], None]:
    def put(text: str) -> None:
        (tmp_path / "plan").mkdir(exist_ok=True)
        (tmp_path / "plan" / "new").write_text(text)
        (tmp_path / "plan" / "new").rename(tmp_path / "plan" / "generation")

    return put


async def test_generations_are_followed(tmp_path: Path, publish: Callable[[str], None]) -> None:
    seen: list[str] = []
    assert read_generation(tmp_path) == ""
    watch = GenerationWatch(tmp_path, seen.append)
    try:
        for number in ("1", "2", "2", "3"):
            publish(f"{number}\n")
            await until(lambda n=number: seen and seen[-1] == n)  # type: ignore[misc]
        (tmp_path / "plan" / "generation").unlink()
        publish("4\n")
        await until(lambda: seen[-1] == "4")
    finally:
        watch.close()
    assert seen == ["1", "2", "3", "4"]


async def test_generations_are_followed_where_inotify_is_used_up(
    tmp_path: Path, publish: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(**_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("serin.dataplane.generation.INotify", none_left)
    seen: list[str] = []
    watch = GenerationWatch(tmp_path, seen.append)
    try:
        for number in ("1", "2"):
            publish(number)
            await until(lambda n=number: seen and seen[-1] == n)  # type: ignore[misc]
    finally:
        watch.close()
    assert seen == ["1", "2"]


async def test_a_generation_of_before_is_seen(tmp_path: Path, publish: Callable[[str], None]) -> None:
    publish("9\n")
    seen: list[str] = []
    watch = GenerationWatch(tmp_path, seen.append)
    await until(lambda: seen == ["9"])
    watch.close()
