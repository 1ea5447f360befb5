"""Releases that others judge, by `serin serve`: a webhook has to pass, a number of Prometheus may not fall."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from harness.manifests import NAMESPACE, Manifest, encoded, put
from harness.rollouts import WIDE, Watched, canary_route, step
from harness.waiting import until
from harness.world import World


class Judge(ThreadingHTTPServer):
    """Both in one: POST is answered with `status`, GET with the number `value`. Keeps what it was told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 425
        self.value = "1"
        self.told: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Judge

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.told.append(json.loads(self.rfile.read(length)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization", "")))
        found = {"resultType": "vector", "result": [{"metric": {}, "value": [0, self.server.value]}]}
        body = json.dumps({"status": "success", "data": found}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def judge() -> Iterator[Judge]:
    made = Judge()
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(10)


def asked(kind: str, **more: Any) -> Manifest:
    return {"name": "outside", "type": kind, "warmup": "0s", "interval": "5s", "failureThreshold": 1, **more}


def test_a_release_waits_for_a_webhook(world: World, judge: Judge) -> None:
    serving = world.serve()
    check = asked("Webhook", webhook={"url": f"{judge.url}/gate"})
    put(world.folder / "shop.yaml", canary_route(step("20%"), step("100%"), checks=(check,), revision="2"))
    watched = Watched(serving)
    until(lambda: judge.told, "a question", seconds=WIDE)
    assert (judge.told[0]["version"], judge.told[0]["weight"], judge.told[0]["step"]) == ("canary", "20%", 1)
    assert watched.status["rollout"]["step"] == 1
    judge.status = 200
    status = watched.becomes("Promoted")
    assert status["rollout"]["outcome"] == "Promoted"
    assert {told["step"] for told in judge.told} == {1, 2}, "each step is asked about anew"


def test_a_number_that_falls_takes_a_release_back(world: World, judge: Judge) -> None:
    serving = world.serve()
    source = {"address": judge.url, "query": 'orders{v="{{version}}"}', "secretRef": {"name": "keys"}}
    check = asked("Prometheus", prometheus=source, min="0.9")
    metadata = {"name": "keys", "namespace": NAMESPACE}
    put(
        world.folder / "keys.yaml",
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"token": encoded(b"word")}},
    )
    put(world.folder / "shop.yaml", canary_route(step("20%", "1h"), checks=(check,)))
    watched = Watched(serving)
    until(lambda: judge.asked, "a question", seconds=WIDE)
    assert judge.asked[0] == ("/api/v1/query?query=orders%7Bv%3D%22canary%22%7D", "Bearer word")
    judge.value = "0.5"
    status = watched.becomes("RolledBack")
    assert "0.5 is below 0.9" in status["message"] or any(
        "0.5 is below 0.9" in each.get("message", "") for each in status["checks"]
    )
    world.settle(serving, "main")
