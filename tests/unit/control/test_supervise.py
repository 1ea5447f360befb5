"""The container's first process: restarts, the heartbeat, signals, orphans."""

import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from harness.waiting import until

from serin.control.supervise import (
    FIRST_DELAY,
    LONGEST_DELAY,
    STEADY,
    Backoff,
    Heartbeat,
    heartbeat_of,
)

LIGHT = ("asyncio", "aiohttp", "yaml", "cffi", "kubernetes", "kopf", "serin.compile", "serin.control.loop")


class Supervised:
    """`serin supervise` as a process of its own; its command is a shell script that leaves marks in a folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, script: str, *flags: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "serin", "supervise", *flags, "--", "sh", "-c", script]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stderr=log, stdin=subprocess.DEVNULL)
        return self.process

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def marks(self) -> list[str]:
        path = self.folder / "marks"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def supervised(tmp_path: pathlib.Path) -> Iterator[Supervised]:
    made = Supervised(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def test_a_command_that_ends_is_run_again(supervised: Supervised) -> None:
    process = supervised.start("echo $$ >> marks; exit 3")
    until(lambda: supervised.log().count('"exit_code": 3') >= 2, "the end of a second run")
    assert len(supervised.marks()) >= 2
    process.terminate()
    assert process.wait(30) == 0, "nothing was running when it was asked to end"


def test_wrong_flags_are_said_and_tried_again(supervised: Supervised) -> None:
    supervised.start("echo run >> marks; exit 2")
    until(lambda: len(supervised.marks()) >= 2, "a second run")
    assert "its flags need a change" in supervised.log()


def test_a_command_that_is_not_there_is_no_end(supervised: Supervised) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "serin", "supervise", "--", "no-such-command-at-all"],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    with process:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(2)]
        process.terminate()
    assert b"No such file" in lines[0]
    assert b'"exit_code": 127' in lines[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_goes_on_to_the_command_and_its_code_is_ours(supervised: Supervised, number: signal.Signals) -> None:
    process = supervised.start(f'trap "exit 7" {number.name[3:]}; echo up >> marks; while :; do sleep 0.02; done')
    until(supervised.marks, "the command")
    process.send_signal(number)
    assert process.wait(30) == 7
    assert supervised.marks() == ["up"], "it is not started again"


def test_one_that_a_signal_ended_is_told_as_shells_do(supervised: Supervised) -> None:
    process = supervised.start("echo up >> marks; exec sleep 60")
    until(supervised.marks, "the command")
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM


def test_one_that_hangs_is_aborted_killed_and_run_again(supervised: Supervised) -> None:
    """Its heartbeat is left by the run before, and old: each run has the whole limit."""
    old = supervised.folder / "beat"
    old.touch()
    os.utime(old, (0, 0))
    script = 'trap "echo asked >> marks" ABRT; echo run >> marks; while :; do sleep 0.02; done'
    supervised.start(script, "--heartbeat", "beat", "--heartbeat-limit", "1s")
    until(lambda: len(supervised.marks()) >= 3, "the second run", seconds=60)
    assert supervised.marks()[:3] == ["run", "asked", "run"]
    assert "command-hung" in supervised.log()
    assert "killed by SIGKILL" in supervised.log()


def test_one_whose_heart_beats_lives(supervised: Supervised) -> None:
    script = "while :; do echo . > beat; echo . >> marks; sleep 0.1; done"
    supervised.start(script, "--heartbeat", "beat", "--heartbeat-limit", "3")
    until(lambda: len(supervised.marks()) > 40, "more than the limit")
    assert "command-hung" not in supervised.log()


def test_orphans_are_reaped_by_the_first_process() -> None:
    """In a process namespace of its own, as in a container; needs the right to make one."""
    script = "sh -c 'sleep 0.1 & echo $!' ; sleep 0.4; ps -o stat= --ppid 1 | grep -c Z; sleep 60"
    command = [sys.executable, "-m", "serin", "supervise", "--", "sh", "-c", script]
    with subprocess.Popen(
        ["unshare", "--pid", "--fork", "--mount-proc", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        if not first:
            pytest.skip(f"no process namespace: {process.communicate()[1]}")
        zombies = process.stdout.readline().strip()
        (inner,) = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(inner), signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM, "a signal reaches it although it is the first process"
    assert zombies == "0"


def test_it_stays_small() -> None:
    code = f"import sys, serin.cli.supervise; print([m for m in {LIGHT!r} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_delays_double_up_to_a_bound_and_begin_anew_after_a_steady_run() -> None:
    backoff = Backoff()
    delays = [backoff.after(0.1) for _ in range(7)]
    assert delays == [1, 2, 4, 8, 16, 30, 30]
    assert (FIRST_DELAY, LONGEST_DELAY) == (1, 30)
    assert backoff.after(STEADY) == FIRST_DELAY
    assert backoff.after(0.1) == 2


def test_a_heartbeat_is_judged_by_its_changes_not_by_its_age() -> None:
    stamps: list[int | None] = [5]
    heartbeat = Heartbeat(lambda: stamps[-1], limit=10)
    heartbeat.begin(100.0)
    assert heartbeat.silent(109.0) == 9
    stamps.append(4)  # a clock that was set back
    assert heartbeat.silent(110.0) == 0
    assert heartbeat.silent(111.0) == 1
    stamps.append(None)
    assert heartbeat.silent(112.0) == 0
    heartbeat.begin(200.0)
    assert heartbeat.silent(203.0) == 3


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("serin controller --run-dir /run/serin --plane none", "/run/serin/plan/metrics"),
        ("serin controller --run-dir=/run/serin", "/run/serin/plan/metrics"),
        ("serin controller --run-dir", None),
        ("serin controller", None),
    ],
)
def test_the_heartbeat_of_a_controller_is_found_in_its_flags(line: str, path: str | None) -> None:
    assert heartbeat_of(line.split()) == (pathlib.Path(path) if path else None)
