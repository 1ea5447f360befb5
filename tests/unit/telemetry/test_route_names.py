"""Metrics name what the plan's documents name, whatever becomes of the plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from serin.errors import CorruptFileError
from serin.refs import Ref
from serin.routing.plan import Host, PathKind, PathMatch, Policy, Route, RuleId, VersionRoute
from serin.telemetry.route_names import Names, RouteNames


@dataclass(frozen=True)
class FakeIndex:
    hosts: Mapping[str, str]


@dataclass
class FakeDocuments:
    """Documents by digest, the digest being the host's name and a number."""

    hosts: dict[str, Host] = field(default_factory=dict)
    index: dict[str, str] = field(default_factory=dict)
    broken: bool = False
    read: list[str] = field(default_factory=list)

    def put(self, digest: str, host: Host) -> None:
        self.hosts[digest] = host
        self.index[host.name] = digest

    def read_index(self) -> FakeIndex:
        if self.broken:
            raise CorruptFileError("index")
        return FakeIndex(self.index)

    def read_host(self, digest: str) -> Host:
        self.read.append(digest)
        if digest not in self.hosts:
            raise CorruptFileError(digest)
        return self.hosts[digest]


def version(ident: str, name: str, service: str) -> VersionRoute:
    return VersionRoute(ident, name, Ref("Ingress", "prod", name), service, "80", "pool")


def host(name: str, *splits: str, ingress: str = "shop") -> Host:
    routes = tuple(
        Route(
            PathMatch(PathKind.PREFIX, f"/{split}"),
            RuleId(name, f"/{split}", "Prefix"),
            Ref("Ingress", "prod", ingress),
            split,
            (version("v1", "web", "web"), version("v2", "web-v2", "web-v2-svc")),
            Policy(),
        )
        for split in splits
    )
    redirect = Route(
        PathMatch(PathKind.EXACT, "/r"),
        RuleId(name, "/r", "Exact"),
        Ref("Ingress", "prod", ingress),
        None,
        (),
        Policy(),
        slash_redirect=True,
    )
    return Host(name, (*routes, redirect))


MAIN = Names("prod", "shop", "web", "web")
CANARY = Names("prod", "shop", "web", "web-v2")


def test_a_canary_has_main_s_ingress_and_service() -> None:
    documents = FakeDocuments()
    documents.put("d1", host("a.example", "s1"))
    assert RouteNames(documents).current() == {("s1", "v1"): MAIN, ("s1", "v2"): CANARY}


def test_a_document_is_read_once() -> None:
    documents = FakeDocuments()
    documents.put("d1", host("a.example", "s1"))
    names = RouteNames(documents)
    names.current()
    documents.put("d2", host("b.example", "s2"))
    assert len(names.current()) == 4
    names.current()
    assert documents.read == ["d1", "d2"]


def test_a_rule_that_is_gone_is_named_while_its_ingress_has_another() -> None:
    documents = FakeDocuments()
    documents.put("d1", host("a.example", "s1", "s2"))
    names = RouteNames(documents)
    names.current()
    documents.put("d2", host("a.example", "s2"))
    assert names.current()["s1", "v1"] == MAIN
    documents.put("d3", host("a.example", "s3", ingress="other"))
    assert set(names.current()) == {("s3", "v1"), ("s3", "v2")}


def test_a_rule_that_changed_hands_has_its_new_names() -> None:
    documents = FakeDocuments()
    documents.put("d1", host("a.example", "s1", "s2"))
    names = RouteNames(documents)
    names.current()
    documents.put("d2", host("a.example", "s1"))
    documents.put("d3", host("b.example", "s2", ingress="other"))
    assert names.current()["s2", "v1"] == Names("prod", "other", "web", "web")


def test_an_unreadable_plan_leaves_the_last_names() -> None:
    documents = FakeDocuments()
    documents.put("d1", host("a.example", "s1"))
    names = RouteNames(documents)
    before = dict(names.current())
    documents.broken = True
    assert names.current() == before
    documents.broken = False
    documents.index["b.example"] = "missing"
    assert names.current() == before


def test_no_plan_yet() -> None:
    assert RouteNames(FakeDocuments(broken=True)).current() == {}
