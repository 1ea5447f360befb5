"""A run directory as a controller leaves it: one host whose requests go to one pool."""

import itertools
import time
from pathlib import Path

from serin.native.pools import PoolsFile
from serin.refs import Ref
from serin.render.rundir import RunDirectory
from serin.routing.plan import (
    Endpoint,
    Host,
    PathKind,
    PathMatch,
    Plan,
    Policy,
    Pool,
    PoolSpec,
    Route,
    RuleId,
    Share,
    Split,
    VersionRoute,
)

HOST = "shop.example"
SPLIT, POOL, VERSION = "00000000000000aa", "00000000000000bb", "00000000000000cc"
_numbers = itertools.count(1)


class Published:
    """Holds pools.bin open, as a controller does."""

    def __init__(self, path: Path) -> None:
        self._run_dir = RunDirectory(path)
        self._run_dir.create()
        self._pools = PoolsFile.open(path / "plan" / "pools.bin", lambda: next(_numbers) * 7919, time.monotonic)
        self._pools.show()

    def pool(self, *endpoints: Endpoint, external: str = "", port: int = 0) -> None:
        spec = PoolSpec(POOL, "prod", "web", 80)
        self._pools.put_pool(Pool(spec, endpoints, external=external, external_port=port))
        self._pools.put_split(Split(SPLIT, RuleId(HOST, "/", "Prefix"), (Share(VERSION, POOL, 100),)))

    def plan(self, *paths: str) -> None:
        """The routes; each path more makes another document."""
        hosts = {HOST: Host(HOST, tuple(route(path) for path in (*paths, "/")))}
        self._run_dir.publish(Plan(hosts=hosts, splits={}, pools={}, certificates={}, users={}))

    def close(self) -> None:
        self._pools.close()


def route(path: str) -> Route:
    ingress = Ref("Ingress", "prod", "shop")
    version = VersionRoute(VERSION, "web", ingress, "web", "80", POOL)
    match = PathMatch(PathKind.PREFIX, path)
    return Route(match, RuleId(HOST, path, "Prefix"), ingress, SPLIT, (version,), Policy())
