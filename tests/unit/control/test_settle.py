"""What is referred to is fetched before anything is published."""

import dataclasses
from collections.abc import Iterable

import pytest
from harness.manifests import tls_secret

from serin.cluster.api import ApiError, ApiUnreachableError
from serin.control import settle as module
from serin.control.settle import ROUNDS, TRIES, settle
from serin.objects.parse import parse_object
from serin.objects.views import View
from serin.refs import Ref


def ref(name: str) -> Ref:
    return Ref("Secret", "drills", name)


def view(name: str) -> View:
    found = parse_object(tls_secret(name, b"", b"")).view
    assert found is not None
    return found


@dataclasses.dataclass
class Table:
    """Each object that is known leads to those it names."""

    leads: dict[str, tuple[str, ...]]
    known: set[str] = dataclasses.field(default_factory=set)

    def reads(self) -> frozenset[Ref]:
        names = {name for start in ("", *self.known) for name in self.leads.get(start, ())}
        return frozenset(ref(name) for name in names)

    def knows(self, ref: Ref) -> bool:
        return ref.name in self.known

    def add(self, views: Iterable[View]) -> None:
        self.known.update(view.meta.ref.name for view in views)


class Api:
    def __init__(self, **failures: list[Exception]) -> None:
        self.failures = failures
        self.asked: list[str] = []

    async def fetch(self, ref: Ref) -> View | None:
        self.asked.append(ref.name)
        if self.failures.get(ref.name):
            raise self.failures[ref.name].pop(0)
        return None if ref.name == "absent" else view(ref.name)


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.01)


async def test_goes_round_until_nothing_new_is_looked_at() -> None:
    table, api, wanted = Table({"": ("a", "absent"), "a": ("b",)}), Api(), list[frozenset[Ref]]()
    await settle(table, api.fetch, wanted.append)
    assert table.known == {"a", "b"}
    assert api.asked == ["a", "absent", "b"], "what is absent is asked for once"
    assert wanted[-1] == {ref("a"), ref("absent"), ref("b")}


async def test_what_is_known_is_not_asked_for() -> None:
    table, api = Table({"": ("a", "b")}, {"a"}), Api()
    await settle(table, api.fetch)
    assert api.asked == ["b"]


async def test_what_may_not_be_read_counts_as_absent() -> None:
    table, api = Table({"": ("a", "b")}), Api(a=[ApiError(403, "Forbidden", "no")])
    await settle(table, api.fetch)
    assert table.known == {"b"}


async def test_while_nobody_answers_nothing_is_decided() -> None:
    table = Table({"": ("a",)})
    api = Api(a=[ApiUnreachableError("connection refused") for _ in range(2 * TRIES)])
    await settle(table, api.fetch)
    assert table.known == {"a"}


async def test_while_the_server_is_busy_nothing_is_decided() -> None:
    table, api = Table({"": ("a",)}), Api(a=[ApiError(429, "TooManyRequests", "later") for _ in range(2 * TRIES)])
    await settle(table, api.fetch)
    assert table.known == {"a"}


async def test_an_object_that_the_server_fails_on_keeps_nobody_waiting_for_ever() -> None:
    table, api = Table({"": ("a",)}), Api(a=[ApiError(500, "InternalError", "etcd") for _ in range(TRIES)])
    await settle(table, api.fetch)
    assert (table.known, len(api.asked)) == (set(), TRIES)


async def test_rounds_are_bounded() -> None:
    table, api = Table({str(n) if n else "": (str(n + 1),) for n in range(100)}), Api()
    await settle(table, api.fetch)
    assert len(api.asked) == ROUNDS
