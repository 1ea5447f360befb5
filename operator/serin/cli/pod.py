"""Commands that only look, run in a controller's own container: its cluster, seen with its flags.

`kubectl exec POD -c controller -- serin explain --url …` answers as that controller does, so that whoever looks for a
fault needs no kubeconfig and repeats no flags. Nothing here reads the cluster.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

FIRST_PROCESS = Path("/proc/1/cmdline")
TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_LOOKING = ("explain", "lint", "render")


def is_asked(arguments: argparse.Namespace) -> bool:
    """Whether a command looks at something and its line does not say at what."""
    if arguments.command not in _LOOKING:
        return False
    if arguments.command == "lint" and (arguments.explain is not None or arguments.former is not None):
        return False  # a code's page needs no objects, and a report on another controller goes by that one's flags
    named = (arguments.paths, arguments.kubeconfig, arguments.apiserver_host, getattr(arguments, "run_dir", None))
    return not any(named)


def controller_flags() -> tuple[str, ...] | None:
    """Those of the controller that this container runs, as `--flag=value` or `--flag`; None outside of such a one."""
    try:
        words = FIRST_PROCESS.read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return None
    if not TOKEN.exists() or "controller" not in words:
        return None
    from serin.cli.workloads import flags_among

    return flags_among(words[words.index("controller") + 1 :])


def fitting(flags: Sequence[str], known: Sequence[str]) -> list[str]:
    """Those of a controller's flags that a command with the flags `known` has, too."""
    found = [flag.replace("--other-plane=", "--plane=") for flag in flags if not flag.startswith("--plane=none")]
    return [flag for flag in found if flag.partition("=")[0] in known]
