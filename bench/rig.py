"""What the measurements share: processes started on free ports and ended by pid, wrk, an Ingress to serve.

A measurement compares contenders in one run, interleaved, and takes medians: figures of this kind of machine move by a
tenth from run to run, ratios by half of that.
"""

import base64
import contextlib
import datetime as dt
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, str(Path(__file__).parents[1]))  # localnginx/, which is not installed

from localnginx import nginx as nginx_tree
from localnginx import peers
from localnginx.errors import LocalNginxError

HOST = "bench.example.com"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def have(program: str) -> str | None:
    """Path of a program: on PATH, or of a Debian package that is unpacked beside the system; why not is said loudly."""
    try:
        return str(peers.program(program, print))
    except LocalNginxError as error:
        print(f"  LEFT OUT  {error}")
        return None


def need(program: str, package: str) -> str:
    """The same for what nothing can be measured without."""
    path = have(program)
    if path is None:
        sys.exit(f"{program} is needed for this measurement: install the package {package}")
    return path


def need_nginx_with_lua() -> None:
    """Find or unpack it, for the `serin` processes that are started after this."""
    try:
        root = nginx_tree.install(print)
    except LocalNginxError as error:
        sys.exit(f"nginx with Lua is needed for this measurement: {error}")
    if str(root) != "/":
        os.environ[nginx_tree.VARIABLE] = str(root)


@dataclass
class Rig:
    """Processes of one measurement and the folder they write to."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *command: str | Path, name: str = "process") -> subprocess.Popen[bytes]:
        log = (self.folder / f"{name}.log").open("ab")
        process = subprocess.Popen([str(c) for c in command], stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        self.processes.remove(process)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop_all(self) -> None:
        for process in list(reversed(self.processes)):
            self.stop(process)


@contextlib.contextmanager
def rig(folder: Path) -> Iterator[Rig]:
    made = Rig(folder)
    try:
        yield made
    finally:
        made.stop_all()


def wait_http(url: str, *, host: str = "", seconds: float = 60.0) -> None:
    """Until `url` answers 200; RuntimeError when it does not in `seconds`."""
    end = time.monotonic() + seconds
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    while time.monotonic() < end:
        with contextlib.suppress(OSError, urllib.error.URLError):
            if urllib.request.urlopen(request, timeout=1).status == 200:
                return
        time.sleep(0.02)
    raise RuntimeError(f"no answer from {url}")


def nginx(rig: Rig, name: str, http: str) -> subprocess.Popen[bytes]:
    """An nginx with one worker and `http` in its http block."""
    conf = rig.folder / f"{name}.conf"
    user = "user root; " if os.geteuid() == 0 else ""
    conf.write_text(
        textwrap.dedent(f"""
        {user}daemon off; worker_processes 1; pid {rig.folder}/{name}.pid; error_log {rig.folder}/{name}.err;
        events {{ worker_connections 4096; }}
        http {{
          client_body_temp_path {rig.folder}/{name}-body; proxy_temp_path {rig.folder}/{name}-proxy;
          fastcgi_temp_path {rig.folder}/{name}-f; uwsgi_temp_path {rig.folder}/{name}-u;
          scgi_temp_path {rig.folder}/{name}-s;
          keepalive_requests 1000000;
        """)
        + http
        + "}\n"
    )
    return rig.start(need("nginx", "nginx-core"), "-c", conf, "-p", rig.folder, name=name)


def backend(rig: Rig, *, size: int = 12) -> int:
    """A backend with small answers; its port."""
    port = free_port()
    (rig.folder / "root").mkdir(exist_ok=True)
    (rig.folder / "root" / "index.html").write_text("x" * size)
    nginx(
        rig,
        f"backend-{port}",
        f"access_log off; server {{ listen 127.0.0.1:{port} reuseport; root {rig.folder}/root; }}",
    )
    wait_http(f"http://127.0.0.1:{port}/")
    return port


def manifest(
    name: str, host: str, port: int, *, canary_weight: int | None = None, path: str = "/", address: str = "127.0.0.1"
) -> str:
    """An Ingress with its Service and EndpointSlice; with `canary_weight` it is a canary of `host`."""
    notes = ""
    if canary_weight is not None:
        notes = (
            "\n  annotations: {nginx.ingress.kubernetes.io/canary: 'true', "
            f"nginx.ingress.kubernetes.io/canary-weight: '{canary_weight}'}}"
        )
    return f"""apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: bench{notes}
spec:
  ingressClassName: nginx
  rules:
  - host: {host}
    http:
      paths:
      - path: {path}
        pathType: Prefix
        backend: {{service: {{name: {name}, port: {{number: 80}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: bench}}
spec: {{ports: [{{name: http, port: 80, targetPort: {port}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, namespace: bench, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
endpoints: [{{addresses: [{address}], conditions: {{ready: true}}}}]
ports: [{{name: http, port: {port}, protocol: TCP}}]
"""


def certified(folder: Path, name: str, host: str) -> Path:
    """Give the Ingress in NAME.yaml of `folder` a Secret with a certificate of its own; the file with both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    tls = f"  tls: [{{hosts: [{host}], secretName: {name}-tls}}]\n  rules:\n"
    path = folder / f"{name}.yaml"
    text = path.read_text().replace("  rules:\n", tls, 1)
    note = "\n  annotations: {nginx.ingress.kubernetes.io/ssl-redirect: 'false'}\nspec"
    path.write_text(text.replace("\nspec", note, 1))
    data = f"tls.crt: {base64.b64encode(chain).decode()}, tls.key: {base64.b64encode(private).decode()}"
    (folder / f"{name}-tls.yaml").write_text(
        "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\n"
        f"metadata: {{name: {name}-tls, namespace: bench}}\ndata: {{{data}}}\n"
    )
    pem = folder.parent / f"{name}.pem"
    pem.write_bytes(chain + private)
    return pem


@dataclass(frozen=True)
class Served:
    """A `serin serve` under measurement."""

    process: subprocess.Popen[bytes]
    port: int
    health: int
    run_dir: Path
    https: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


def serin(
    rig: Rig,
    manifests: Path,
    *options: str,
    workers: int = 1,
    name: str = "serin",
    seconds: float = 120.0,
) -> Served:
    """`serin serve` with everything on: access log, statistics, canary decision."""
    port, https, health = free_port(), free_port(), free_port()
    run_dir = rig.folder / f"{name}.run"
    executable = Path(sys.executable).with_name("serin")
    ports = ("--http-port", str(port), "--https-port", str(https), "--healthz-port", str(health))
    process = rig.start(
        executable, "serve", manifests, "--workers", str(workers), "--run-dir", run_dir, *ports, *options, name=name
    )
    wait_http(f"http://127.0.0.1:{health}/readyz", seconds=seconds)
    return Served(process, port, health, run_dir, https)


@dataclass(frozen=True)
class Load:
    """What wrk measured: requests a second, 99th percentile in ms, answers that were not 2xx or 3xx, socket errors."""

    rate: float
    p99_ms: float
    bad: int
    errors: int


def unlike(folder: Path, *, headers: bool) -> Path:
    """A wrk script whose requests differ in their targets, or in a header too: nothing remembered of them is of use."""
    script = folder / "unlike.lua"
    block = '{["X-N"] = tostring(n)}' if headers else "nil"
    script.write_text(f"""local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", "/?n=" .. n, {block})
end
""")
    return script


def wrk(
    url: str,
    *,
    host: str = HOST,
    connections: int = 32,
    seconds: int = 2,
    headers: tuple[str, ...] = (),
    script: Path | None = None,
) -> Load:
    command = [need("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H", f"Host: {host}"]
    for header in headers:
        command += ["-H", header]
    if script is not None:
        command += ["-s", str(script)]
    text = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    if rate is None or p99 is None:
        raise RuntimeError(f"wrk said: {text}")
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]]
    return Load(
        float(rate[1]),
        float(p99[1]) * unit,
        int(bad[1]) if bad else 0,
        sum(int(n) for n in errors.groups()) if errors else 0,
    )


def h2load(port: int, host: str, *, connections: int, streams: int, each: int) -> Load:
    """HTTP/2 over TLS: `each` requests on every connection, `streams` at once; no percentile.

    A server may end a connection after its keepalive_requests, which this client does not get over. FileNotFoundError
    without the client.
    """
    path = have("h2load")
    if path is None:
        raise FileNotFoundError("h2load")
    options = ["-t1", f"-c{connections}", f"-m{streams}", f"-n{connections * each}"]
    where = (f"--connect-to=127.0.0.1:{port}", f"https://{host}:{port}/")
    text = subprocess.run([path, *options, *where], capture_output=True, text=True, check=True).stdout
    rate = re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", text)
    wrong = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", text)
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    if rate is None or wrong is None or codes is None:
        raise RuntimeError(f"h2load said: {text}")
    return Load(float(rate[1]), 0.0, int(codes[3]) + int(codes[4]), sum(map(int, wrong.groups())))


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(c) for c in listed]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def interleaved(contenders: dict[str, Callable[[], Load]], *, rounds: int = 3) -> dict[str, Load]:
    """Each contender measured once a round; the median rate and p99, the sum of what went wrong."""
    seen: dict[str, list[Load]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            seen[name].append(run())
    return {
        name: Load(
            statistics.median(x.rate for x in loads),
            statistics.median(x.p99_ms for x in loads),
            sum(x.bad for x in loads),
            sum(x.errors for x in loads),
        )
        for name, loads in seen.items()
    }


def resident_mib(pid: int) -> float:
    """Private memory of a process in MiB (what it would give back when it ended)."""
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean:", "Private_Dirty:")):
            total += int(line.split()[1])
    return total / 1024


def verdict(name: str, value: float, bar: float, *, at_most: bool) -> None:
    met = value <= bar if at_most else value >= bar
    sign = "≤" if at_most else "≥"
    print(f"  {'met ' if met else 'MISS'}  {name}: {value:.2f} (bar {sign} {bar})")
