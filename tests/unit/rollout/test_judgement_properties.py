"""Whatever was counted, and whatever the check: a verdict, never an exception, and a status that can be written."""

from math import isfinite

from harness.releases import SOURCE, rollout
from hypothesis import given, settings
from hypothesis import strategies as st

from serin.objects.canary_status import CheckStatus, RunStatus
from serin.objects.views import CanaryCheck, CheckType
from serin.rollout.facts import VersionCounts
from serin.rollout.judgement import freeze, judge, renewed
from serin.rollout.ledger import MOST_NUMBERS
from serin.rollout.observed import Observed

COUNT = st.one_of(st.integers(0, 5), st.integers(0, 10**9))
STATUSES = st.dictionaries(st.sampled_from((0, 1, 101, 200, 404, 500, 503)), COUNT)
BUCKETS = st.dictionaries(st.integers(0, 96), COUNT, max_size=4).map(lambda d: tuple(d.get(i, 0) for i in range(97)))
VERSIONS = st.builds(VersionCounts, STATUSES, STATUSES, BUCKETS, BUCKETS, COUNT)
USERS = st.frozensets(st.tuples(st.integers(0, 9), st.sampled_from((1, 404, 503))), max_size=9)
SHARES = st.one_of(st.sampled_from((0.0, 1.0)), st.floats(1e-6, 1 - 1e-6))
SEEN = st.builds(
    Observed,
    SHARES,
    VERSIONS,
    VERSIONS,
    USERS,
    USERS,
    full=st.booleans(),
    missing=st.sampled_from(((), ("10.0.0.7",))),
    reachable=st.booleans(),
)
RATIO = st.one_of(st.none(), st.floats(1, 9999))
CHECKS = st.one_of(
    st.builds(
        lambda ratio, most: CanaryCheck("check", CheckType.ERRORS, SOURCE, most=most, most_ratio=ratio),
        RATIO,
        st.floats(0, 1),
    ),
    st.builds(
        lambda ratio, most, percent: CanaryCheck(
            "check", CheckType.LATENCY, SOURCE, most=most, most_ratio=ratio, percentile=percent
        ),
        RATIO,
        st.floats(0.001, 1000),
        st.integers(50, 99),
    ),
    st.builds(
        lambda kind, ratio: CanaryCheck("check", kind, SOURCE, most_ratio=ratio),
        st.sampled_from((CheckType.ERRORS, CheckType.LATENCY)),
        st.floats(1, 9999),
    ),
)


@settings(max_examples=60)
@given(CHECKS, st.lists(SEEN, min_size=1, max_size=5), st.booleans(), SEEN)
def test_there_is_always_a_verdict(check: CanaryCheck, seen: list[Observed], by_user: bool, warm: Observed) -> None:
    plan, checks = rollout(check), tuple[CheckStatus, ...]()
    for step, found in enumerate(seen, 1):
        weight = {0.0: 0, 1.0: 100_000}.get(found.share, 50_000)
        run = RunStatus("0" * 16, "v2", "", "v1", step, 3, weight, judged_since=1.0)
        checks = freeze(plan, checks, warm) or renewed(plan, checks)
        for _ in range(2):
            (status,) = checks = judge(plan, run, checks, found, {}, 100.0, by_user=by_user)
            assert status.verdict in ("Pass", "NeedsData", "Fail")
            assert status.needs == 0 or status.verdict == "NeedsData"
            assert len(status.log_e) <= MOST_NUMBERS
            assert all(map(isfinite, status.log_e))
            assert status.message
            assert max(len(status.message), 16 * len(status.evidence)) <= 1024
            if found.missing:
                assert status.verdict != "Pass"
