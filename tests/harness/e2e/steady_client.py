"""Run inside a node's network namespace: requests at a constant rate, whatever becomes of the answers.

Started by harness.e2e.steady; prints one JSON line for each request when it has ended: [sent, done, status, backend,
error], times by the machine's monotonic clock. Every second request uses a connection of its own, the others one that
was kept alive, as clients do; of a kept one that is closed without a byte aiohttp asks again (RFC 9112, 9.3.1).
"""

import argparse
import asyncio
import json
import signal
import time

import aiohttp

_PATIENCE = 15.0
_OPEN_AT_ONCE = 400


async def ask(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> None:
    sent = time.monotonic()
    status, backend, error = 0, "-", ""
    try:
        async with session.get(url, headers=headers, allow_redirects=False) as answer:
            await answer.read()
            status, backend = answer.status, answer.headers.get("X-Echo-Backend", "-")
    except (TimeoutError, aiohttp.ClientError, OSError) as problem:
        error = f"{'fresh' if session.connector and session.connector.force_close else 'kept'}: {problem!r}"
    print(json.dumps([sent, time.monotonic(), status, backend, error]), flush=True)


async def run(options: argparse.Namespace) -> None:
    headers = dict(each.partition("=")[::2] for each in options.header)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    timeout = aiohttp.ClientTimeout(total=_PATIENCE)
    kept = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=_OPEN_AT_ONCE))
    fresh = aiohttp.ClientSession(
        timeout=timeout, connector=aiohttp.TCPConnector(limit=_OPEN_AT_ONCE, force_close=True)
    )
    running: set[asyncio.Task[None]] = set()
    async with kept, fresh:
        begun = time.monotonic()
        for number in range(int(options.rate * options.seconds)):
            wait = begun + number / options.rate - time.monotonic()
            try:
                await asyncio.wait_for(ended.wait(), max(wait, 0.0001))
                break
            except TimeoutError:
                task = asyncio.create_task(ask((kept, fresh)[number % 2], options.url, headers))
                running.add(task)
                task.add_done_callback(running.discard)
        await asyncio.gather(*running)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--seconds", type=float, required=True, help="at most")
    parser.add_argument("--header", action="append", default=[], metavar="NAME=VALUE")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
