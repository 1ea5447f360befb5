"""Starts the demo's backends and `serin serve`, runs the scenarios and the releases, prints what came of them."""

import argparse
import asyncio
import contextlib
import errno
import json
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp

from serin.cli.terminal import Paint
from serin.demo.client import Client
from serin.demo.rollouts import watch
from serin.demo.scenarios import Request, Scenario, mismatches, observed_text, read
from serin.echo import running

READY_WITHIN = 30.0

Ports = dict[str, int]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="serin.demo", description=__doc__)
    parser.add_argument("folder", type=Path, help="the examples")
    parser.add_argument("--keep", action="store_true", help="go on serving, to try by hand")
    parser.add_argument("--http-port", type=int, default=0)
    parser.add_argument("--https-port", type=int, default=0)
    arguments = parser.parse_args(argv)
    if arguments.keep:
        arguments.http_port = arguments.http_port or 8080
        arguments.https_port = arguments.https_port or 8443
    try:
        return asyncio.run(demo(arguments))
    except OSError as error:
        hint = "; is another demo running?" if error.errno == errno.EADDRINUSE else ""
        print(f"serin demo: {error}{hint}", file=sys.stderr)
        return 2


async def demo(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    paint = Paint(sys.stdout)
    backends, scenarios, releases = read(arguments.folder / "expected.yaml")
    async with contextlib.AsyncExitStack() as stack:
        say(paint("dim", f"{len(backends)} demo backends: {' '.join(backend.name for backend in backends)}"))
        await stack.enter_async_context(running(backends))
        say(paint("dim", f"serin serve {arguments.folder}"))
        run_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="serin-demo-"))) / "run"
        ports = await stack.enter_async_context(serving(arguments, run_dir))
        say(paint("dim", f"ready after {time.monotonic() - started:.1f} s on http port {ports['http']}"))
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        wrong, asked = await run(Client(session, ports["http"], ports["https"]), scenarios, paint)
        if not arguments.keep:
            wrong += await watch(releases, ports["http"], run_dir, paint, say)
        verdict = paint("error", f"{wrong} not as expected") if wrong else paint("good", "all as expected")
        many = f"{len(scenarios)} scenarios, {asked} requests"
        many += "" if arguments.keep else f", {len(releases)} releases"
        say(f"\n{many} in {time.monotonic() - started:.1f} s: {verdict}")
        if arguments.keep:
            await keep(ports, scenarios, run_dir)
    return int(wrong > 0)


async def run(client: Client, scenarios: Sequence[Scenario], paint: Paint) -> tuple[int, int]:
    """Numbers of request kinds answered otherwise than expected, and of requests sent."""
    requests = [request for scenario in scenarios for request in scenario.requests]
    wide = max(len(request.text()) for request in requests)
    expected = max(len(request.expect.text()) for request in requests)
    say("\n" + paint("bold", f"    {'request':{wide}}  {'times':>5}  {'expected':{expected}}  observed"))
    wrong = 0
    for scenario in scenarios:
        say(f"{paint('bold', scenario.name)}  {scenario.about}")
        for request in scenario.requests:
            answers = await client.send_all(request)
            found = mismatches(request, answers)
            mark = paint("error", "✗") if found else paint("good", "✓")
            seen = observed_text(request, answers)
            say(f"  {mark} {request.text():{wide}}  {request.count:5}  {request.expect.text():{expected}}  {seen}")
            for line in found:
                say(paint("error", f"    {line}"))
            wrong += bool(found)
    return wrong, sum(request.count for request in requests)


@contextlib.asynccontextmanager
async def serving(arguments: argparse.Namespace, run_dir: Path) -> AsyncIterator[Ports]:
    """A ready `serin serve` on ports of its own. `run_dir` is not there yet; its log is beside it."""
    log = run_dir.with_name("log")
    ports = ("--http-port", str(arguments.http_port), "--https-port", str(arguments.https_port))
    command = (sys.executable, "-P", "-m", "serin", "serve", str(arguments.folder), "--run-dir", str(run_dir))
    options = (*ports, "--healthz-port", "0", "--workers", "2")
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, *options, stdout=output, stderr=output, process_group=0
        )
    try:
        yield await ready(process, run_dir, log)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def ready(process: asyncio.subprocess.Process, run_dir: Path, log: Path) -> Ports:
    """The ports, once /readyz is 200 there; OSError with the log when that takes too long or the process ends."""
    end = time.monotonic() + READY_WITHIN
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < end and process.returncode is None:
            with contextlib.suppress(OSError, ValueError, aiohttp.ClientError):
                ports: Ports = json.loads((run_dir / "state" / "ports.json").read_bytes())
                async with session.get(f"http://127.0.0.1:{ports['healthz']}/readyz") as response:
                    if response.status == 200:
                        return ports
            await asyncio.sleep(0.02)
    raise OSError("serin serve did not become ready:\n" + log.read_text(errors="replace"))


async def keep(ports: Ports, scenarios: Sequence[Scenario], run_dir: Path) -> None:
    say("\nServing until Ctrl-C. To try:")
    for scenario in scenarios:
        if scenario.name.startswith("canary"):
            say("  " + curl(scenario.requests[0], ports))
    say(f"  serin canary status shop --watch --run-dir {run_dir}")
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def curl(request: Request, ports: Ports) -> str:
    parts = [f"curl -s -H 'Host: {request.host}'"]
    parts += [f"-H '{name}: {value}'" for name, value in request.headers.items()]
    parts += [f"-b '{name}={value}'" for name, value in request.cookies.items()]
    return " ".join([*parts, f"http://127.0.0.1:{ports['http']}{request.path}"])


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
