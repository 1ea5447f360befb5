"""Two controllers on one API server, each with its classes: an Ingress is served by the one that it is meant for."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from harness.controllers import Field
from harness.drill_fixtures import backends, network, shared_field
from harness.drilling import PAUSE, WIDE, Drill, assert_served, backend, drilling
from harness.load import load
from harness.manifests import ingress
from harness.waiting import until

__all__ = ["backends", "network", "shared_field"]

ANNOTATION = "kubernetes.io/ingress.class"
DEFAULT = "ingressclass.kubernetes.io/is-default-class"
ADDRESSES = ("192.0.2.1", "192.0.2.2")


@dataclasses.dataclass
class Pair:
    """`a` has the field's class, `b` one of its own. They share no flag and no Lease."""

    a: Drill
    b: Drill
    other: str
    """The class of `b`."""

    @property
    def field(self) -> Field:
        return self.a.field

    def are(self, host: str, a: str, b: str) -> None:
        """Wait for what each of them answers."""
        self.a.answers(a, host)
        self.b.answers(b, host)

    def pass_mark(self) -> None:
        self.a.pass_mark()
        mark = classed("mark-b", f"mark-{next(self.b.marks)}.b.example", spec=self.other)
        self.field.put(mark)
        self.b.answers("main", mark["spec"]["rules"][0]["host"])

    def show(self, addresses: Mapping[str, str]) -> None:
        """Wait until these Ingresses have these addresses."""
        path = "jsonpath={.status.loadBalancer.ingress[*].ip}"

        def shown(name: str) -> str:
            return self.field.kube.kubectl("-n", self.field.namespace, "get", "ingress", name, "-o", path).stdout

        until(lambda: {name: shown(name) for name in addresses} == addresses, f"{addresses}", seconds=WIDE, every=0.2)


@pytest.fixture(scope="module")
def running(shared_field: Field) -> Iterator[Pair]:
    field, other = shared_field, f"{shared_field.namespace}-b"
    flags = ("--ingress-class", other, "--controller-class", "serin.dev/b", "--publish-status-address", ADDRESSES[1])
    field.put(*backend("main", "10.99.0.11"))
    field.make_class(other, "serin.dev/b")
    field.put(classed("b", "steady.b.example", spec=other))
    try:
        with drilling(field, "--publish-status-address", ADDRESSES[0]) as a:
            b = Drill(field, field.control("--access-log", "off", *flags, run_dir="second"))
            with load(b.serving.door, "steady.b.example", connections=1, pause=PAUSE) as asking:
                b.loads.append(asking)
                yield Pair(a, b, other)
                assert_served(asking)
    finally:
        field.kube.kubectl("delete", "ingressclass", other)
        field.kube.kubectl("-n", "default", "delete", "lease", f"serin-{other}-leader", "--ignore-not-found")


@pytest.fixture
def pair(running: Pair) -> Iterator[Pair]:
    yield running
    running.a.assert_nothing_lost()
    running.b.assert_nothing_lost()


def classed(name: str, host: str, *, spec: str | None = None, annotation: str | None = None) -> dict[str, Any]:
    made = ingress(name, host, "main")
    del made["spec"]["ingressClassName"]
    if spec is not None:
        made["spec"]["ingressClassName"] = spec
    if annotation is not None:
        made["metadata"]["annotations"] = {ANNOTATION: annotation}
    return made


def ingress_class(name: str, controller: str, *, default: bool = False) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if default:
        metadata["annotations"] = {DEFAULT: "true"}
    spec = {"controller": controller}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": metadata, "spec": spec}


def test_each_serves_what_names_its_class_by_field_or_annotation(pair: Pair) -> None:
    a, b = pair.field.ingress_class, pair.other
    rows: Sequence[tuple[str, dict[str, str], str, str]] = (
        ("field-a", {"spec": a}, "main", "404"),
        ("field-b", {"spec": b}, "404", "main"),
        ("note-a", {"annotation": a}, "main", "404"),
        ("note-b", {"annotation": b}, "404", "main"),
        ("elsewhere", {"spec": "another"}, "404", "404"),
        ("noted-elsewhere", {"annotation": "another"}, "404", "404"),
        ("none", {}, "404", "404"),
    )
    pair.field.put(*(classed(name, f"{name}.example", **said) for name, said, _, _ in rows))
    pair.pass_mark()
    for name, _, from_a, from_b in rows:
        pair.are(f"{name}.example", from_a, from_b)


def test_an_ingress_moves_from_one_to_the_other(pair: Pair) -> None:
    host = "moving.example"
    for name, address in ((pair.field.ingress_class, ADDRESSES[0]), (pair.other, ADDRESSES[1])) * 2:
        pair.field.put(classed("moving", host, spec=name))
        pair.are(host, *(("main", "404") if name == pair.field.ingress_class else ("404", "main")))
        pair.show({"moving": address})


def test_a_class_belongs_to_the_controller_that_it_names(pair: Pair) -> None:
    """Whatever it is called; it is made anew for another one, for its controller cannot be changed."""
    host, name = "owned.example", f"{pair.field.namespace}-owned"
    pair.field.put(classed("owned", host, spec=name))
    try:
        for controller, expected in (
            (pair.field.controller_class, ("main", "404")),
            ("serin.dev/b", ("404", "main")),
            ("nobody.example/controller", ("404", "404")),
            (pair.field.controller_class, ("main", "404")),
        ):
            pair.field.put(ingress_class(name, controller))
            pair.are(host, *expected)
            pair.field.kube.kubectl("delete", "ingressclass", name)
            pair.are(host, "404", "404")
    finally:
        pair.field.kube.kubectl("delete", "ingressclass", name, "--ignore-not-found")


def test_a_class_that_is_the_default_takes_what_names_none(pair: Pair) -> None:
    """The API server writes the name of a default class into new Ingresses only: this one is older."""
    host = "classless.example"
    pair.field.put(classed("classless", host))
    pair.pass_mark()
    pair.are(host, "404", "404")
    try:
        pair.field.put(ingress_class(pair.other, "serin.dev/b", default=True))
        pair.are(host, "404", "main")
    finally:
        pair.field.kube.kubectl("annotate", "ingressclass", pair.other, f"{DEFAULT}-")
    pair.are(host, "404", "404")


def test_each_writes_by_a_lease_of_its_own_and_on_its_own_ingresses(pair: Pair) -> None:
    a, b = pair.field.ingress_class, pair.other
    pair.field.put(classed("shown-a", "shown-a.example", spec=a), classed("shown-b", "shown-b.example", spec=b))
    pair.show(dict(zip(("shown-a", "shown-b"), ADDRESSES, strict=True)))
    leases = [f"/apis/coordination.k8s.io/v1/namespaces/default/leases/serin-{name}-leader" for name in (a, b)]
    holders = [pair.field.kube.get(path)["spec"]["holderIdentity"] for path in leases]
    assert all(holders)
    assert holders[0] != holders[1]
