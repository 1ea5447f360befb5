"""Where a command is started: what lies there is data, also when it is called as one of our packages."""

import argparse
import os
import subprocess
from pathlib import Path

import pytest

import serin
from serin.cli.plane import HANDED_ON, child_command
from serin.dataplane.worker_plane import WORKER_COMMAND

DATA_PLANE = child_command(argparse.Namespace(workers=0, **dict.fromkeys(HANDED_ON, "")), Path("run"), standalone=False)


@pytest.mark.parametrize("command", [DATA_PLANE, WORKER_COMMAND], ids=["data plane", "worker"])
def test_a_folder_called_serin_beside_the_manifests_is_not_imported(command: tuple[str, ...], tmp_path: Path) -> None:
    """A clone of the project, say, whose folder git has called so."""
    (tmp_path / "serin").mkdir()
    (tmp_path / "serin" / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    interpreter = command[: command.index("-m")]
    environment = {**os.environ, "PYTHONPATH": str(Path(serin.__file__).parents[1])}
    asked = subprocess.run(
        [*interpreter, "-c", "import serin; print(serin.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.stdout.strip() == serin.__file__, asked.stderr
