"""What `serin serve` says when it starts: where it listens and what is wrong."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from serin import __version__
from serin.cli import problems
from serin.cli.terminal import Paint
from serin.problems import Problem

SHOWN = 20


class Banner:
    """On a terminal only: the process log says the same to programs."""

    def __init__(self, arguments: argparse.Namespace, run_dir: Path, stream: TextIO) -> None:
        self._arguments = arguments
        self._run_dir = run_dir
        self._stream = stream
        self._paint = Paint(stream)

    def problems(self, found: Sequence[Problem]) -> None:
        if found and self._stream.isatty():
            self._say(
                f"{problems.summary(found)}; `serin lint` lists all" if len(found) > SHOWN else problems.summary(found)
            )
            for line in problems.lines(found[:SHOWN], self._paint):
                self._say("  " + line)

    def listening(self, ports: Mapping[str, int]) -> None:
        host = self._arguments.bind.split(",")[0] or "127.0.0.1"
        address = f"[{host}]" if ":" in host else host
        paths = " ".join(str(path) for path in self._arguments.paths)
        self._say(self._paint("bold", f"serin {__version__} serves {paths}"))
        self._say(f"  http    http://{address}:{ports['http']}/")
        self._say(f"  https   https://{address}:{ports['https']}/")
        self._say(f"  health  http://{address}:{ports['healthz']}/readyz  /metrics")
        self._say(f"  run dir {self._run_dir}")
        self._say(self._paint("dim", "  saved changes take effect at once; Ctrl-C ends"))

    def _say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)
