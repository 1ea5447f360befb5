"""The order of the cluster's measurements; cluster.py begins this in a network namespace of its own."""

import argparse
import asyncio
import gc
import json
import subprocess
import tempfile
import time
from pathlib import Path

import cluster_storm
from cluster_api import Api
from cluster_changes import CANARY, Changes, compare, grow
from cluster_objects import ALL, MAIN, NAMESPACE, PORT, Raw, address, application, host, other
from cluster_outage import Outages
from cluster_serin import Client, Controller, cpu_seconds, is_from, launch, peak_mib, ready
from cluster_wire import Wire
from harness.kube import Kube
from localkube.build import API_SERVER, programs
from localkube.controlplane import ControlPlane, Settings
from rig import Rig, free_port, nginx, resident_mib, rig, verdict

from serin.compile.compiler import compile_snapshot
from serin.compile.options import Options
from serin.control.patterns import check_pattern
from serin.objects.parse import parse_object
from serin.objects.store import Store

FEW, MORE = 10, 50
FIRST_SYNC_BAR_S = 10.0
MEMORY_BAR_MIB = 50.0
NO_AUDIT = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "None"}]}
PARTS = ("changes", "storm", "outage")
Memory = dict[str, float]


def main() -> None:
    arguments = argparse.ArgumentParser(prog="cluster.py", description=__doc__)
    arguments.add_argument("--ingresses", type=int, default=5000)
    arguments.add_argument("--changes", type=int, default=150)
    arguments.add_argument("--rate", type=int, default=200, help="endpoint changes a second")
    arguments.add_argument("--storm", type=int, default=30, help="seconds of endpoint changes")
    arguments.add_argument("--outage", type=float, default=20.0, help="seconds without API server")
    arguments.add_argument("--only", choices=PARTS, nargs="*", default=PARTS)
    given = arguments.parse_args()
    for command in (["link", "set", "lo", "up"], ["address", "add", "10.0.0.1/8", "dev", "lo"]):
        subprocess.run(["ip", *command], check=True)
    with tempfile.TemporaryDirectory(prefix="serin-bench-") as name, rig(Path(name)) as machine:
        unaudited = machine.folder / "audit.json"
        unaudited.write_text(json.dumps(NO_AUDIT))
        settings = Settings(controllers=False, more={"kube-apiserver": [f"--audit-policy-file={unaudited}"]})
        plane = ControlPlane(machine.folder / "kube", programs(API_SERVER, print), settings)
        kube, wire = Kube(plane), Wire(free_port(), plane.ports.api)
        try:
            kube.start()
            wire.up()
            echo(machine)
            asyncio.run(measure(given, machine, kube, wire))
        finally:
            wire.cut()
            kube.close()


def echo(machine: Rig) -> None:
    """The backend of all: it answers with the address that was asked."""
    server = f'server {{ listen {PORT} reuseport; location / {{ return 200 "$server_addr"; }} }}'
    nginx(machine, "echo", f"access_log off; {server}")


async def measure(given: argparse.Namespace, machine: Rig, kube: Kube, wire: Wire) -> None:
    kubeconfig = wire.kubeconfig(kube.kubeconfig)
    async with Api(kube.plane) as api:
        await found(api)
        controller = await started(machine, kubeconfig, "few")
        print(f"{FEW} Ingresses")
        small, beside_few = await few(given, api, controller)
        machine.stop(controller.process)
        began = time.monotonic()
        many = range(MORE, given.ingresses)
        await api.create(put for n in many for put in application(other(n)))
        print(f"{given.ingresses} Ingresses, Services and EndpointSlices, written in {time.monotonic() - began:.0f} s")
        list_s, compile_s = await peers(api)
        controller = await started(machine, kubeconfig, "many", (list_s, compile_s))
        if "changes" in given.only:
            compare(beside_few, await Changes(api, controller).measure(given.changes))
        await memory(given.ingresses, small, controller)
        if "storm" in given.only:
            quiet = await cluster_storm.quiet(controller)
            await cluster_storm.measure(api, controller, given.rate, given.storm, quiet)
        if "outage" in given.only:
            await Outages(api, kube, wire, controller, given.outage, given.ingresses - 400).measure()
        restarts, ghosts = controller.figures("watch_restarts_total"), controller.figures("store_ghosts_removed_total")
        print(f"  the watch was restarted {restarts:.0f} times, {ghosts:.0f} ghosts were removed")


async def found(api: Api) -> None:
    """What every measurement needs, and the first few."""
    class_ = {"metadata": {"name": "nginx"}, "spec": {"controller": "serin.dev/ingress-controller"}}
    await api.call("POST", "/apis/networking.k8s.io/v1/ingressclasses", class_)
    await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    await api.create(application("main"))
    await api.create(application("canary", at=MAIN, version=CANARY, weight=0))
    await api.create(application("moving"))
    await api.create(put for n in range(FEW) for put in application(other(n)))


async def started(machine: Rig, kubeconfig: Path, name: str, beside: tuple[float, float] | None = None) -> Controller:
    controller = launch(machine, kubeconfig, name)
    first = asyncio.create_task(Client(controller.port).until(MAIN, is_from(address(0)), controller.began, seconds=180))
    took = await ready(controller)
    cpu = cpu_seconds(controller.process.pid)
    answered = await first / 1000
    if beside is not None:
        list_s, compile_s = beside
        print(
            f"first sync: ready after {took:.1f} s, first request {answered:.1f} s;"
            f" controller {cpu:.1f} s of CPU, at most {peak_mib(controller.process.pid):.0f} MiB resident;"
            f" a plain LIST of the same takes {list_s:.1f} s, a compile {compile_s:.1f} s"
        )
        verdict("first sync, s", max(took, answered), FIRST_SYNC_BAR_S, at_most=True)
        verdict("first sync as times of a plain LIST and compile", took / (list_s + compile_s), 5, at_most=True)
    return controller


async def few(given: argparse.Namespace, api: Api, controller: Controller) -> tuple[Memory, float]:
    """Memory, and the median weight change beside 50."""
    changes = Changes(api, controller)
    if "changes" in given.only:
        await changes.measure(given.changes)
    small = await resident(controller, FEW)
    await grow(api, controller, FEW, MORE - FEW)
    beside = sorted(await changes.weights(given.changes // 2 // 2 * 2)) if "changes" in given.only else [1.0]
    return small, beside[len(beside) // 2]


async def peers(api: Api) -> tuple[float, float]:
    """Seconds for the least that anybody has to do: all objects listed as JSON; parsed and compiled."""
    began = time.monotonic()
    listed: list[Raw] = [raw for path in ALL for raw in await api.list(path)]
    list_s = time.monotonic() - began
    began, store = time.monotonic(), Store()
    for order, raw in enumerate(listed):
        view = parse_object(raw, order=order).view
        if view is not None:
            store.apply(view)
    compile_snapshot(store.snapshot(), Options(standalone=True), check_pattern)
    compile_s = time.monotonic() - began
    del listed, store
    gc.collect()
    return list_s, compile_s


async def resident(controller: Controller, count: int) -> Memory:
    """Private MiB of each process, after every host was asked once."""
    client = Client(controller.port)
    for n in range(count):
        status, _ = await client.ask(host(other(n)))
        if status != 200:
            raise RuntimeError(f"{host(other(n))} answered {status}")
    client.close()
    _, worker = controller.data_plane
    return {"controller": resident_mib(controller.process.pid), "data-plane worker": resident_mib(worker)}


async def memory(count: int, small: Memory, controller: Controller) -> None:
    large = await resident(controller, count)
    for role, mib in large.items():
        print(f"  {role:18s} {small[role]:6.1f} MiB at {FEW} → {mib:6.1f} MiB at {count}")
        verdict(
            f"{role}, MiB for 1,000 Ingresses", (mib - small[role]) / (count - FEW) * 1000, MEMORY_BAR_MIB, at_most=True
        )
