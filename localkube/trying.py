"""What people are shown when Serin runs on a cluster: lines to copy, and a file that sets what they need."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from localkube.installation import DEMO_HOST

_ASKED = (("cd", "v2"), ("sz", "v2"), ("bj", "v1"), ("", "v1"))


def environment(kubeconfig: Path, programs: Mapping[str, Path], serin: str = "") -> list[str]:
    """Lines for a shell, so that kubectl, helm and `serin controller` find the cluster, and curl Serin."""
    folder = programs["kubectl"].parent
    lines = [f"export KUBECONFIG={kubeconfig}", f"export PATH={folder}:$PATH"]
    return lines + ([f"export SERIN={serin}"] if serin else [])


def write_environment(file: Path, lines: Sequence[str]) -> None:
    """To be sourced: README.md names build/cluster.env."""
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines))


def print_demo(file: Path, *more: str) -> None:
    """The course notes' canary asked by curl, and what it will answer; `file` is what `write_environment` wrote."""
    print(f"# Serin serves {DEMO_HOST}. To try it:")
    print(f". {_shown(file)}")
    for region, version in _ASKED:
        header = f"-H 'Region: {region}' " if region else ""
        print(f'curl {header}--connect-to ::$SERIN http://{DEMO_HOST}/    # "backend": "{version}"')
    print(*(f"# {line}" for line in more), sep="\n", end="\n" if more else "")


def _shown(file: Path) -> str:
    """As it is written from here."""
    return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)
