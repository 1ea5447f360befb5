"""From manifests to files that a real nginx takes: compile, documents, templates, `nginx -t`; nothing serves."""

import contextlib
import pathlib
import secrets
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.manifests import Manifest

from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.control.patterns import check_pattern
from serin.dataplane.fallback_certificate import keep_certificate
from serin.dataplane.nginx.apply import Applied, Applier
from serin.dataplane.nginx.assets import library
from serin.dataplane.nginx.components import Components, minimal_environment
from serin.dataplane.nginx.files import included
from serin.dataplane.nginx.rendering import Templates
from serin.dataplane.nginx.testing import NginxTest
from serin.dataplane.nginx.weights_file import WeightsFile
from serin.native.pools import PoolsFile
from serin.objects.parse import parse_objects
from serin.objects.store import Store
from serin.render.nginx.settings import LuaPaths, NginxSettings
from serin.render.rundir import RunDirectory
from serin.routing.plan import Plan


def compile_manifests(manifests: Iterable[Manifest], options: Options) -> Compiled:
    store = Store()
    for order, manifest in enumerate(manifests):
        for parsed in parse_objects(manifest, order=order, version=str(order)):
            if parsed.view is not None:
                store.apply(parsed.view)
    return compile_snapshot(store.snapshot(), options, check_pattern)


@dataclass
class Way:
    """A run directory and what puts its plan in force."""

    run_dir: RunDirectory
    pools: PoolsFile
    applier: Applier
    renderer: Templates
    weights: WeightsFile | None

    def apply(self, plan: Plan, *, full: bool = False) -> Applied:
        """ConfigurationRefusedError: nginx refuses what stands in no host's file."""
        for pool in plan.pools.values():
            self.pools.put_pool(pool)
        for split in plan.splits.values():
            self.pools.put_split(split)
        self.pools.show()
        assert self.run_dir.publish(plan) == {}
        return self.applier.apply(full=full)

    def rendered(self, plan: Plan, name: str) -> str:
        """What a host's file would be, with the weights and endpoints that are in force."""
        weights = None if self.weights is None else self.weights.current()
        return self.renderer.host(plan.hosts[name], plan.globals, weights)

    def host_files(self) -> list[str]:
        """Those in force."""
        folder = self.run_dir.state / "nginx"
        return [(folder / f"hosts/{name}.conf").read_text() for name in included((folder / "nginx.conf").read_text())]

    def host_file(self, name: str) -> str:
        """The file in force that has this server name; empty: none has."""
        return next((text for text in self.host_files() if f'server_name "{name}"' in text), "")


@contextlib.contextmanager
def way(folder: pathlib.Path, nginx: Components, *, lua: bool) -> Iterator[Way]:
    """`folder` is made; its path must be short, as there are sockets in it."""
    run_dir = RunDirectory(folder / "run")
    run_dir.create()
    keep_certificate(run_dir.state / "default.pem")
    prefix = run_dir.state / "nginx"
    with socket.socket() as http, socket.socket() as https:
        for sock in (http, https):
            sock.bind(("127.0.0.1", 0))
        settings = NginxSettings(
            run_dir=str(run_dir.path),
            prefix=str(prefix),
            http=(f"127.0.0.1:{http.getsockname()[1]}",),
            https=(f"127.0.0.1:{https.getsockname()[1]}",),
            status_socket=str(folder / "status.sock"),
            lua=LuaPaths(nginx.package_path, str(library())) if lua else None,
            modules=nginx.modules if lua else (),
            stream=nginx.stream,
            stream_module=nginx.stream_module,
            half_close=nginx.half_close,
        )
        test = NginxTest(nginx.binary, prefix, (http.fileno(), https.fileno()), minimal_environment(nginx))
        weights = None if lua else WeightsFile(run_dir.path)
        renderer = Templates(settings)
        with contextlib.closing(
            PoolsFile.open(run_dir.plan / "pools.bin", lambda: secrets.randbits(64), time.monotonic)
        ) as pools:
            yield Way(
                *(run_dir, pools),
                Applier(run_dir, prefix, renderer, test, settings.status_socket, weights),
                *(renderer, weights),
            )
