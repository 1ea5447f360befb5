"""What the drills of a cluster's controller have in common: one field and one load for a module, more kinds of objects.

A controller takes seconds to start, so the tests of a module share one; each has hosts and names of its own.
"""

import contextlib
import dataclasses
import itertools
import ssl
from collections.abc import Iterator
from typing import Any

from harness.casefile import apache_hash
from harness.controllers import Field
from harness.load import Load, load
from harness.manifests import encoded, endpoint_slice, ingress, service
from harness.serving import Serving
from harness.waiting import until
from harness.wire import Request

STEADY_HOST = "steady.example"
PAUSE = 0.01
WIDE = 90.0
"""Seconds: what is waited for takes a few; on a busy machine, more."""

Manifest = dict[str, Any]


@dataclasses.dataclass
class Drill:
    """A field with a controller that serves, and requests for a host that nothing in the drill concerns."""

    field: Field
    serving: Serving
    loads: list[Load] = dataclasses.field(default_factory=list)
    marks: Iterator[int] = dataclasses.field(default_factory=itertools.count)

    def answers(self, expected: str, host: str, *headers: tuple[str, str], **request: Any) -> None:
        """Wait until that is the answer, many times in a row."""

        def steady() -> bool:
            return all(self.field.answer(self.serving, host, *headers, **request) == expected for _ in range(10))

        until(steady, f"{expected} from {host}", seconds=WIDE, every=0.05)

    def pass_mark(self) -> None:
        """Wait until an Ingress that is made now is served: so is what was made before, or it never will be."""
        mark = f"mark-{next(self.marks)}"
        self.field.put(ingress("mark", f"{mark}.example", "steady"))
        until(lambda: self.status(f"{mark}.example") == 200, "the mark", seconds=WIDE, every=0.05)

    def shows(self, pair: tuple[bytes, bytes], host: str) -> None:
        """Wait until that certificate (of a pair in PEM) is shown for a name."""
        until(lambda: self.certificate(host) == der(pair[0]), "the certificate", seconds=WIDE, every=0.05)

    def answered_by(self, names: set[str], host: str) -> None:
        """Wait until these answer, each of them."""

        def all_of_them() -> bool:
            return {self.field.answer(self.serving, host) for _ in range(16)} == names

        until(all_of_them, f"{names} from {host}", seconds=WIDE, every=0.05)

    def status(self, host: str, **request: Any) -> int:
        return self.serving.door.send(Request(host=host, **request)).status

    def assert_nothing_lost(self) -> None:
        """Each load goes on, and every one of its requests was answered by a backend."""
        for running in self.loads:
            assert_served(running)

    def certificate(self, host: str) -> bytes:
        """DER of what is shown for a name; empty when there is no handshake."""
        with contextlib.suppress(OSError), self.serving.door.connect(tls=True, server_name=host) as connection:
            assert isinstance(connection, ssl.SSLSocket)
            return connection.getpeercert(binary_form=True) or b""
        return b""


def assert_served(running: Load) -> None:
    seen = running.count
    until(lambda: running.count > seen + 5, "requests to go on")
    lost = running.lost()
    assert not lost, f"{len(lost)} of {running.count} lost: {lost[:3]}"
    other = [result for result in running.results if result.status != 200]
    assert not other, f"{len(other)} of {running.count} not served: {other[:3]}"


def steady_objects() -> tuple[Manifest, ...]:
    """What the load asks for: a Service of its own with two endpoints."""
    return (
        service("steady"),
        endpoint_slice("steady", ["10.99.0.11", "10.99.0.12"]),
        ingress("steady", STEADY_HOST, "steady"),
    )


@contextlib.contextmanager
def drilling(field_: Field, *options: str, run_dir: str = "run") -> Iterator[Drill]:
    """A ready controller on the steady objects, with load until the end; nothing of it may be lost."""
    field_.make_class()
    field_.put(*steady_objects())
    drill = Drill(field_, field_.control("--access-log", "off", *options, run_dir=run_dir))
    with load(drill.serving.door, STEADY_HOST, connections=2, pause=PAUSE) as running:
        drill.loads.append(running)
        yield drill
        drill.assert_nothing_lost()


def backend(name: str, *addresses: str) -> tuple[Manifest, Manifest]:
    return service(name), endpoint_slice(name, addresses)


def endpoints(name: str, *addresses: str) -> Manifest:
    """Made by hand, and kept from being mirrored into a slice."""
    metadata = {"name": name, "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}
    subset = {"addresses": [{"ip": address} for address in addresses], "ports": [{"name": "http", "port": 8080}]}
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset] if addresses else []}


def auth_secret(name: str, **users: str) -> Manifest:
    text = "".join(f"{user}:{apache_hash(password)}\n" for user, password in users.items())
    data = {"auth": encoded(text.encode())}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "data": data}


def basic(user: str, password: str) -> tuple[str, str]:
    return "Authorization", "Basic " + encoded(f"{user}:{password}".encode())


def config_map(name: str, **data: str) -> Manifest:
    """Keys with `_` for `-`."""
    named = {key.replace("_", "-"): value for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": named}


def secured(name: str, host: str, backend_name: str, secret: str) -> Manifest:
    """An Ingress with TLS that answers on plain HTTP as well."""
    made = ingress(name, host, backend_name, ssl_redirect="false")
    made["spec"]["tls"] = [{"hosts": [host], "secretName": secret}]
    return made


def canary_route(name: str, home: int, other: int, *, header: str = "") -> Manifest:
    """Of the Services `main` and `next` by weight; `header: always` leads to the second."""
    versions = [
        {"name": "home", "service": {"name": "main"}, "weight": home},
        {"name": "next", "service": {"name": "next"}, "weight": other},
    ]
    spec: Manifest = {"versions": versions}
    if header:
        spec["rules"] = [{"version": "next", "matches": [{"headers": [{"name": header, "value": "always"}]}]}]
    return {"apiVersion": "serin.dev/v1alpha1", "kind": "CanaryRoute", "metadata": {"name": name}, "spec": spec}


def der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())
