"""Only what was recorded is ended."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
from harness.waiting import until
from localkube import processes
from localkube.errors import LocalKubeError


def start(folder: Path, *command: str, lasting: bool = False) -> processes.Program:
    return processes.start(command, record=folder / "record.json", log=folder / "log", lasting=lasting)


def test_a_program_is_ended_by_whoever_reads_its_record(tmp_path: Path) -> None:
    started = start(tmp_path, "sleep", "600", lasting=True)
    found = processes.recorded(tmp_path / "record.json")
    assert found is not None
    assert found.running
    found.stop()
    assert not started.running
    assert processes.recorded(tmp_path / "record.json") is None


def test_one_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    started = start(tmp_path, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
    until(lambda: (tmp_path / "log").read_text() == "ready\n", "the trap")
    started.stop(grace=0.1)
    assert not started.running


def test_a_stopped_program_is_ended_too(tmp_path: Path) -> None:
    started = start(tmp_path, "sleep", "600")
    started.send(signal.SIGSTOP)
    started.stop(grace=0.1)
    assert not started.running


def test_a_number_that_somebody_else_got_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as other:
        record = tmp_path / "record.json"
        record.write_text(json.dumps({"pid": other.pid, "started": 1}))
        found = processes.recorded(record)
        assert found is not None
        assert not found.running
        found.stop()
        assert other.poll() is None
        other.kill()


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LocalKubeError, match="cannot start no-such-program"):
        start(tmp_path, "no-such-program")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": 1}'])
def test_a_broken_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "record.json").write_text(text)
    assert processes.recorded(tmp_path / "record.json") is None
