"""The fuzz of tests/drills in small, without nginx: compile, documents and templates take whatever annotations say."""

import random

import pytest
from harness.fuzz_options import OPTIONS
from harness.fuzz_values import ANNOTATIONS as VALUES
from harness.fuzz_values import OURS as OWN_VALUES
from harness.fuzz_values import any_value
from harness.fuzzing import Batch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.render_nginx.nginx_text import settings_in

from serin.compile.annotations.table import ANNOTATIONS, OURS
from serin.compile.settings import KEYS
from serin.render.documents import host_document, read_host
from serin.render.nginx.host import render_host
from serin.render.nginx.main import HostFile, host_file, render_main
from serin.routing.plan import Plan

TRIES = 200
LUA, STOCK = settings_in(), settings_in(lua=False)


def rendered(plan: Plan) -> str:
    """With Lua, from documents; UnsafeValueError where something is not to be written."""
    files: list[HostFile] = []
    for host in plan.hosts.values():
        host = read_host(host_document(host))
        assert render_host(host, LUA, plan.globals, None)
        files.append(host_file(host, f"hosts/{len(files):032x}.conf"))
    return render_main(plan.globals, files, {}, LUA, "0" * 32)


@pytest.mark.parametrize("plane", ["proxy", "nginx"])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(dice=st.randoms(use_true_random=False))
def test_few_ingresses(plane: str, dice: random.Random) -> None:
    made = Batch(dice, 3, plane).compiled()
    if plane == "nginx":
        assert rendered(made.plan)


@pytest.mark.parametrize("seed", range(2))
def test_many_ingresses(seed: int) -> None:
    assert rendered(Batch(random.Random(seed), 120).compiled().plan)


def test_every_annotation_and_option_has_values() -> None:
    assert VALUES.keys() == ANNOTATIONS.keys()
    assert OWN_VALUES.keys() == OURS.keys()
    assert OPTIONS.keys() == KEYS.keys()


def test_some_values_are_right_and_some_are_not() -> None:
    dice = random.Random(1)
    for name, make in VALUES.items():
        grammar = ANNOTATIONS[name].grammar
        assert any(grammar.read(make(dice)) is not None for _ in range(TRIES)), f"{name}: none is right"
        spoilt = [grammar.read(any_value(make, dice, faults=0.5)) is not None for _ in range(TRIES)]
        assert grammar.read("\0a;b") is not None or not all(spoilt), f"{name}: all are right"
