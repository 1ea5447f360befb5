"""Files change while requests run: each answer is right before and after, none is lost."""

import os
import time

import pytest
from harness.load import Load, load
from harness.manifests import canary, endpoint_slice, ingress, put, service
from harness.waiting import until
from harness.wire import Request
from harness.world import HOST, World


def answers_since(running: Load, moment: float, at_least: int = 100) -> set[str]:
    until(lambda: sum(running.since(moment).values()) >= at_least, "more answers")
    return set(running.since(moment))


def test_canary_file_added_changed_and_removed(world: World) -> None:
    serving = world.serve()
    file = world.folder / "canary.yaml"
    with load(serving.door, HOST, again=world.plane.is_nginx) as running:
        assert answers_since(running, time.monotonic()) == {"200 main"}
        put(file, canary("canary", HOST, "canary", weight="100"))
        world.settle(serving, "canary")
        assert answers_since(running, time.monotonic()) == {"200 canary"}
        put(file, canary("canary", HOST, "canary2", weight="100"))
        world.settle(serving, "canary2")
        assert answers_since(running, time.monotonic()) == {"200 canary2"}
        file.unlink()
        world.settle(serving, "main")
        assert answers_since(running, time.monotonic()) == {"200 main"}
    assert not running.lost()
    assert {result.status for result in running.results} == {200}


def test_file_written_in_place_is_taken_when_it_is_closed(world: World) -> None:
    serving = world.serve()
    whole = canary("canary", HOST, "canary", weight="100")
    put(world.folder / "elsewhere.txt", whole)
    text = (world.folder / "elsewhere.txt").read_bytes()
    with load(serving.door, HOST, again=world.plane.is_nginx) as running:
        descriptor = os.open(world.folder / "canary.yaml", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, text[:40])
        assert answers_since(running, time.monotonic()) == {"200 main"}
        os.write(descriptor, text[40:])
        os.close(descriptor)
        world.settle(serving, "canary")
    assert not running.lost()


def test_hundred_weight_changes_lose_nothing(world: World) -> None:
    file = world.folder / "canary.yaml"
    put(file, canary("canary", HOST, "canary", weight="0"))
    serving = world.serve()
    reloads = world.reloads(serving)
    with load(serving.door, HOST) as running:
        for change in range(1, 101):
            wanted = "canary" if change % 2 else "main"
            put(file, canary("canary", HOST, "canary", weight="100" if change % 2 else "0"))
            until(lambda wanted=wanted: world.backend(serving) == wanted, f"change {change}")  # type: ignore[misc]
            seen = time.monotonic()
            assert world.backend(serving) == wanted, "a weight is in force for all workers at one moment"
            assert set(running.since(seen)) <= {f"200 {wanted}"}
    assert not running.lost()
    assert {result.status for result in running.results} == {200}
    assert world.reloads(serving) == reloads


def test_endpoint_churn_loses_nothing(world: World) -> None:
    """Main's endpoints move about; one that left gets no request that is sent afterwards."""
    serving = world.serve()
    file = world.folder / "slice-main.yaml"
    names = {11: "main", 21: "canary", 22: "canary2"}
    reloads = world.reloads(serving)
    rounds = [(11,), (21, 22), (22,), (11, 22), (21,), (11, 21, 22), (22, 11), (11,)] * 6
    with load(serving.door, HOST) as running:
        for numbers in rounds:
            put(file, endpoint_slice("main", [world.address(number) for number in numbers]))
            here = {names[number] for number in numbers}
            gone = set(names.values()) - here

            def taken(here: set[str] = here) -> bool:
                # Often enough that endpoints which stay cannot pass for a change: two of three say so once in 10^7.
                return all(world.backend(serving) in here for _ in range(40))

            until(taken, f"endpoints {here}")
            moment = time.monotonic()
            answers_since(running, moment, 20)
            assert not {f"200 {name}" for name in gone} & set(running.since(moment))
    assert not running.lost()
    assert {result.status for result in running.results} == {200}
    assert world.reloads(serving) == reloads


def test_endpoints_and_service_gone_and_back(world: World) -> None:
    serving = world.serve()
    put(world.folder / "slice-main.yaml", endpoint_slice("main", []))
    until(lambda: world.backend(serving) == "503", "503 without endpoints")
    put(world.folder / "slice-main.yaml", endpoint_slice("main", [world.address(11)]))
    world.settle(serving, "main")
    (world.folder / "service-main.yaml").unlink()
    until(lambda: world.backend(serving) == "503", "503 without the Service")
    put(world.folder / "service-main.yaml", service("main"))
    world.settle(serving, "main")


GARBAGE = {
    "binary.yaml": bytes(range(256)) * 16,
    "half.yaml": b"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: [unclosed",
    "tabs.yaml": b"kind:\tIngress\n\tmetadata: {}\n",
    "deep.yaml": b"[" * 50_000,
    "bomb.yaml": b"a: &a [x, x, x, x, x, x, x, x]\n"
    + b"".join(b"%c: &%c [%b]\n" % (98 + n, 98 + n, b", ".join([b"*%c" % (97 + n)] * 8)) for n in range(12)),
    "scalar.yaml": b"just words\n---\n42\n---\nnull\n",
    "kinds.yaml": b"apiVersion: v1\nkind: [1, 2]\nmetadata: 7\n---\nkind: Ingress\nspec: nonsense\n---\n{}\n",
    "ingress.yaml": b"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: bad, namespace: drills}\n"
    b"spec: {rules: [{host: 'drill.example', http: {paths: [{path: 5, pathType: Maybe, backend: here}]}}, 17, null]}\n",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_dropped_into_the_folder_changes_nothing_else(name: str, world: World) -> None:
    put(world.folder / "canary.yaml", canary("canary", HOST, "canary", by_header="X-Try"))
    serving = world.serve()
    with load(serving.door, HOST, again=world.plane.is_nginx) as running:
        beside = world.folder / f".{name}"
        beside.write_bytes(GARBAGE[name])
        beside.rename(world.folder / name)
        until(lambda: name.split(".")[0] in serving.output() or "bad" in serving.output(), "a word about it")
        put(world.folder / "good.yaml", ingress("good", "good.example", "canary2"))
        world.settle(serving, "canary2", host="good.example")
        assert world.backend(serving, headers=(("X-Try", "always"),)) == "canary"
    assert not running.lost()
    assert set(running.since(0)) == {"200 main"}
    assert serving.is_ready()


def test_websocket_stays_up_through_weight_and_endpoint_changes(world: World) -> None:
    file = world.folder / "canary.yaml"
    put(file, canary("canary", HOST, "canary", weight="0"))
    serving = world.serve()
    upgrade = (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="))
    with serving.door.connect() as connection:
        connection.sendall(Request(host=HOST, path="/ws", headers=upgrade).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        assert head.startswith(b"HTTP/1.1 101 ")

        def talk(word: bytes) -> bytes:
            connection.sendall(word)
            return bytes(connection.recv(4096))

        assert talk(b"before") == b"before"
        put(file, canary("canary", HOST, "canary", weight="100"))
        world.settle(serving, "canary")
        assert talk(b"weight") == b"weight"
        put(world.folder / "slice-main.yaml", endpoint_slice("main", [world.address(22)]))
        put(file, canary("canary", HOST, "canary", weight="0"))
        world.settle(serving, "canary2")
        assert talk(b"endpoints") == b"endpoints"
        put(world.folder / "more.yaml", ingress("more", "more.example", "canary2"))
        world.settle(serving, "canary2", host="more.example")
        assert talk(b"hosts") == b"hosts"
