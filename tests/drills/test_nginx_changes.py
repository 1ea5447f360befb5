"""What the nginx plane takes up while requests, WebSockets and gRPC calls go on, and what it refuses."""

import contextlib
import pathlib
import time
from collections.abc import Iterator

import pytest
from harness import picky_nginx
from harness.casefile import self_signed
from harness.http2 import STREAM_PATH, Client, grpc_message
from harness.load import load
from harness.manifests import canary, endpoint_slice, ingress, put, tls_secret
from harness.planes import NGINX, Plane, parameter, require
from harness.serving import Serving, figure
from harness.waiting import until
from harness.wire import Request
from harness.world import HOST, World

GRPC_HOST = "grpc.example"


@pytest.fixture(params=[parameter(NGINX)])
def plane(request: pytest.FixtureRequest) -> Plane:
    """Not the proxy."""
    found: Plane = request.param
    require(found)
    return found


@contextlib.contextmanager
def call(serving: Serving) -> Iterator[Client]:
    client = Client(serving.door.connect(tls=True, server_name=GRPC_HOST, alpn="h2"))
    try:
        yield client
    finally:
        client.close()


def reload_for(world: World, serving: Serving, name: str) -> None:
    """A new host, which nothing but a reload can serve."""
    before = world.reloads(serving)
    put(world.folder / f"{name}.yaml", ingress(name, f"{name}.example", "canary2"))
    world.settle(serving, "canary2", host=f"{name}.example")
    until(lambda: world.reloads(serving) > before, "the reload's figure")


def test_grpc_call_lives_through_weights_endpoints_and_a_reload(world: World) -> None:
    put(world.folder / "secret.yaml", tls_secret("cert", *self_signed(GRPC_HOST)))
    speaks = ingress("grpc", GRPC_HOST, "main", backend_protocol="GRPC")
    speaks["spec"]["tls"] = [{"hosts": [GRPC_HOST], "secretName": "cert"}]
    put(world.folder / "grpc.yaml", speaks)
    weighted = world.folder / "canary.yaml"
    put(weighted, canary("canary", GRPC_HOST, "canary", weight="0"))
    serving = world.serve()

    def called() -> str:
        request = Request(
            host=GRPC_HOST, http2=True, method="POST", headers=(("content-type", "application/grpc"),), body=b""
        )
        return serving.door.send(request).first("x-echo-backend") or ""

    with call(serving) as client:
        stream = client.open(GRPC_HOST, STREAM_PATH, headers=[("content-type", "application/grpc"), ("te", "trailers")])

        def talk(word: bytes) -> bytes:
            message = grpc_message(word)
            client.send(stream, message)
            return client.read(stream, len(message))[5:]

        assert talk(b"before") == b"before"
        put(weighted, canary("canary", GRPC_HOST, "canary", weight="100"))
        until(lambda: called() == "canary", "the weight")
        assert talk(b"weight") == b"weight"
        put(world.folder / "slice-main.yaml", endpoint_slice("main", [world.address(22)]))
        put(weighted, canary("canary", GRPC_HOST, "canary", weight="0"))
        until(lambda: called() == "canary2", "the endpoint")
        assert talk(b"endpoints") == b"endpoints"
        reload_for(world, serving, "other")
        assert talk(b"reload") == b"reload"
        client.send(stream, end=True)
        assert client.finish(stream) == b""
        assert dict(client.headers[stream])["x-echo-backend"] == "main"
        assert dict(client.trailers[stream])["grpc-status"] == "0"


def test_http2_connection_serves_many_streams_at_once(world: World) -> None:
    put(world.folder / "secret.yaml", tls_secret("cert", *self_signed(HOST)))
    served = ingress("main", HOST, "main")
    served["spec"]["tls"] = [{"hosts": [HOST], "secretName": "cert"}]
    put(world.folder / "main.yaml", served)
    put(world.folder / "canary.yaml", canary("canary", HOST, "canary", weight="50"))
    serving = world.serve()
    with contextlib.closing(Client(serving.door.connect(tls=True, server_name=HOST, alpn="h2"))) as client:
        streams = [client.open(HOST, "/?sleep=50ms", method="GET", end=True) for _ in range(40)]
        began = time.monotonic()
        backends = []
        for stream in streams:
            client.finish(stream)
            assert client.status(stream) == 200
            backends.append(dict(client.headers[stream])["x-echo-backend"])
        assert time.monotonic() - began < 1.5, "side by side, not one after the other"
    assert backends.count("canary") in range(18, 23)


REFUSED = ingress("refused", "refused.example", "canary2", proxy_read_timeout="54321")
"""Refused by the nginx of these tests."""


@pytest.fixture
def picky(world: World, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("SERIN_NGINX", str(picky_nginx.make(tmp_path / "picky", "54321")))
    return world


def test_object_that_nginx_refuses_is_set_aside_alone(picky: World) -> None:
    """Its routes answer 503 and say so; everything else goes live, also what came in the same moment."""
    world, serving = picky, picky.serve()
    with load(serving.door, HOST, again=True) as running:
        put(world.folder / "both.yaml", REFUSED, ingress("good", "good.example", "canary2"))
        world.settle(serving, "canary2", host="good.example")
        until(lambda: world.backend(serving, "refused.example") == "503", "503 from what was set aside")
        until(lambda: quarantined(serving) == 1, "the figure")
        until(lambda: "drills/refused" in serving.output(), "a word about it")
        put(world.folder / "later.yaml", ingress("later", "later.example", "canary2"))
        world.settle(serving, "canary2", host="later.example")
        assert serving.is_ready()
        put(world.folder / "both.yaml", ingress("refused", "refused.example", "canary2"))
        world.settle(serving, "canary2", host="refused.example")
        until(lambda: quarantined(serving) == 0, "nothing in quarantine")
    assert not running.lost()
    assert set(running.since(0)) == {"200 main"}


def test_object_of_a_shared_host_leaves_the_others_routes_alone(picky: World) -> None:
    world, serving = picky, picky.serve()
    with load(serving.door, HOST, again=True) as running:
        put(
            world.folder / "beside.yaml", ingress("beside", HOST, "canary2", path="/beside", proxy_read_timeout="54321")
        )
        until(lambda: world.backend(serving, path="/beside") == "503", "503 on its path")
        put(world.folder / "third.yaml", ingress("third", HOST, "canary2", path="/third"))
        until(lambda: world.backend(serving, path="/third") == "canary2", "another path of the host")
        assert world.backend(serving, path="/beside") == "503"
    assert not running.lost()
    assert set(running.since(0)) == {"200 main"}


def test_refused_object_that_is_there_at_start_keeps_nothing_from_starting(picky: World) -> None:
    world = picky
    first = world.serve()
    assert first.stop() == 0
    put(world.folder / "bad.yaml", REFUSED)
    second = world.serve()
    world.settle(second, "main")
    until(lambda: world.backend(second, "refused.example") == "503", "503 from what was set aside")


def quarantined(serving: Serving) -> int:
    return int(figure(serving.get("/metrics")[1], "serin_nginx_quarantined_objects"))


@pytest.mark.parametrize(
    ("name", "manifest"),
    [
        ("timeout", [ingress("odd", "odd.example", "canary2", proxy_read_timeout="-1")]),
        ("pattern", [ingress("odd", "odd.example", "canary2", path="/a(", use_regex="true")]),
        (
            "slash",
            [
                ingress("odd", "odd.example", "canary2", path="/a"),
                ingress("odd2", "odd.example", "canary2", path="/a/"),
            ],
        ),
    ],
)
def test_what_freezes_ingress_nginx_freezes_nobody(name: str, manifest: list[dict[str, object]], world: World) -> None:
    serving = world.serve()
    put(world.folder / f"{name}.yaml", *manifest)
    put(world.folder / "good.yaml", ingress("good", "good.example", "canary2"))
    world.settle(serving, "canary2", host="good.example")
    world.settle(serving, "main")
    if name == "slash":
        assert serving.door.send(Request(host="odd.example", path="/a/b")).first("x-echo-backend") == "canary2"
    assert quarantined(serving) == 0
