"""Programs of this machine, run to their end."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from localkube.errors import LocalKubeError

_LONGEST = 600.0
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def which(name: str) -> str | None:
    """Also in the folders of root's programs, which are not on everybody's PATH."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_SBIN]))


def run(*command: str | Path, text: str | None = None, timeout: float = _LONGEST) -> str:
    """Its stdout; LocalKubeError with what it said when it fails."""
    done = _run(command, text, timeout)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise LocalKubeError(f"{' '.join(map(str, command))}: exit code {done.returncode}: {said}")
    return done.stdout


def tried(*command: str | Path) -> bool:
    """Whether it succeeded; for what may be gone or there already."""
    return _run(command, None, _LONGEST).returncode == 0


def _run(command: Sequence[str | Path], text: str | None, timeout: float) -> subprocess.CompletedProcess[str]:
    name, *rest = map(str, command)
    try:
        return subprocess.run(  # noqa: S603
            [which(name) or name, *rest], input=text, capture_output=True, text=True, timeout=timeout, check=False
        )
    except FileNotFoundError as error:
        raise LocalKubeError(f"{name} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise LocalKubeError(f"{name} did not end within {timeout:g} s") from error
