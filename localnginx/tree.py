"""A file tree with programs: this system's, or an unpacked one, whose programs must find the libraries beside them."""

import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_FOLDERS = ("usr/sbin", "usr/bin", "sbin", "bin")
SYSTEM = Path("/")


@dataclass(frozen=True, slots=True)
class Tree:
    """`root` is "/" for the system itself."""

    root: Path

    def program(self, name: str) -> Path | None:
        """Also in the folders of root's programs, which are not on everybody's PATH."""
        if self.root == SYSTEM:
            found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *_SBIN]))
            return Path(found) if found else None
        paths = (self.root / folder / name for folder in _FOLDERS)
        return next((path for path in paths if os.access(path, os.X_OK) and path.is_file()), None)

    def libraries(self) -> list[Path]:
        """Folders of shared libraries in an unpacked tree."""
        if self.root == SYSTEM:
            return []
        found = {path.parent for folder in ("usr/lib", "lib") for path in (self.root / folder).glob("*-linux-*/*.so*")}
        return sorted(found)

    def wrap(self, name: str) -> None:
        """Put a line of shell before a program, which names the folders of the libraries beside it."""
        program = self.program(name)
        folders = self.libraries()
        if program is None or not folders or program.with_name(f"{name}.real").exists():
            return
        real = program.rename(program.with_name(f"{name}.real"))
        listed = ":".join(map(str, folders))
        program.write_text(
            f'#!/bin/sh\nLD_LIBRARY_PATH="{listed}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}" exec "{real}" "$@"\n'
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def said(*command: str | Path) -> tuple[int, str]:
    """Exit code and all that was said; 127 when it cannot be started."""
    try:
        done = subprocess.run(  # noqa: S603
            list(map(str, command)), capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, done.stdout + done.stderr
