"""From evidence and numbers of requests to a verdict and the sentence that explains it."""

from dataclasses import dataclass, replace
from math import ceil, log

from serin.objects.canary_status import CheckStatus, RunStatus
from serin.objects.views import CanaryCheck, CheckType
from serin.rollout import figures
from serin.rollout.counting import tally
from serin.rollout.evidence import clean_size
from serin.rollout.latency import ENOUGH, percentile
from serin.rollout.ledger import Ledger
from serin.rollout.observed import Observed
from serin.rollout.step_evidence import Setting, leaning, most_at_full

LEANS = log(2.0)
"""From this evidence of the running step on, a check does not pass: more requests will tell. A harmless release leaves
it again, as its evidence goes to 0, and a bad one is not given a larger share while evidence grows.
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """`total`: log of the evidence over all steps."""

    setting: Setting
    run: RunStatus
    seen: Observed
    book: Ledger
    total: float

    @property
    def by_rules(self) -> bool:
        """At 0 % only rules and mirrored copies bring requests to the version."""
        return self.run.weight == 0

    @property
    def check(self) -> CanaryCheck:
        return self.setting.check

    @property
    def requests(self) -> int:
        return self.book.total.others if self.by_rules else self.book.total.requests

    @property
    def bad(self) -> int:
        return self.book.total.others_bad if self.by_rules else self.book.total.bad


@dataclass(frozen=True, slots=True)
class _Said:
    verdict: str
    message: str
    needs: int = 0


def verdict(finding: Finding) -> CheckStatus:
    """All of the status but what is remembered (threshold, evidence, log_e)."""
    check, counts = finding.check, finding.book.total
    said = _said(finding)
    ours, theirs = _values(finding)
    return CheckStatus(
        name=check.name,
        verdict=said.verdict,
        candidate=ours,
        baseline=theirs,
        requests=finding.requests,
        baseline_requests=counts.baseline,
        bad=finding.bad,
        baseline_bad=counts.baseline_bad,
        limit=_limit(finding),
        needs=said.needs,
        message=said.message,
    )


def _said(finding: Finding) -> _Said:
    numbers = _numbers(finding)
    if finding.total >= log(1 / finding.setting.chance):
        alone = finding.seen.share == 1 and finding.check.most_ratio is not None
        text = f"{numbers}: worse than {_limit(finding)} allows"
        return _Said("Fail", f"{text}; {_at_full(finding)}" if alone else text)
    waits = _waits(finding) or _hidden(finding)
    if waits is not None:
        return waits
    growth = leaning(finding.setting, finding.book)
    if growth >= LEANS:
        needs = _until_clear(finding, growth)
        text = f"{numbers}: looks worse than allowed, needs about {figures.count(needs)} more requests to be sure"
        return _Said("NeedsData", text, needs)
    return _Said("Pass", "; ".join((numbers, *_remarks(finding))))


def _waits(finding: Finding) -> _Said | None:
    """What is missing before the check could pass."""
    check, run, seen = finding.check, finding.run, finding.seen
    if not seen.complete:
        who = ", ".join(seen.missing) or "no data plane answered"
        return _Said("NeedsData", f"the counts of all replicas are needed, missing: {who}")
    if finding.by_rules and not seen.reachable and not finding.requests:
        return None
    if finding.by_rules and check.most is None:
        return None
    lacking = check.min_requests - finding.requests
    if lacking > 0:
        what = f"of {run.version} by rules or mirrored" if finding.by_rules else f"of {run.version}"
        text = f"needs about {figures.count(lacking)} more requests {what} ({figures.count(finding.requests)} so far)"
        return _Said("NeedsData", text, lacking)
    if check.most_ratio is None or finding.by_rules:
        return None
    if seen.share < 1:
        lacking = min(check.min_requests, ENOUGH) - finding.book.total.baseline
        text = f"needs about {figures.count(lacking)} more requests of {run.baseline} to compare with"
        return _Said("NeedsData", text, lacking) if lacking > 0 else None
    latency = check.type is CheckType.LATENCY
    if check.most is None and not (
        finding.setting.threshold_us if latency else most_at_full(finding.setting, finding.book)
    ):
        text = f"no concurrent baseline, and none was measured before: nothing says what {run.version} may have"
        return _Said("NeedsData", text)
    return None


def _hidden(finding: Finding) -> _Said | None:
    """Evidence that stands still says nothing of what came since, and strangers who make up keys can bring that about:
    no version passes by it that plain requests speak against. They take nothing back, for users repeat themselves.
    """
    if not finding.book.held:
        return None
    setting = replace(finding.setting, by_user=False)
    counts = tally(finding.check, setting.threshold_us, finding.seen, by_user=False)
    plain = replace(finding, setting=setting, book=replace(finding.book, total=counts, per_user=1.0))
    if leaning(setting, plain.book) < log(1 / setting.chance):
        return None
    text = (
        f"{_numbers(plain)}: looks worse than {_limit(finding)} allows, with too many users who fail to tell them apart"
    )
    return _Said("NeedsData", text)


def _until_clear(finding: Finding, growth: float) -> int:
    """Requests until the limit is reached, if evidence goes on growing as it has in this step."""
    most = -log(finding.setting.chance * finding.book.weight)
    return max(1, ceil(finding.requests * (most / growth - 1.0)))


def _remarks(finding: Finding) -> list[str]:
    """What somebody who reads Pass should know."""
    check, found = finding.check, list[str]()
    if finding.by_rules:
        if not finding.seen.reachable and not finding.requests:
            return [f"nothing sends requests to {finding.run.version} at 0%: nothing is judged"]
        if check.most_ratio is not None:
            found.append("no concurrent baseline at 0%: nothing is compared")
    elif finding.seen.share == 1 and check.most_ratio is not None:
        found.append(_at_full(finding))
    if finding.book.held:
        found.append("too many users with failures to tell more apart: the evidence stands still")
    clean = clean_size(check.most, 0.05) if check.type is CheckType.ERRORS and check.most is not None else 0
    if clean > finding.requests > 0 and not finding.bad:
        found.append(
            f"to be sure of less than {figures.rate(check.most or 0)} takes {figures.count(clean)} without failure"
        )
    return found


def _at_full(finding: Finding) -> str:
    known = most_at_full(finding.setting, finding.book)
    if finding.check.most is not None or not known:
        return "no concurrent baseline"
    return f"no concurrent baseline: held against {figures.rate(known)}, from the steps before"


def _numbers(finding: Finding) -> str:
    """ "0.21% of 1,840 against 0.19% of 5,511"."""
    check, counts = finding.check, finding.book.total
    concurrent = not finding.by_rules and finding.seen.share < 1 and counts.baseline > 0
    if check.type is CheckType.ERRORS:
        mine = figures.of(finding.bad, finding.requests)
        return f"{mine} against {figures.of(counts.baseline_bad, counts.baseline)}" if concurrent else mine
    ours, theirs = _values(finding)
    mine = f"p{check.percentile} {ours} of {figures.count(finding.requests)}" if ours else "no requests"
    return f"{mine} against {theirs} of {figures.count(counts.baseline)}" if concurrent and theirs else mine


def _values(finding: Finding) -> tuple[str, str]:
    check, counts, seen = finding.check, finding.book.total, finding.seen
    if check.type is CheckType.ERRORS:
        ours = figures.rate(finding.bad / finding.requests) if finding.requests else ""
        return ours, figures.rate(counts.baseline_bad / counts.baseline) if counts.baseline else ""
    mine = percentile(seen.candidate.other_us if finding.by_rules else seen.candidate.drawn_us, check.percentile)
    other = percentile(seen.baseline.drawn_us, check.percentile)
    return _time(mine), _time(other)


def _time(us: float | None) -> str:
    return figures.duration(us) if us is not None else ""


def _limit(finding: Finding) -> str:
    check, parts = finding.check, list[str]()
    if check.most_ratio is not None:
        ratio = f"{figures.decimal(check.most_ratio)}x"
        threshold = finding.setting.threshold_us
        parts.append(f"{ratio} ({figures.duration(threshold)})" if threshold else ratio)
    if check.most is not None:
        latency = check.type is CheckType.LATENCY
        parts.append(figures.duration(check.most * 1e6) if latency else figures.rate(check.most))
    return ", ".join(parts)
