"""The controller's figures as Prometheus reads them."""

import re

from serin.control.engine import Counts
from serin.control.figures import metrics_text
from serin.problems import Problem, Severity
from serin.refs import Ref, Source
from serin.routing.plan import Host, Plan
from serin.telemetry.figure import Figure


def test_every_line_is_of_the_text_format() -> None:
    ingress = Source(Ref("Ingress", "shop", "web"), "spec")
    problems = [
        Problem(ingress, "host-taken", Severity.ERROR, "a"),
        Problem(ingress, "host-taken", Severity.ERROR, "b"),
        Problem(ingress, "no-endpoints", Severity.WARNING, "c"),
    ]
    plan = Plan(hosts={"a": Host("a")}, splits={}, pools={}, certificates={}, users={})
    text = metrics_text(Counts(compiles=3, revision=12_345_678, compile_ms=4.5), plan, problems, 1_800_000_000.25)
    lines = text.splitlines()
    assert text.endswith("\n")
    assert all(re.fullmatch(r"# (HELP|TYPE) \w+ .+|\w+(\{[^}]*\})? [0-9.e+-]+", line) for line in lines)
    assert "serin_controller_hosts 1" in lines
    assert "serin_controller_revision 12345678" in lines
    assert "serin_controller_compile_seconds 0.0045" in lines
    assert "serin_controller_written_timestamp_seconds 1800000000.25" in lines
    assert 'serin_controller_problems{code="host-taken",severity="error"} 2' in lines
    assert 'serin_controller_problems{code="no-endpoints",severity="warning"} 1' in lines


def test_there_are_figures_before_the_first_plan() -> None:
    assert "serin_controller_hosts 0\n" in metrics_text(Counts(), None, (), 0.0)


def test_figures_of_other_parts_follow_family_by_family() -> None:
    figures = [
        Figure("calls_total", "counter", "Calls", 2, (("verb", "get"),)),
        Figure("leader", "gauge", "1 while leading", 1),
        Figure("calls_total", "counter", "Calls", 3, (("verb", 'a"b'),)),
    ]
    assert metrics_text(Counts(), None, (), 0.0, figures).endswith(
        "# HELP serin_controller_calls_total Calls\n"
        "# TYPE serin_controller_calls_total counter\n"
        'serin_controller_calls_total{verb="get"} 2\n'
        'serin_controller_calls_total{verb="a\\"b"} 3\n'
        "# HELP serin_controller_leader 1 while leading\n"
        "# TYPE serin_controller_leader gauge\n"
        "serin_controller_leader 1\n"
    )
