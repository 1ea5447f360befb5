"""A renderer in a few lines, whose hosts hold what a test wants nginx to read, and the plans that it renders."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serin.dataplane.nginx.apply import Applier
from serin.dataplane.nginx.certificates import Certificates
from serin.dataplane.nginx.testing import TestResult
from serin.dataplane.nginx.weights_file import WeightsFile
from serin.refs import Ref, Source
from serin.render.nginx.weights import Weights
from serin.render.rundir import RunDirectory
from serin.routing.plan import Globals, Host, PathKind, PathMatch, Plan, Policy, Route, RuleId

MAIN = """pid {prefix}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    map_hash_bucket_size 256;
    server_names_hash_bucket_size 256;
    server {{ listen unix:{socket}; return 200 {digest}; }}
    map $ssl_server_name $certificate {{ default default.pem; {certified} }}
    {base}
{includes}
}}
"""


def ref(name: str, kind: str = "Ingress") -> Ref:
    return Ref(kind, "default", name)


def route(host: str, path: str, ingress: str, kind: PathKind = PathKind.PREFIX, split: str | None = None) -> Route:
    return Route(
        match=PathMatch(kind, path),
        rule=RuleId(host, path, "Prefix"),
        ingress=ref(ingress),
        split=split,
        versions=(),
        policy=Policy(),
        source=Source(ref(ingress), "spec"),
    )


def plan(*hosts: Host, settings: Globals | None = None) -> Plan:
    return Plan({h.name: h for h in hosts}, {}, {}, {}, {}, settings or Globals())


@dataclass
class StandIn:
    """Renders a host as a server with a location for each route, whose path is written as it is."""

    prefix: Path
    socket: str
    base: str = ""
    comment: str = ""
    hosts: list[str] = field(default_factory=list)
    broken: str = "<none>"

    def host(self, host: Host, globals_: Globals, weights: Weights | None) -> str:
        self.hosts.append(host.name)
        lines = [f"# host, {self.comment}", "server {", f"    listen unix:{self.prefix}/plain.sock;"]
        lines += [f'    server_name "{name}";' for name in (host.name, *host.aliases)]
        for r in host.routes:
            if r.match.path == self.broken:
                raise ValueError("a fault of the template")
            status = r.policy.closed.status if r.policy.closed else 200
            modifier = {PathKind.REGEX: "~* ", PathKind.EXACT: "= ", PathKind.PREFIX: ""}[r.match.kind]
            lines += [f"    # Ingress {r.ingress.namespace}/{r.ingress.name}: {host.name}"]
            extra = "" if r.policy.closed else r.policy.forwarded_prefix
            lines += [
                f'    location {modifier}"{r.match.path}" {{',
                f"        return {status};",
                f"        {extra}",
                "    }",
            ]
            if weights is not None and r.split is not None:
                lines += [f"    add_header weight {weights.splits[r.split].shares[0].weight};"]
        return "\n".join([*lines, "}", ""])

    def include(self, host: Host, file: str) -> object:
        return file

    def main(self, globals_: Globals, hosts: Sequence[object], certified: Mapping[str, str], digest: str) -> str:
        text: str = MAIN.format(
            prefix=self.prefix,
            socket=self.socket,
            digest=digest,
            base=self.base,
            certified=" ".join(f'"{name}" {file};' for name, file in certified.items()),
            includes="\n".join(f"    include {file};" for file in hosts),
        )
        return text


class Oracle:
    """Stands in for nginx: refuses the hosts' files in which one of `bad` is said, and names no line."""

    def __init__(self, *bad: str, named: bool = False) -> None:
        self.bad = set(bad)
        self.named = named
        self.tests: list[int] = []

    def __call__(self, main: Path) -> TestResult:
        text = main.read_text()
        files = [main.parent / name for name in re.findall(r"include (\S+);", text)]
        self.tests.append(len(files))
        for file in (main, *files):
            said = file.read_text()
            for word in sorted(self.bad):
                if word in said:
                    return TestResult(f"refused {word}", str(file) if self.named else "", 0)
        return TestResult()


@dataclass
class Bench:
    """A run directory and an Applier on it."""

    run_dir: RunDirectory
    renderer: StandIn
    applier: Applier
    clock: list[float]

    def publish(self, *hosts: Host, settings: Globals | None = None) -> None:
        assert self.run_dir.publish(plan(*hosts, settings=settings)) == {}

    @property
    def prefix(self) -> Path:
        return self.renderer.prefix

    @property
    def main(self) -> str:
        return (self.prefix / "nginx.conf").read_text()

    def host(self, name: str) -> str:
        """The file in force that serves a name."""
        for found in re.findall(r"include (\S+);", self.main):
            text: str = (self.prefix / found).read_text()
            if f'server_name "{name}";' in text:
                return text
        return ""


def bench(
    folder: Path,
    test: Callable[[Path], TestResult],
    *,
    weights: bool = False,
    certificates: Certificates | None = None,
    made: RunDirectory | None = None,
) -> Bench:
    run_dir = made or RunDirectory(folder / "run", wall_clock=lambda: 0.0)
    run_dir.create()
    prefix = run_dir.state / "nginx"
    renderer = StandIn(prefix, str(prefix / "status.sock"))
    clock = [0.0]
    applier = Applier(
        run_dir,
        prefix,
        renderer,
        test,
        renderer.socket,
        WeightsFile(run_dir.path) if weights else None,
        clock=lambda: clock[0],
        wall=lambda: 1000.0 + clock[0],
        certificates=certificates,
    )
    return Bench(run_dir, renderer, applier, clock)
