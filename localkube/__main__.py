"""`python -m localkube`: a Kubernetes for people at this machine; tests and bench/ use the modules."""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from localkube import build, cluster, image, image_commands, kind, packages, trying
from localkube.controlplane import ControlPlane, Settings
from localkube.errors import LocalKubeError
from localkube.release import Release

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
    print(*trying.environment(plane.kubeconfig, plane.programs), sep="\n")


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
        print(*trying.environment(kubeconfig, programs), sep="\n")
        return
    release.install(say, {"dataPlane.plane": options.plane})
    release.apply_demo()
    trying.write_environment(ENVIRONMENT, trying.environment(kubeconfig, programs, release.address()))
    trying.print_demo(ENVIRONMENT, f"the same by a port of the node: SERIN={release.node_address()}")


def cluster_down(_: argparse.Namespace) -> None:
    """Everything of it, data included; also what a killed test run left."""
    programs = build.programs(build.NODES, say)
    running = cluster.lasting(programs)
    for each in running:
        each.close()
    cluster.remove_orphans(programs)
    say("down" if running else "no cluster was up")


def kind_up(options: argparse.Namespace) -> None:
    """The same on kind, where Docker is."""
    made = kind.up(options.plane, say)
    environment = trying.environment(made.kubeconfig, made.programs, kind.address())
    trying.write_environment(ENVIRONMENT, environment)
    trying.print_demo(ENVIRONMENT)


def kind_down(_: argparse.Namespace) -> None:
    """kind's cluster and everything in it."""
    kind.down()
    say("down")


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
    asked = command("kind-up", kind_up, "the same on kind, with Docker: image, cluster, Serin, the demo")
    asked.add_argument(
        "--plane", choices=("proxy", "nginx"), default="proxy", help="Serin's data plane (default proxy)"
    )
    command("kind-down", kind_down, "end what `kind-up` started")
    image_commands.add(command, say)
    options = parser.parse_args()
    try:
        options.does(options)
    except LocalKubeError as error:
        say(str(error))
        return 1
    return 0


sys.exit(main())
