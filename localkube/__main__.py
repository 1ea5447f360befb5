"""`python -m localkube`: a Kubernetes for people at this machine; tests and bench/ use the modules."""

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from localkube import build, cluster, image, packages
from localkube.controlplane import ControlPlane, Settings
from localkube.errors import LocalKubeError
from localkube.release import DEMO_HOST, Release

ENVIRONMENT = image.ROOT / "build" / "cluster.env"


def say(text: str) -> None:
    """Progress goes to stderr: stdout is for what can be copied."""
    print(f"localkube: {text}", file=sys.stderr, flush=True)


def run_folder(name: str) -> Path:
    """Where what runs keeps its state: below the cache, or --folder."""
    return build.cache_folder().parent / "run" / name


def build_programs(options: argparse.Namespace) -> None:
    """Find or build the programs and say where they are."""
    for name, path in build.programs(build.NODES if options.nodes else build.API_SERVER, say).items():
        print(f"{name:24} {path}")


def prepare(_: argparse.Namespace) -> None:
    """Programs, packages and image of a cluster: the Go compiler and the image's downloads keep each other company."""
    packages.install_missing(say)
    with ThreadPoolExecutor() as beside:
        made = beside.submit(image.build, say)
        build.programs(build.NODES, say)
        made.result()


def up(options: argparse.Namespace) -> None:
    """Start an API server that stays until `down`."""
    folder = options.folder or run_folder("server")
    plane = ControlPlane(folder, build.programs(build.API_SERVER, say), Settings(lasting=True))
    if plane.program("kube-apiserver") is None:
        plane.start()
    print(*environment(plane.kubeconfig, plane.programs), sep="\n")


def down(options: argparse.Namespace) -> None:
    """End what `up` started. Its data stay for the next `up`, unless --forget."""
    folder = options.folder or run_folder("server")
    if not folder.exists():
        raise LocalKubeError(f"nothing was started in {folder}")
    plane = ControlPlane(folder, {}, Settings(lasting=True))
    plane.close()
    if options.forget:
        plane.forget()
    say("down")


def cluster_up(options: argparse.Namespace) -> None:
    """A cluster with Serin in it that stays until `cluster-down`; again: the image and chart as they are now."""
    programs = build.programs(build.NODES, say)
    running = cluster.lasting(programs)
    if running:
        say("the cluster is up already")
    else:
        running = [cluster.create(options.count, [], say, owned=False)]
    release = Release(running[0], programs)
    kubeconfig = running[0].plane.kubeconfig
    if options.bare:
        print(*environment(kubeconfig, programs), sep="\n")
        return
    release.install(say, {"dataPlane.plane": options.plane})
    release.apply_demo()
    write_environment(environment(kubeconfig, programs, release.address()))
    print_demo(release)


def cluster_down(_: argparse.Namespace) -> None:
    """Everything of it, data included; also what a killed test run left."""
    programs = build.programs(build.NODES, say)
    running = cluster.lasting(programs)
    for each in running:
        each.close()
    cluster.remove_orphans(programs)
    say("down" if running else "no cluster was up")


def make_image(options: argparse.Namespace) -> None:
    """Serin's image of this tree as a docker-archive, for `docker load`, `podman load` or `ctr images import`."""
    archive = image.build(say)
    if options.out is not None:
        shutil.copyfile(archive, options.out)
        archive = options.out
    say(f"{image.NAME}, {archive.stat().st_size >> 20} MiB")
    print(archive)


def print_demo(release: Release) -> None:
    """Lines to copy, and what they will show."""
    print(f"# Serin serves {DEMO_HOST}. To try it:")
    print(f". {_shown(ENVIRONMENT)}")
    for region, version in (("cd", "v2"), ("sz", "v2"), ("bj", "v1"), ("", "v1")):
        header = f"-H 'Region: {region}' " if region else ""
        print(f'curl {header}--connect-to ::$SERIN http://{DEMO_HOST}/    # "backend": "{version}"')
    print(f"# the same by a port of the node: SERIN={release.node_address()}")


def environment(kubeconfig: Path, programs: Mapping[str, Path], serin: str = "") -> list[str]:
    """Lines for a shell, so that kubectl, helm and `serin controller` find the cluster, and curl Serin."""
    folder = programs["kubectl"].parent
    lines = [f"export KUBECONFIG={kubeconfig}", f"export PATH={folder}:$PATH"]
    return lines + ([f"export SERIN={serin}"] if serin else [])


def write_environment(lines: list[str]) -> None:
    """Into a file of the working tree, to be sourced: README.md names it."""
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    ENVIRONMENT.write_text("".join(f"{line}\n" for line in lines))


def _shown(path: Path) -> str:
    """As it is written from here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def main() -> int:
    """Exit code 1 with one sentence when something outside this program is in the way."""
    parser = argparse.ArgumentParser(prog="python -m localkube", description="A real Kubernetes on this machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, does: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(does=does)
        return added

    asked = command("build", build_programs, "find the programs of a Kubernetes, or build them from Go modules")
    asked.add_argument("--nodes", action="store_true", help="also those of nodes")
    command("prepare", prepare, "make all that a cluster needs (root)")
    for name, does, text in (
        ("up", up, "start an API server on loopback that stays"),
        ("down", down, "end what `up` started"),
    ):
        asked = command(name, does, text)
        asked.add_argument("--folder", type=Path, help="where it keeps its state")
        if name == "down":
            asked.add_argument("--forget", action="store_true", help="delete its data, too")
    asked = command("cluster-up", cluster_up, "start a cluster with nodes and Serin in it (root)")
    asked.add_argument("--nodes", dest="count", type=int, choices=(1, 2), default=1, help="how many nodes (default 1)")
    asked.add_argument(
        "--plane", choices=("proxy", "nginx"), default="proxy", help="Serin's data plane (default proxy)"
    )
    asked.add_argument("--bare", action="store_true", help="without Serin and the demo")
    command("cluster-down", cluster_down, "end what `cluster-up` started")
    asked = command("image", make_image, "make Serin's image of this tree, without a container engine (root)")
    asked.add_argument("out", type=Path, nargs="?", metavar="OUT.tar", help="where to (default: it stays in the cache)")
    options = parser.parse_args()
    try:
        options.does(options)
    except LocalKubeError as error:
        say(str(error))
        return 1
    return 0


sys.exit(main())
