"""The table of black-box cases: what users apply, what they ask, what they get, over every data plane.

Cases that touch nothing global share one `serin serve`; those marked `alone` get one of their own. nginx without Lua
has to do what the course notes ask. Where the nginx planes may answer otherwise is said in docs/nginx.md, and nowhere
else.
"""

import collections
import pathlib
from collections.abc import Iterator

import pytest
from harness import allowed, planes
from harness.backends import Backends
from harness.casefile import Case, load, write_manifests
from harness.compare import differences
from harness.observe import Seen, observe
from harness.planes import NGINX, PROXY, STOCK, Plane
from harness.serving import Serving, await_ready, launch
from harness.wire import Door, Request

HERE = pathlib.Path(__file__).parent
FILES = ("notes", "observed", "own", "canaryroute", "compat", "access", "answers", "settings", "rollout")
OPTIONS = ("--configmap", "ingress-nginx/ingress-nginx-controller", "--workers", "1")


def listed(name: str) -> dict[str, str]:
    """Lines `id reason`; the id of a repaired case is followed by the planes that it holds for."""
    lines = [line for line in (HERE / name).read_text().splitlines() if line.strip() and not line.startswith("#")]
    return {ident: reason for ident, _, reason in (line.partition(" ") for line in lines)}


REPAIRED = listed("repairs.txt")
CASES = {case.ident: case for name in FILES for case in load(HERE / f"{name}.yaml")}
REQUIRED = [case for case in CASES.values() if case.ident not in REPAIRED]
HEADER, BY_CHANCE = "header ", "counts within a bound"
"""Subjects in docs/nginx.md that are no cases."""
IN_STOCK = ("notes",)
"""Files of cases that nginx without Lua must pass, too."""


def runs_on(case: Case, plane: Plane) -> bool:
    if case.planes:
        return plane.name in case.planes
    return plane is not STOCK or case.file in IN_STOCK


def over_planes(cases: list[Case]) -> list[object]:
    """Ordered so that each `serin serve` is started once."""
    ordered = sorted(cases, key=lambda case: (FILES.index(case.file), case.alone))
    pairs = [(plane, case) for plane in (PROXY, NGINX, STOCK) for case in ordered if runs_on(case, plane)]
    return [planes.parameter(plane, case, ident=case.ident) for plane, case in pairs]


class Group:
    """One `serin serve` at a time, for the cases that may share it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._serving: Serving | None = None
        self._backends: Backends | None = None
        self._members: tuple[Plane, tuple[str, ...]] = (PROXY, ())

    def door_for(self, plane: Plane, case: Case) -> Door:
        planes.require(plane)
        names: tuple[str, ...] = (case.ident,)
        if not case.alone:
            together = (c for c in CASES.values() if c.file == case.file and not c.alone and runs_on(c, plane))
            names = tuple(c.ident for c in together)
        if (plane, names) != self._members:
            self.close()
            self._start(plane, case, names)
        assert self._serving is not None
        return self._serving.door

    def _start(self, plane: Plane, case: Case, names: tuple[str, ...]) -> None:
        self._backends = Backends(case.backends)
        folder = self._folder / f"{plane}-{names[0]}"
        write_manifests(folder, [CASES[name] for name in names], self._backends.network)
        self._serving = await_ready(launch(folder, *OPTIONS, *plane.options))
        self._members = (plane, names)

    def close(self) -> None:
        self._members = (PROXY, ())
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


@pytest.mark.parametrize(("plane", "case"), over_planes(REQUIRED))
def test_answers_as_expected(plane: Plane, case: Case, group: Group) -> None:
    door = group.door_for(plane, case)
    found, statuses = [], set()
    listed = allowed.of(plane.name)
    for number, request in enumerate(case.spec["requests"]):
        seen = observe(door, request)
        within = None if BY_CHANCE in listed else request.get("within")
        different = differences(request["expect"], seen, within=within, listed=case.listed_headers)
        found += [f"request {number}, {difference}" for difference in different]
        if different:
            statuses |= statuses_of(seen)
    if (difference := listed.get(case.ident)) is None:
        assert not found, case.spec["about"]
    else:
        assert found, f"docs/nginx.md lists {case.ident} as different, which it is no longer"
        assert statuses <= difference.statuses or not difference.statuses, difference.instead


def statuses_of(seen: Seen) -> set[int]:
    return {seen["status"]} if "status" in seen else {int(name.split()[0]) for name in seen.get("counts", {})}


@pytest.mark.parametrize(
    ("plane", "subject"),
    [
        planes.parameter(planes.BY_NAME[name], difference.subject, ident=difference.subject)
        for difference in allowed.read()
        for name in sorted(difference.planes)
        if difference.subject.startswith(HEADER)
    ],
)
def test_header_that_may_differ_still_does(plane: Plane, subject: str, group: Group) -> None:
    name = subject.removeprefix(HEADER).lower()
    case = next(case for case in CASES.values() if case.file == "notes" and not case.alone)
    asked = Request(host=case.spec["requests"][0]["host"])
    there = {each: group.door_for(each, case).send(asked).first(name) for each in (PROXY, plane)}
    assert there[PROXY] != there[plane], f"docs/nginx.md lists {subject} as different, which it is no longer"


@pytest.mark.nginx
def test_split_that_may_be_by_chance_still_is(group: Group) -> None:
    """The exact draw has 9, 10 or 11 in any hundred; chance has so in twenty hundreds once in 10 to the 8."""
    (plane,) = [each for name, each in planes.BY_NAME.items() if BY_CHANCE in allowed.of(name)]
    case = CASES["notes-canary-weight-10"]
    door, request = group.door_for(plane, case), dict(case.spec["requests"][0], count=100)
    counts = [observe(door, request)["counts"].get("200 v2", 0) for _ in range(20)]
    assert set(counts) - {9, 10, 11}, f"docs/nginx.md lists {BY_CHANCE} as different, which it is no longer"


def test_allowed_differences_name_cases_that_run_on_their_planes() -> None:
    for difference in allowed.read():
        if not difference.subject.startswith(HEADER) and difference.subject != BY_CHANCE:
            case = CASES[difference.subject]
            assert all(runs_on(case, planes.BY_NAME[name]) for name in difference.planes), difference


def test_lists_name_cases_that_exist() -> None:
    assert set(REPAIRED) <= set(CASES)


def test_every_repair_is_shown_by_a_case_of_our_own() -> None:
    """A repair without a case could be lost without anybody noticing."""
    shown = collections.Counter(repaired for case in CASES.values() for repaired in case.spec.get("repairs", []))
    assert set(shown) == set(REPAIRED)
