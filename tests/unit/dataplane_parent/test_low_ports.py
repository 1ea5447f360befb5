"""Ports below 1024 without root: each case is a process of its own, in a network where the kernel guards them."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NET_BIND_SERVICE = 1 << 10
SETS = ("CapInh", "CapPrm", "CapEff", "CapAmb")
# Prints what `low_ports` left behind; `keep` is what capabilities are kept on the way from root to a user.
PROGRAM = """
import ctypes, json, os, socket, subprocess, sys
from serin.dataplane.low_ports import low_ports

libc = ctypes.CDLL(None)

def bound():
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", 80))
        except PermissionError:
            return False
    return True

def rights():
    lines = open("/proc/thread-self/status").read().splitlines()
    return dict(line.split(":\\t") for line in lines if line.startswith(("Cap", "NoNewPrivs")))

def child():
    return subprocess.run([program, "/proc/self/status"], capture_output=True, text=True).stdout

user, keep, fails, program = json.loads(sys.argv[1])
if user:
    libc.prctl(8, int(keep), 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
told = {"before": rights(), "bound before": bound(), "child before": child()}
try:
    with low_ports():
        told["bound inside"] = bound()
        told["inside"] = rights()
        if fails:
            raise LookupError
except LookupError:
    told["failed"] = True
told["after"] = rights()
told["bound after"] = bound()
told["child after"] = child()
print(json.dumps(told))
"""


def run(user: int, *, keep: bool, fails: bool = False, child: str = "cat") -> dict[str, Any]:
    unshare = ["unshare", "--net", sys.executable, "-c", PROGRAM, json.dumps([user, keep, fails, child])]
    path = str(Path(__file__).parents[3] / "operator")
    done = subprocess.run(unshare, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60)
    if "unshare failed" in done.stderr:
        pytest.skip(f"needs root and a network namespace: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def of_status(text: str) -> dict[str, str]:
    return dict(line.split(":\t") for line in text.splitlines() if line.startswith("Cap"))


def holders(rights: dict[str, str]) -> set[str]:
    return {name for name in SETS if int(rights[name], 16) & NET_BIND_SERVICE}


@pytest.mark.parametrize("fails", [False, True], ids=["opened", "refused"])
def test_a_permitted_right_is_used_and_given_up(fails: bool) -> None:
    told = run(65534, keep=True, fails=fails)
    assert holders(told["before"]) == {"CapPrm"}
    assert [told["bound before"], told["bound inside"], told["bound after"]] == [False, True, False]
    assert ("failed" in told) == fails
    assert holders(told["after"]) == set()
    assert told["after"]["NoNewPrivs"] == "1"
    assert int(told["inside"]["CapEff"], 16) == NET_BIND_SERVICE, "no other right is taken up"
    assert int(told["before"]["CapPrm"], 16) - int(told["after"]["CapPrm"], 16) == NET_BIND_SERVICE


@pytest.fixture
def permitted_cat() -> Iterator[str]:
    """A program that carries the right as the image's Python does, where any user finds it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        program = shutil.copy(shutil.which("cat") or "cat", folder)
        try:
            os.setxattr(program, "security.capability", bytes.fromhex("0000000200040000000000000000000000000000"))
        except OSError as error:
            pytest.skip(f"needs root and a file system with capabilities: {error}")
        yield program


def test_a_child_does_not_get_it_back_from_its_program(permitted_cat: str) -> None:
    told = run(65534, keep=True, child=permitted_cat)
    assert holders(of_status(told["child before"])) == {"CapPrm"}
    assert holders(of_status(told["child after"])) == set()


def test_without_the_right_nothing_happens() -> None:
    told = run(65534, keep=False)
    assert [told["bound before"], told["bound inside"]] == [False, False]
    assert told["before"] == told["inside"] == told["after"]


def test_root_keeps_its_rights() -> None:
    told = run(0, keep=False)
    assert [told["bound before"], told["bound inside"], told["bound after"]] == [True, True, True]
    assert told["before"] == told["inside"] == told["after"]
