"""The table of black-box cases: what users apply, what they ask, what they get.

Cases that touch nothing global share one `serin serve`; those marked `alone` get one of their own. Cases whose subject
Serin does not handle yet are named in later.txt and must still answer safely.
"""

import collections
import pathlib
from collections.abc import Iterator

import pytest
from harness.backends import Backends
from harness.casefile import Case, load, write_manifests
from harness.compare import differences
from harness.observe import observe
from harness.serving import Serving, await_ready, launch
from harness.wire import Door

HERE = pathlib.Path(__file__).parent
FILES = ("notes", "observed", "own", "canaryroute", "compat")
OPTIONS = ("--configmap", "ingress-nginx/ingress-nginx-controller", "--workers", "1")


def listed(name: str) -> dict[str, str]:
    """Lines `id reason`; the id of a repaired case is followed by the planes that it holds for."""
    lines = [line for line in (HERE / name).read_text().splitlines() if line.strip() and not line.startswith("#")]
    return {ident: reason for ident, _, reason in (line.partition(" ") for line in lines)}


REPAIRED = listed("repairs.txt")
LATER = listed("later.txt")
CASES = {case.ident: case for name in FILES for case in load(HERE / f"{name}.yaml")}
REQUIRED = [case for case in CASES.values() if case.ident not in REPAIRED and case.ident not in LATER]


class Group:
    """One `serin serve` at a time, for the cases that may share it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._serving: Serving | None = None
        self._backends: Backends | None = None
        self._members: tuple[str, ...] = ()

    def door_for(self, case: Case) -> Door:
        members: tuple[str, ...] = (case.ident,)
        if not case.alone:
            members = tuple(c.ident for c in CASES.values() if c.file == case.file and not c.alone)
        if members != self._members:
            self.close()
            self._start(case, members)
        assert self._serving is not None
        return self._serving.door

    def _start(self, case: Case, members: tuple[str, ...]) -> None:
        self._backends = Backends(case.backends)
        folder = self._folder / members[0]
        write_manifests(folder, [CASES[member] for member in members], self._backends.network)
        self._serving = await_ready(launch(folder, *OPTIONS))
        self._members = members

    def close(self) -> None:
        self._members = ()
        if self._serving is not None:
            self._serving.stop()
            self._serving = None
        if self._backends is not None:
            self._backends.close()
            self._backends = None


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    made = Group(tmp_path_factory.mktemp("cases"))
    yield made
    made.close()


def in_groups(cases: list[Case]) -> list[Case]:
    return sorted(cases, key=lambda case: (FILES.index(case.file), case.alone))


@pytest.mark.parametrize("case", in_groups(REQUIRED), ids=lambda case: case.ident)
def test_answers_as_expected(case: Case, group: Group) -> None:
    door = group.door_for(case)
    found = []
    for number, request in enumerate(case.spec["requests"]):
        seen, within = observe(door, request), request.get("within")
        different = differences(request["expect"], seen, within=within, listed=case.listed_headers)
        found += [f"request {number}, {difference}" for difference in different]
    assert not found, case.spec["about"]


@pytest.mark.parametrize("case", in_groups([CASES[ident] for ident in LATER]), ids=lambda case: case.ident)
def test_what_is_not_handled_yet_answers_safely(case: Case, group: Group) -> None:
    """Where an access rule was asked for, nothing may pass that the rule would have stopped."""
    door = group.door_for(case)
    for request in case.spec["requests"]:
        seen = observe(door, request)
        statuses = {seen["status"]} if "status" in seen else {int(k.split()[0]) for k in seen.get("counts", {})}
        assert 0 not in statuses
        refused = request["expect"].get("status") in (401, 403)
        if refused or case.topic in ("access", "auth"):
            assert statuses == {503}, "a rule that is not understood closes its route"


def test_lists_name_cases_that_exist() -> None:
    assert set(REPAIRED) <= set(CASES)
    assert set(LATER) <= set(CASES)
    assert not set(REPAIRED) & set(LATER)


def test_every_repair_is_shown_by_a_case_of_our_own() -> None:
    """A repair without a case could be lost without anybody noticing."""
    shown = collections.Counter(repaired for case in CASES.values() for repaired in case.spec.get("repairs", []))
    assert set(shown) == set(REPAIRED)
