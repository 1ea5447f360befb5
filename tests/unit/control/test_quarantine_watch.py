"""What nginx refused becomes problems while it is in quarantine.json, and nothing in that file does any harm."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.control.quarantine import MAX_BYTES, QuarantineWatch, read_quarantine
from serin.problems import Problem, Severity
from serin.refs import Ref

ENTRY = {
    "kind": "Ingress",
    "namespace": "demo",
    "name": "shop",
    "host": "shop.example",
    "error": 'invalid value "-1s"',
    "since": 1000,
}


def document(*entries: Any) -> bytes:
    return json.dumps({"version": 1, "objects": list(entries)}).encode()


class Told:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[tuple[Problem, ...]] = []
        self.watch = QuarantineWatch(path, self.problems.append)

    def write(self, data: bytes) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(self.path)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path / "quarantine.json")


def test_an_object_is_a_problem_that_says_what_nginx_said(told: Told) -> None:
    told.write(document(ENTRY))
    told.watch.look()
    ((problem,),) = told.problems
    assert problem.source.ref == Ref("Ingress", "demo", "shop")
    assert (problem.code, problem.severity) == ("nginx-refused", Severity.ERROR)
    for text in ("shop.example", "503", 'invalid value "-1s"'):
        assert text in problem.text


def test_news_are_told_once_and_the_end_too(told: Told) -> None:
    told.watch.look()
    assert told.problems == []
    told.write(document(ENTRY))
    told.watch.look()
    told.watch.look()
    told.write(document({**ENTRY, "since": 2000}))
    told.watch.look()
    assert len(told.problems) == 1
    told.write(document())
    told.watch.look()
    assert told.problems[1:] == [()]
    told.write(document(ENTRY))
    told.watch.look()
    told.path.unlink()
    told.watch.look()
    assert len(told.problems) == 4
    assert told.problems[-1] == ()


def test_a_file_that_cannot_be_read_changes_nothing_and_is_told_once(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    told.write(document(ENTRY))
    told.watch.look()
    for bad in (b"{", b'{"version":2,"objects":[]}', b"[]"):
        told.write(bad)
        for _ in range(2):
            told.watch.look()
    with told.path.open("wb") as file:
        os.truncate(file.fileno(), MAX_BYTES + 1)
    told.watch.look()
    assert len(told.problems) == 1
    assert [record.getMessage() for record in caplog.records] == ["quarantine-unreadable"] * 3


def test_a_link_is_not_followed(told: Told, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(document(ENTRY))
    told.path.symlink_to(tmp_path / "other")
    told.watch.look()
    assert told.problems == []


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "Secret"},
        {"namespace": "../x"},
        {"name": "a b"},
        {"name": None},
        {"host": "a\nb"},
        {"host": 7},
        {"error": None},
    ],
)
def test_entries_that_are_none_are_left_out(change: dict[str, Any]) -> None:
    assert len(read_quarantine(document({**ENTRY, **change}, ENTRY, "text"))) == 1


def test_what_is_said_stays_one_bounded_line() -> None:
    (problem,) = read_quarantine(document({**ENTRY, "error": "a\n\x1b[31m" * 500}))
    assert problem.text.isprintable()
    assert len(problem.text) < 600


def test_the_catch_all_host_and_a_canaryroute() -> None:
    (problem,) = read_quarantine(document({**ENTRY, "host": "", "kind": "CanaryRoute"}))
    assert "catch-all" in problem.text
    assert "503" not in problem.text


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(document))
def test_whatever_is_in_the_file_no_other_error_comes_of_it(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert all(problem.text.isprintable() for problem in read_quarantine(data))
