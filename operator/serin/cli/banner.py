"""What `serin serve` says once it listens: where, and how much is wrong. Each problem is in the log already."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from serin import __version__
from serin.cli.problems import summary
from serin.cli.terminal import Paint
from serin.problems import Problem


def banner(
    arguments: argparse.Namespace, run_dir: Path, ports: Mapping[str, int], found: Sequence[Problem], paint: Paint
) -> str:
    """Lines for a person who has just typed the command."""
    host = arguments.bind.split(",")[0] or "127.0.0.1"
    address = f"[{host}]" if ":" in host else host
    paths = " ".join(str(path) for path in arguments.paths)
    lines = [
        paint("bold", f"serin {__version__} serves {paths}"),
        f"  http     http://{address}:{ports['http']}/",
        f"  https    https://{address}:{ports['https']}/",
        f"  health   http://{address}:{ports['healthz']}/readyz, /healthz, /metrics",
        f"  run dir  {run_dir}",
    ]
    if found:
        lines.append(paint("warning", f"  problems {summary(found)}; `serin lint {paths}` lists them"))
    return "\n".join([*lines, paint("dim", "  changes of the files take effect when they are saved; Ctrl-C ends")])
