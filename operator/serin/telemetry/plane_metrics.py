"""The data plane itself under ingress-nginx's names: `nginx_process_*`, reloads, what is served.

The proxy has neither nginx's processes nor reloads; there its workers and its plans stand for them, so that dashboards
show something true.
"""

import hashlib
from dataclasses import dataclass

from serin import __version__
from serin.telemetry.exposition import Page, label_text
from serin.telemetry.ingress_metrics import PREFIX
from serin.telemetry.told import Told


@dataclass(frozen=True, slots=True)
class Processes:
    """Of all processes that serve. CPU, bytes read and written since the data plane's start, those that ended included.

    `oldest` in seconds since 1970, 0 when there are none.
    """

    number: int = 0
    cpu_seconds: float = 0.0
    read_bytes: int = 0
    write_bytes: int = 0
    resident_bytes: int = 0
    virtual_bytes: int = 0
    oldest: float = 0.0


@dataclass(frozen=True, slots=True)
class PlaneState:
    """`active` connections are in an exchange, `waiting` ones are kept open; `configuration` names what is served.

    `taken` and `failed` count configurations; `ok`: the last one was taken, at `ended_at` (0: none yet). `came`: all
    connections since the start, and those that were not closed at once.
    """

    active: int
    waiting: int
    requests: int
    configuration: str
    taken: int
    failed: int
    ok: bool
    ended_at: float = 0.0
    came: tuple[int, int] = (0, 0)


def plane_families(page: Page, state: PlaneState, processes: Processes, told: Told) -> None:
    labels = label_text(told.labels)

    def one(name: str, kind: str, text: str, value: float, more: str = "") -> None:
        page.family(PREFIX + name, kind, text)
        page.sample(PREFIX + name, f"{labels},{more}" if more else labels, value)

    about = label_text({"build": "serin", "release": __version__, "repository": "serin"})
    one("build_info", "gauge", "Version; always 1", 1, about)
    page.family(f"{PREFIX}nginx_process_connections", "gauge", "Connections of clients, by state")
    for word, count in (
        ("active", state.active + state.waiting),
        ("writing", state.active),
        ("waiting", state.waiting),
    ):
        page.sample(f"{PREFIX}nginx_process_connections", f'{labels},state="{word}"', count)
    page.family(f"{PREFIX}nginx_process_connections_total", "counter", "Connections of clients since the start")
    for word, count in zip(("accepted", "handled"), state.came, strict=True):
        page.sample(f"{PREFIX}nginx_process_connections_total", f'{labels},state="{word}"', count)
    one("nginx_process_requests_total", "counter", "Requests of clients", state.requests)
    one("nginx_process_num_procs", "gauge", "Processes that serve", processes.number)
    one("nginx_process_cpu_seconds_total", "counter", "Their CPU time", processes.cpu_seconds)
    one("nginx_process_read_bytes_total", "counter", "What they read", processes.read_bytes)
    one("nginx_process_write_bytes_total", "counter", "What they wrote", processes.write_bytes)
    one("nginx_process_resident_memory_bytes", "gauge", "Their memory in use", processes.resident_bytes)
    one("nginx_process_virtual_memory_bytes", "gauge", "Their address space", processes.virtual_bytes)
    one("nginx_process_oldest_start_time_seconds", "gauge", "Start of the oldest one", processes.oldest)
    one("success", "counter", "Configurations that were taken", state.taken)
    one("errors", "counter", "Configurations that were not", state.failed)
    one("config_hash", "gauge", "Number made from the configuration in force", hash_number(state.configuration))
    one("config_last_reload_successful", "gauge", "1 when the last configuration was taken", int(state.ok))
    if state.ended_at:
        about = "When the last configuration was taken"
        one("config_last_reload_successful_timestamp_seconds", "gauge", about, round(state.ended_at, 3))


def hash_number(text: str) -> int:
    """At most 48 bits, which a float holds exactly."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
