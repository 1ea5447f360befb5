"""The process log is JSON for machines and text on a terminal; an event is always one line."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from serin.telemetry import log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_json_when_nobody_watches(root: logging.Logger) -> None:
    out = io.StringIO()
    log.configure(stream=out)
    log.event(logging.getLogger("x"), log.WORKER_DIED, level=logging.ERROR, pid=7, how="a\nb", path=ValueError("v"))
    line = json.loads(out.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "error",
        "event": "worker-died",
        "logger": "x",
        "pid": 7,
        "how": "a\nb",
        "path": "v",
    }
    assert out.getvalue().count("\n") == 1


def test_text_on_a_terminal(root: logging.Logger) -> None:
    out = Terminal()
    log.configure(stream=out)
    log.event(logging.getLogger("x"), log.READY, workers=2, reason="all is well", empty="", evil="a\x1b[31m\nb")
    line = out.getvalue()
    assert line.endswith('INFO    ready workers=2 reason="all is well" empty="" evil="a\\u001b[31m\\nb"\n')


def test_levels(root: logging.Logger) -> None:
    out = io.StringIO()
    log.configure("warning", out)
    log.event(logging.getLogger("x"), log.READY)
    log.event(logging.getLogger("x"), log.NOT_READY, level=logging.WARNING)
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["not-ready"]


def test_exceptions_are_part_of_the_line(root: logging.Logger) -> None:
    out = io.StringIO()
    log.configure(stream=out)
    try:
        raise KeyError("boom")
    except KeyError:
        logging.getLogger("x").exception("internal-error")
    line = json.loads(out.getvalue())
    assert "boom" in line["exception"]
    assert out.getvalue().count("\n") == 1


def test_texts_of_libraries_stay_on_one_line(root: logging.Logger) -> None:
    out = Terminal()
    log.configure(stream=out)
    logging.getLogger("lib").warning("two\nlines %s", 1)
    assert out.getvalue().count("\n") == 1
    assert sys.stderr is not out
