"""Notes and the report for manifests by chance: never an exception, never a line left out, in every form."""

import json
import random

import pytest
from harness.wild_manifests import wild

from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.control.patterns import check_pattern
from serin.lint.migration import forms
from serin.lint.migration.report import make_report
from serin.objects.parse import parse_objects
from serin.objects.store import Store
from serin.objects.views import Ingress
from serin.problems import Problem

SEEDS = range(40)


def compiled(seed: int) -> tuple[dict[str, Compiled], list[Problem]]:
    store = Store()
    problems: list[Problem] = []
    for order, raw in enumerate(wild(random.Random(seed), asks=0).manifests):
        for parsed in parse_objects(raw, order=order, version=str(order)):
            problems += parsed.problems
            if parsed.view is not None:
                store.apply(parsed.view)
    snapshot = store.snapshot()
    planes = ("proxy", "nginx")
    made = {p: compile_snapshot(snapshot, Options(standalone=True, plane=p), check_pattern) for p in planes}
    return made, problems


@pytest.mark.parametrize("seed", SEEDS)
def test_every_annotation_has_a_line_and_every_form_can_be_written(seed: int) -> None:
    by_plane, problems = compiled(seed)
    report = make_report(by_plane, problems)
    readings = by_plane["proxy"].memo.readings
    expected = sum(len(_judged(reading.ingress)) for reading in readings.values())
    assert sum(report.line_totals("nginx").values()) == expected
    assert len(report.ingresses) == len(readings)
    assert json.loads(json.dumps(forms.to_json(report)))["version"] == forms.VERSION
    assert [line for line in (*forms.to_text(report), *forms.to_markdown(report)) if "\n\n" in line] == []


def _judged(ingress: Ingress) -> list[str]:
    prefixes = ("nginx.ingress.kubernetes.io/", "serin.dev/")
    return [name for name in ingress.meta.annotations if name.startswith(prefixes)]
