"""The proxy beside a hand-written nginx with one worker and a plain aiohttp proxy, in one run.

Bars: at least 0.52 of nginx (what ingress-nginx 1.15.1 itself reaches on this work), at least 3 times plain aiohttp.
Small answers, 32 connections, all of Serin's features on: a canary with weight 10, access log, statistics.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rig import (
    HOST,
    Load,
    Rig,
    backend,
    free_port,
    interleaved,
    manifest,
    nginx,
    rig,
    serin,
    unlike,
    verdict,
    wait_http,
    wrk,
)

HEADERS = """
          proxy_set_header Host $host; proxy_set_header X-Request-ID $request_id;
          proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $remote_addr;
          proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Port $server_port;
          proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Scheme $scheme;
          proxy_set_header X-Scheme $scheme; proxy_set_header Connection "";
"""


def hand_written(rig: Rig, target: int, log: str) -> int:
    port = free_port()
    nginx(
        rig,
        f"nginx-{port}",
        f"""
        access_log {log};
        upstream u {{ server 127.0.0.1:{target}; keepalive 320; keepalive_requests 1000000; }}
        server {{ listen 127.0.0.1:{port} reuseport; server_name {HOST};
          location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_buffering off; {HEADERS} }} }}
        """,
    )
    wait_http(f"http://127.0.0.1:{port}/", host=HOST)
    return port


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--connections", type=int, default=32)
    arguments.add_argument("--seconds", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--headers", type=int, default=0, help="further request headers")
    arguments.add_argument("--unlike", choices=("targets", "headers"), help="what differs from request to request")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="serin-bench-") as name, rig(Path(name)) as machine:
        folder = Path(name)
        target = backend(machine)
        manifests = folder / "manifests"
        manifests.mkdir()
        (manifests / "main.yaml").write_text(manifest("main", HOST, target))
        (manifests / "canary.yaml").write_text(manifest("canary", HOST, target, canary_weight=10))
        served = serin(machine, manifests)
        bare = hand_written(machine, target, "off")
        logging = hand_written(machine, target, f"{folder}/access.log combined buffer=64k flush=1s")
        plain = free_port()
        machine.start(
            sys.executable, Path(__file__).with_name("plain_proxy.py"), str(plain), f"http://127.0.0.1:{target}"
        )
        wait_http(f"http://127.0.0.1:{plain}/")
        script = unlike(folder, headers=given.unlike == "headers") if given.unlike else None
        extra = tuple(f"X-Extra-{n}: {'v' * 20}" for n in range(given.headers))

        def load(port: int) -> Callable[[], Load]:
            return lambda: wrk(
                f"http://127.0.0.1:{port}/",
                connections=given.connections,
                seconds=given.seconds,
                headers=extra,
                script=script,
            )

        ports = {
            "nginx, no access log": bare,
            "nginx, access log": logging,
            "serin": served.port,
            "plain aiohttp": plain,
        }
        seen = interleaved({k: load(p) for k, p in ports.items()}, rounds=given.rounds)
    base = seen["nginx, no access log"].rate
    kind = f"{given.unlike} unlike each other" if given.unlike else "one request repeated"
    print(
        f"proxy, 1 worker, {given.connections} connections, small answers, {1 + given.headers} request headers, {kind}"
    )
    for contender, result in seen.items():
        print(
            f"  {contender:22s} {result.rate:9.0f} req/s  {result.rate / base:5.2f} of nginx"
            f"  p99 {result.p99_ms:6.2f} ms  wrong {result.bad + result.errors}"
        )
    verdict("of nginx without access log", seen["serin"].rate / base, 0.52, at_most=False)
    verdict("of nginx with access log", seen["serin"].rate / seen["nginx, access log"].rate, 0.52, at_most=False)
    verdict("times plain aiohttp", seen["serin"].rate / seen["plain aiohttp"].rate, 3.0, at_most=False)


if __name__ == "__main__":
    main()
