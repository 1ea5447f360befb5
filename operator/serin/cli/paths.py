"""The PATH arguments."""

from collections.abc import Sequence
from pathlib import Path

from serin.errors import UsageError


def existing(paths: Sequence[Path]) -> list[str]:
    """A path that is not there is a mistake in the command, though one that vanishes later is a problem like others."""
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder")
    return [str(path) for path in paths]
