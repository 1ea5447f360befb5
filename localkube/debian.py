"""The ground of Serin's image: Debian's essential packages and those of image/packages.txt, less what image/finish.sh
takes out. image/Dockerfile does the same from Debian's own image.

Made by mmdebstrap from Debian's mirror, once for each list of packages; delete the file to take up security fixes.
"""

import hashlib
import json
import os
import shlex
import sys
from pathlib import Path

from localkube.build import Say
from localkube.commands import run
from localkube.errors import LocalKubeError

_RECIPE = Path(__file__).parents[1] / "image"
# The wheels of the image are built with this machine's Python: Debian's release with the same one is taken.
_RELEASES = {(3, 11): "bookworm", (3, 13): "trixie"}
_VERSION = sys.version_info[:2]
_MERGED = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"
_FINISH = _RECIPE / "finish.sh"
# finish.sh leaves nothing of apt, which would be cleaned here.
_CLEANED = "--skip=cleanup/apt,cleanup/mmdebstrap"


def obstacle() -> str:
    """Why no image can be made with this Python; empty when it can."""
    if _VERSION in _RELEASES:
        return ""
    known = " or ".join(f"{major}.{minor}" for major, minor in _RELEASES)
    return f"the image needs a Python that a Debian release has ({known}), and this one is {_VERSION[0]}.{_VERSION[1]}"


def release_name() -> str:
    """Debian's release with this Python; LocalKubeError when there is none."""
    if told := obstacle():
        raise LocalKubeError(told)
    return _RELEASES[_VERSION]


def packages() -> list[str]:
    """Those that are asked for by name."""
    lines = (_RECIPE / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def base(folder: Path, say: Say) -> Path:
    """The layer's tar file in `folder`."""
    release = release_name()
    # What the release's own installer would see to: that /bin is a link to /usr/bin.
    include = ",".join([*packages(), "usr-is-merged"])
    options = ["--variant=essential", f"--include={include}", _MERGED, _CLEANED]
    told = json.dumps([release, options, _FINISH.read_text()])
    made = folder / f"{release}-{hashlib.sha256(told.encode()).hexdigest()[:8]}.tar"
    if not made.exists():
        say(f"installing Debian {release} with Python and nginx into {made} (half a minute, once)")
        folder.mkdir(parents=True, exist_ok=True)
        fresh = made.with_name(f"{os.getpid()}-{made.name}")
        try:
            finish = f'--customize-hook=chroot "$1" sh -s <{shlex.quote(str(_FINISH))}'
            run("mmdebstrap", "--quiet", *options, finish, release, fresh)
            fresh.replace(made)
        finally:
            fresh.unlink(missing_ok=True)
    return made
