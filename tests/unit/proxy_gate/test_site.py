"""Names of a plan, hosts loaded on demand, and what is kept from one plan to the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serin.dataplane.proxy.runtime import RuntimeHost
from serin.dataplane.proxy.site import LoadedHosts, Site
from serin.errors import CorruptFileError
from serin.render.documents import Index
from serin.routing.match import find_host
from serin.routing.plan import Globals, Host


class Loader:
    """Counts what is read; `broken` digests cannot be."""

    def __init__(self, *broken: str) -> None:
        self.read: list[str] = []
        self.broken = broken
        self.hosts = LoadedHosts(self.load)

    def load(self, digest: str) -> RuntimeHost:
        self.read.append(digest)
        if digest in self.broken:
            raise CorruptFileError(digest)
        host = RuntimeHost.__new__(RuntimeHost)
        host.host = Host(digest)
        return host


def index(hosts: dict[str, str], generation: int = 1, **certificates: str) -> Index:
    return Index(generation, hosts, {k.replace("_", "."): v for k, v in certificates.items()})


def found(site: Site, name: str) -> str | None:
    host = site.find(name)
    return None if host is None else host.host.name


def test_exact_then_wildcard_of_one_label_then_everything() -> None:
    site = Site(index({"a.x": "d1", "*.x": "d2", "": "d3"}), Loader().hosts)
    assert [found(site, n) for n in ("a.x", "b.x", "b.a.x", "x", "", "b!.x")] == ["d1", "d2", "d3", "d3", "d3", "d3"]


def test_without_a_catch_all_an_unknown_name_has_no_host() -> None:
    assert found(Site(index({"a.x": "d1"}), Loader().hosts), "b.x") is None


LABEL = st.sampled_from(["a", "b", "x"])
NAMES = st.lists(LABEL, min_size=1, max_size=3).map(".".join) | st.lists(LABEL, min_size=1, max_size=2).map(
    lambda labels: "*." + ".".join(labels)
)


@given(st.sets(NAMES | st.just("")), st.lists(LABEL, max_size=4).map(".".join))
def test_names_mean_what_routing_says(names: set[str], asked: str) -> None:
    plan = {name: Host(name) for name in names}
    expected = find_host(plan, asked)
    site = Site(index({name: name for name in names}), Loader().hosts)
    assert found(site, asked) == (None if expected is None else expected.name)


def test_a_document_is_read_at_its_host_s_first_request_and_once() -> None:
    loader = Loader()
    site = Site(index({"a.x": "d1", "b.x": "d2", "alias.x": "d1"}), loader.hosts)
    assert loader.read == []
    for name in ("a.x", "a.x", "alias.x"):
        site.find(name)
    assert loader.read == ["d1"]
    assert set(site.ready) == {"a.x", "alias.x"}


def test_a_new_plan_reads_only_what_changed_and_was_in_use() -> None:
    loader = Loader()
    old = Site(index({"a.x": "d1", "b.x": "d2", "*.w": "d4", "cold.x": "d5"}), loader.hosts)
    for name in ("a.x", "b.x", "any.w"):
        old.find(name)
    loader.read.clear()
    new = Site(index({"a.x": "d1", "b.x": "d3", "*.w": "d6", "cold.x": "d7"}, 2), loader.hosts)
    assert len(list(new.warm(old.used))) == 3
    assert sorted(loader.read) == ["d3", "d6"]
    loader.hosts.keep(new.digests())
    assert found(old, "a.x") == "d1"


def test_a_host_that_is_gone_is_forgotten() -> None:
    loader = Loader()
    Site(index({"a.x": "d1"}), loader.hosts).find("a.x")
    loader.hosts.keep({"d2"})
    Site(index({"a.x": "d1"}), loader.hosts).find("a.x")
    assert loader.read == ["d1", "d1"]


def test_a_document_in_use_that_cannot_be_read_is_known_before_the_plan_is_in_force() -> None:
    loader = Loader("d2")
    old = Site(index({"a.x": "d1"}), loader.hosts)
    old.find("a.x")
    with pytest.raises(CorruptFileError):
        list(Site(index({"a.x": "d2"}, 2), loader.hosts).warm(old.used))
    assert found(old, "a.x") == "d1"


def test_a_certificate_is_the_one_of_the_host_that_takes_the_name() -> None:
    plan = Index(
        1,
        {"a.x": "d1", "*.x": "d2", "b.x": "d3", "": "d4"},
        {"a.x": "c1", "*.x": "c2"},
        (),
        Globals(default_certificate="c9"),
    )
    site = Site(plan, Loader().hosts)
    assert [site.certificate_of(n) for n in ("a.x", "z.x", "b.x", "nobody", "")] == ["c1", "c2", "c9", "c9", "c9"]
    assert Site(index({"a.x": "d1"}), Loader().hosts).certificate_of("a.x") is None
