"""The ground of Serin's image: Debian's essential packages, Python, PCRE2, nginx with Lua. No apt, no compiler, no man.

Made by mmdebstrap from Debian's mirror, once for each list of packages; delete the file to take up security fixes.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from localkube.build import Say
from localkube.commands import run
from localkube.errors import LocalKubeError

# The wheels of the image are built with this machine's Python: Debian's release with the same one is taken.
_RELEASES = {(3, 11): "bookworm", (3, 13): "trixie"}
_VERSION = sys.version_info[:2]
PYTHON = f"python{_VERSION[0]}.{_VERSION[1]}"
USER, USER_ID = "serin", 101
_NGINX = ("nginx", "libnginx-mod-http-lua", "libnginx-mod-stream", "lua-resty-core")
_PACKAGES = ("python3-minimal", f"lib{PYTHON}-stdlib", "libpcre2-8-0", *_NGINX, "usr-is-merged")
_LEFT_OUT = ("man", "doc", "info", "locale", "bash-completion", "lintian")
_MERGED = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"
_PASSWD = f"{USER}:x:{USER_ID}:{USER_ID}::/nonexistent:/usr/sbin/nologin"
_ADD_USER = f"""\
! grep -q :{USER_ID}: "$1/etc/passwd" "$1/etc/group" &&
echo '{_PASSWD}' >>"$1/etc/passwd" && echo '{USER}:x:{USER_ID}:' >>"$1/etc/group"
"""
# vfs_cap_data, version 2: CAP_NET_BIND_SERVICE as permitted. Were it effective, too, the kernel would refuse to start
# the program in every container that may not have it.
_CAPABILITY = "0000000200040000000000000000000000000000"
_PROGRAM = f"/usr/bin/{PYTHON}"
_SET_CAPABILITY = f'os.setxattr("{_PROGRAM}", "security.capability", bytes.fromhex("{_CAPABILITY}"))'
_PERMIT_LOW_PORTS = f"""chroot "$1" {_PROGRAM} -c 'import os; {_SET_CAPABILITY}'"""
_CLEAN = 'rm -rf "$1"/var/cache/* "$1"/var/lib/apt/* "$1"/var/log/* "$1"/etc/hostname "$1"/etc/resolv.conf'


def obstacle() -> str:
    """Why no image can be made with this Python; empty when it can."""
    if _VERSION in _RELEASES:
        return ""
    known = " or ".join(f"{major}.{minor}" for major, minor in _RELEASES)
    return f"the image needs a Python that a Debian release has ({known}), and this one is {_VERSION[0]}.{_VERSION[1]}"


def base(folder: Path, say: Say) -> Path:
    """The layer's tar file in `folder`."""
    if told := obstacle():
        raise LocalKubeError(told)
    release = _RELEASES[_VERSION]
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
    hooks = [_MERGED, *(f"--customize-hook={each}" for each in (_ADD_USER, _PERMIT_LOW_PORTS, _CLEAN))]
    options = ["--variant=essential", f"--include={','.join(_PACKAGES)}", *excluded, *hooks]
    digest = hashlib.sha256(json.dumps([release, options]).encode()).hexdigest()[:8]
    made = folder / f"{release}-{digest}.tar"
    if not made.exists():
        say(f"installing Debian {release} with Python into {made} (half a minute, once)")
        folder.mkdir(parents=True, exist_ok=True)
        fresh = made.with_name(f"{os.getpid()}-{made.name}")
        try:
            run("mmdebstrap", "--quiet", *options, release, fresh)
            fresh.replace(made)
        finally:
            fresh.unlink(missing_ok=True)
    return made
