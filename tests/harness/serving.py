"""`serin serve` as a real process on free ports of the loopback interface."""

import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from harness.waiting import until
from harness.wire import Door

STARTING = 90.0
STOPPING = 60.0


@dataclass
class Serving:
    """A running `serin serve` (or `serin data-plane`) and where it listens."""

    process: subprocess.Popen[bytes]
    run_dir: pathlib.Path
    log: pathlib.Path
    door: Door
    healthz: int

    def get(self, path: str) -> tuple[int, str]:
        """An answer of the healthz port; status 0 when there is none."""
        return ask_healthz(self.healthz, path)

    def is_ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def workers(self) -> list[int]:
        """Process ids of the workers that take new connections."""
        if master := self.master():
            return [pid for pid in descendants(master) if command_line(pid).rstrip(b"\0 ").endswith(b"worker process")]
        return [pid for pid in descendants(self.process.pid) if b"serin.dataplane.proxy" in command_line(pid)]

    def master(self) -> int:
        """Process id of nginx's master; 0 where there is none."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int((self.run_dir / "state" / "nginx" / "nginx.pid").read_text())
            return pid if is_running(pid) else 0
        return 0

    def data_plane(self) -> int:
        """Process id of the data plane's parent; 0 while it has not told its ports."""
        with contextlib.suppress(FileNotFoundError):
            return int(json.loads((self.run_dir / "state" / "ports.json").read_text())["pid"])
        return 0

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not stop in {STOPPING} s:\n{self.output()[-4000:]}") from None


def launch(folder: pathlib.Path, *options: str, run_dir: pathlib.Path | None = None) -> Serving:
    """Start `serin serve FOLDER` without waiting for it."""
    run_dir = run_dir or folder.with_name(folder.name + ".run")
    ports = ("--http-port", "0", "--https-port", "0", "--healthz-port", "0")
    return launch_command("serve", str(folder), "--bind", "127.0.0.1", *ports, *options, run_dir=run_dir)


def launch_command(*arguments: str, run_dir: pathlib.Path) -> Serving:
    log = run_dir.with_name(run_dir.name + ".log")
    with log.open("ab") as output:
        command = [sys.executable, "-m", "serin", *arguments, "--run-dir", str(run_dir)]
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    return Serving(process, run_dir, log, Door(("127.0.0.1", 0)), 0)


def await_ready(serving: Serving) -> Serving:
    """Fill in the ports once they are known and wait for /readyz."""
    return _awaited(serving, ready=True)


def await_ports(serving: Serving) -> Serving:
    """Fill in the ports once they are known, ready or not."""
    return _awaited(serving, ready=False)


def _awaited(serving: Serving, *, ready: bool) -> Serving:
    ports = serving.run_dir / "state" / "ports.json"

    def known() -> bool:
        """Anew each time: a data plane that was killed may have left its file behind."""
        if serving.process.poll() is not None:
            raise AssertionError(f"ended with {serving.process.returncode}:\n{serving.output()[-4000:]}")
        with contextlib.suppress(FileNotFoundError):
            found: dict[str, int] = json.loads(ports.read_text())
            serving.door = Door(("127.0.0.1", found["http"]), ("127.0.0.1", found["https"]))
            serving.healthz = found["healthz"]
            return is_running(found["pid"])
        return False

    try:
        until(known, "ports.json", seconds=STARTING)
        if ready:
            until(lambda: known() and serving.is_ready(), "/readyz", seconds=STARTING)
    except AssertionError as error:
        if serving.process.poll() is None:
            serving.stop()
        raise AssertionError(f"{error}\n{serving.output()[-4000:]}") from None
    return serving


def is_running(pid: int) -> bool:
    """Not ended, nor waiting to be reaped (state Z of proc(5))."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextlib.contextmanager
def serve(folder: pathlib.Path, *options: str, run_dir: pathlib.Path | None = None) -> Iterator[Serving]:
    """A ready `serin serve FOLDER`, stopped at the end."""
    serving = await_ready(launch(folder, *options, run_dir=run_dir))
    try:
        yield serving
    finally:
        if serving.process.poll() is None:
            serving.stop()


def ask_healthz(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def figure(page: str, name: str) -> float:
    """The sum of a metric's samples on a page of /metrics; 0 when it has none."""
    lines = [line for line in page.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def descendants(pid: int) -> list[int]:
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *descendants(child)]
    return found


def command_line(pid: int) -> bytes:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
