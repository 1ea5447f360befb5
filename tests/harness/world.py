"""The world of a drill: a folder of manifests that changes, backends, and what serves them."""

import pathlib
from dataclasses import dataclass, field

from harness.backends import Backends
from harness.planes import PROXY, Plane
from harness.serving import Serving, await_ready, figure, launch
from harness.waiting import until
from harness.wire import Request

HOST = "drill.example"
STEADY = 60
"""So many right answers in a row, each on a connection of its own, mean that every worker has the change."""


@dataclass
class World:
    folder: pathlib.Path
    backends: Backends
    plane: Plane = PROXY
    started: list[Serving] = field(default_factory=list)

    def address(self, number: int) -> str:
        return self.backends.network.loopback(f"10.99.0.{number}")

    def serve(self, *options: str, run_dir: pathlib.Path | None = None) -> Serving:
        serving = await_ready(launch(self.folder, "--workers", "2", *self.plane.options, *options, run_dir=run_dir))
        self.started.append(serving)
        return serving

    def reloads(self, serving: Serving) -> int:
        """How often nginx took a new configuration, or was asked to; 0 with the proxy, which has none."""
        return int(figure(serving.get("/metrics")[1], "serin_nginx_reloads_total"))

    def backend(self, serving: Serving, host: str = HOST, **request: object) -> str:
        """Who answers a request now; the status where nobody's backend did."""
        reply = serving.door.send(Request(host=host, **request))  # type: ignore[arg-type]
        return reply.first("x-echo-backend") or str(reply.status)

    def settle(self, serving: Serving, backend: str, host: str = HOST) -> None:
        """Wait until everybody is sent to `backend`."""

        def steady() -> bool:
            return all(self.backend(serving, host) == backend for _ in range(STEADY))

        until(steady, f"{backend} to answer")
