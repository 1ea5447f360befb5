"""Programs of this machine, run to their end."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from localkube.errors import LocalKubeError

_LONGEST = 600.0
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def which(name: str) -> str | None:
    """Also in the folders of root's programs, which are not on everybody's PATH."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_SBIN]))


def run(*command: str | Path, text: str | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Its stdout; LocalKubeError with what it said when it fails."""
    done = _run(command, text, environment)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise LocalKubeError(f"{' '.join(map(str, command))}: exit code {done.returncode}: {said}")
    return done.stdout


def tried(*command: str | Path) -> bool:
    """Whether it succeeded; for what may be gone or there already."""
    return _run(command, None, None).returncode == 0


def _run(
    command: Sequence[str | Path], text: str | None, environment: Mapping[str, str] | None
) -> subprocess.CompletedProcess[str]:
    name, *rest = map(str, command)
    try:
        return subprocess.run(  # noqa: S603
            [which(name) or name, *rest],
            input=text,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
    except FileNotFoundError as error:
        raise LocalKubeError(f"{name} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise LocalKubeError(f"{name} did not end within {_LONGEST:g} s") from error
