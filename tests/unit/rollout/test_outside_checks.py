"""Checks that are answered elsewhere: failures in a row, each answer once."""

from collections.abc import Mapping
from dataclasses import replace

from harness.releases import SOURCE, errors, rollout
from unit.rollout.looks import RUN, answers, look, seen

from serin.objects.canary_status import CheckStatus
from serin.objects.views import CanaryCheck, CanaryRollout, CheckType
from serin.rollout.facts import OutsideResult
from serin.rollout.judgement import judge

ASKED = CanaryCheck("orders", CheckType.PROMETHEUS, SOURCE, least=0.98, min_requests=0, failure_threshold=3)


def asked(
    plan: CanaryRollout, before: tuple[CheckStatus, ...], verdict: str, at: float, requests: int = 0
) -> tuple[CheckStatus, ...]:
    outside: Mapping[str, OutsideResult] = {"orders": OutsideResult(verdict, "0.97", f"said {verdict}", at, "up")}
    return judge(plan, RUN, before, seen(answers(requests, 0), answers(900, 0)), outside, at + 1, by_user=False)


def test_as_many_failures_as_count_one_after_the_other() -> None:
    plan, checks, verdicts = rollout(ASKED), tuple[CheckStatus, ...](), list[tuple[str, int]]()
    for n, verdict in enumerate(("Fail", "Fail", "Pass", "Fail", "Fail", "NeedsData", "Fail")):
        checks = asked(plan, checks, verdict, 1001.0 + n)
        verdicts.append((checks[0].verdict, checks[0].failures))
    assert verdicts == [
        ("NeedsData", 1),
        ("NeedsData", 2),
        ("Pass", 0),
        ("NeedsData", 1),
        ("NeedsData", 2),
        ("NeedsData", 2),
        ("Fail", 3),
    ]
    assert (checks[0].candidate, checks[0].query, checks[0].limit) == ("0.97", "up", "at least 0.98")
    assert "3 times one after the other: said Fail" in checks[0].message


def test_an_answer_counts_once() -> None:
    plan = rollout(ASKED)
    first = asked(plan, (), "Fail", 1001.0)
    assert asked(plan, first, "Fail", 1001.0) == first


def test_an_answer_from_before_the_step_counts_for_nothing() -> None:
    found = asked(rollout(ASKED), (), "Fail", 999.0)[0]
    assert (found.verdict, found.failures) == ("NeedsData", 0)
    assert "not asked in this step yet" in found.message


def test_requests_that_an_outside_check_waits_for() -> None:
    plan = rollout(replace(ASKED, min_requests=50))
    first = asked(plan, (), "Pass", 1001.0, 20)
    assert (first[0].verdict, first[0].needs) == ("NeedsData", 30)
    later = asked(plan, first, "Pass", 1001.0, 60)
    assert (later[0].verdict, later[0].needs, later[0].message) == ("Pass", 0, "said Pass")


def test_outside_checks_take_nothing_of_the_error_that_is_allowed() -> None:
    found = seen(answers(380, 20), answers(1194, 6))
    alone = look(errors(1.5), found)
    assert look(errors(1.5), found, others=(ASKED,)).evidence == alone.evidence


def test_answers_count_though_the_one_before_was_dated_by_a_clock_that_was_set_back() -> None:
    """Else what passed once would pass until that clock was right."""
    plan = rollout(ASKED)
    ahead = replace(asked(plan, (), "Pass", 1001.0)[0], checked_at=90_000.0)
    assert asked(plan, (ahead,), "Fail", 1002.0)[0].failures == 1
    little = replace(ahead, checked_at=1300.0)
    assert asked(plan, (little,), "Fail", 1002.0)[0].failures == 0
