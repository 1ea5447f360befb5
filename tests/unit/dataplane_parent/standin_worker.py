"""A worker in miniature for the parent's tests: the same settings, status lines and signals; one answer a connection.

Files beside the run directory make it misbehave: `exit` (ends at start with that code), `mute` (never says ready).
A request for /slow is answered when the file `release` appears; /die kills the process in the middle of it.
"""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

SETTINGS = json.loads(os.environ["SERIN_WORKER"])
RUN_DIR = Path(SETTINGS["run_dir"])


def say(line: str) -> None:
    os.write(SETTINGS["status_fd"], f"{line}\n".encode())


def generation() -> str:
    return (RUN_DIR / "plan" / "generation").read_text().strip()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET /die"):
            os.kill(os.getpid(), signal.SIGKILL)
        while head.startswith(b"GET /slow") and not (RUN_DIR / "release").exists():
            await asyncio.sleep(0.005)
        body = f"{os.getpid()} {SETTINGS['index']}".encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
    finally:
        writer.close()


async def follow_plan(known: str) -> None:
    while True:
        await asyncio.sleep(0.005)
        if (now := generation()) != known:
            known = now
            say(f"plan {now}")


async def main() -> None:
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ending.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: (RUN_DIR / f"usr1-{os.getpid()}").touch())
    servers = [
        await asyncio.start_server(answer, sock=socket.socket(fileno=fd))
        for fd in (*SETTINGS["http_fds"], *SETTINGS["https_fds"])
    ]
    plan = asyncio.create_task(follow_plan(generation()))
    say("connections 0 1 0 3 2")
    if not (RUN_DIR / "mute").exists():
        say(f"ready {generation()}")
    await ending.wait()
    # stop accepting, then close: a server that is closed refuses what it just accepted (its _attach asserts), which
    # is a task of asyncio's own before it is one of ours
    for listening in (sock for server in servers for sock in server.sockets):
        loop.remove_reader(listening.fileno())
    while accepted := [task for task in asyncio.all_tasks() if "_accept_connection" in repr(task.get_coro())]:
        await asyncio.wait(accepted)
    for server in servers:
        server.close()
    await asyncio.sleep(0)
    while others := asyncio.all_tasks() - {asyncio.current_task(), plan}:
        await asyncio.wait(others)
    plan.cancel()


code = RUN_DIR / "exit"
if code.exists():
    os._exit(int(code.read_text()))
asyncio.run(main())
