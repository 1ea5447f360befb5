"""`python -m localnginx`: prints the root of a tree whose nginx runs Lua, for $SERIN_NGINX; the system's own is `/`."""

import argparse
import sys

from localnginx import nginx, peers
from localnginx.errors import LocalNginxError


def say(text: str) -> None:
    """Progress goes to stderr: stdout is for what can be copied."""
    print(f"localnginx: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Exit code 1 with one sentence when there is none."""
    parser = argparse.ArgumentParser(prog="python -m localnginx", description="nginx with Lua on this machine.")
    parser.add_argument(
        "command",
        nargs="?",
        default="install",
        choices=("find", "install", "peers"),
        help="find: only look; install (default): unpack Debian's packages into the cache when there is none;"
        " peers: programs that bench/ measures with",
    )
    command = parser.parse_args().command
    if command == "peers":
        return show_peers()
    try:
        root = nginx.find() if command == "find" else nginx.install(say)
    except LocalNginxError as error:
        say(str(error))
        return 1
    if root is None:
        say("no nginx with Lua here: `python -m localnginx install`, or the packages " + " ".join(nginx.PACKAGES))
        return 1
    print(root)
    return 0


def show_peers() -> int:
    """Each with its path, or why it is missing; the exit code says whether one is."""
    missing = 0
    for name in peers.PACKAGES:
        try:
            print(f"{name:10} {peers.program(name, say)}")
        except LocalNginxError as error:
            say(str(error))
            missing = 1
    return missing


sys.exit(main())
