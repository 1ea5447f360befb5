"""Evidence against a version: e-processes that may be looked at as often as one likes.

An e-process is a number that stays small as long as a null hypothesis holds: by Ville's inequality (1939) the chance
that it EVER reaches 1/a is at most a, however often one looks and whenever one stops. All here are mixtures of
likelihood ratios (Wald 1945; Robbins 1970) of totals, as logarithms. Pure arithmetic on counts: it must not know what
a bad request is, nor what the evidence is used for.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import exp, inf, lgamma, log, log1p

WORSE_BY = (1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
"""By how much a bad version is worse than what is allowed: what the relative evidence looks out for."""
LIKELY = (1, 2, 3, 3, 2, 1)
"""How much of the evidence is staked on each of WORSE_BY: the middle finds most, by bench/judgement.py."""
ABOVE_BY = (1.5, 2.0, 4.0, 8.0)
"""The same for the absolute limit."""
MOST = 700.0
"""The largest logarithm given: e to this is still a float."""


def relative(share: float, ratio: float, bad: float, baseline_bad: float) -> tuple[float, ...]:
    """log E against "the candidate's rate of bad requests is at most `ratio` times the baseline's", for each WORSE_BY.

    `share`: of the requests that were drawn for one of the two, the candidate's part, the same for all that are
    counted. Given that a request is bad it was the candidate's with a chance that only share and ratio of rates decide:
    so neither the level of errors nor its course in time matters, as long as both versions meet the same world
    (conditional test of counts: Lindon and Malek, NeurIPS 2022). 0 outside of 0 < share < 1.
    """
    if not 0.0 < share < 1.0:
        return (0.0,) * len(WORSE_BY)
    null = ratio * share / (1.0 - share)
    logs = []
    for worse in WORSE_BY:
        of_baseline = log1p(null) - log1p(null * worse)
        logs.append(bad * (log(worse) + of_baseline) + baseline_bad * of_baseline)
    return tuple(logs)


def absolute(most: float, requests: float, bad: float) -> tuple[float, ...]:
    """log E against "each request is bad with a chance of at most `most`" (a rate of 1), for each ABOVE_BY.

    Holds with bad requests counted once per user, too, while all of a user's requests count as `requests`: a user with
    m of them who is bad with a chance of at most m * most adds at most (1 - d)**(m - 1) * (1 + (m - 1) * d) <= 1 to the
    expectation, d = (p - most) / (1 - most) (betting on bounded means: Waudby-Smith and Ramdas, JRSSB 2024).
    """
    if most > 1.0 - 1e-9 or requests <= 0:
        return (0.0,) * len(ABOVE_BY)
    if most < 1e-9:
        return (MOST if bad > 0 else 0.0,) * len(ABOVE_BY)
    logs = []
    for above in ABOVE_BY:
        p = min(most * above, 1.0 - (1.0 - most) / above)
        logs.append(bad * log(p / most) + (requests - bad) * (log1p(-p) - log1p(-most)))
    return tuple(logs)


def clean_size(most: float, chance: float) -> int:
    """How many requests without a bad one show that fewer than `most` are bad, but for an error of `chance`.

    59 for 5 %, 299 for 1 %, 2,995 for 0.1 % (chance 5 %). 0 where no number would.
    """
    if not 0.0 < most < 1.0:
        return 0
    return -int(log(chance) // -log1p(-most))


@lru_cache(maxsize=1024)
def upper_bound(requests: float, bad: float, chance: float) -> float:
    """A rate that the true one is below, at whatever time one looks, but for an error of `chance`.

    The end of a confidence sequence: those rates that the mixture over Beta(1/2, 1/2) does not rule out (Robbins 1970;
    Howard, Ramdas, McAuliffe, Sekhon, Annals of Statistics 2021). 1 without requests.
    """
    if requests <= 0 or bad >= requests:
        return 1.0
    good = requests - bad
    mixture = lgamma(bad + 0.5) + lgamma(good + 0.5) - lgamma(requests + 1.0) - 2 * lgamma(0.5)

    def ruled_out(p: float) -> bool:
        return mixture - bad * log(p) - good * log1p(-p) >= log(1 / chance)

    low, high = max(bad / requests, 1e-12), 1.0 - 1e-12
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if ruled_out(middle) else (middle, high)
    return high


def log_sum(logs: Iterable[float]) -> float:
    """log of the sum of what these are the logarithms of; -inf for none."""
    found = [x for x in logs if x > -inf]
    if not found:
        return -inf
    most = max(found)
    return min(most + log(sum(exp(x - most) for x in found)), MOST)


def log_mean(logs: Iterable[float], parts: Sequence[float] = ()) -> float:
    """A mean of e-processes is one: evidence of any kind counts, and pays for the others. `parts`: by these weights."""
    found = list(logs)
    weights = parts or (1,) * len(found)
    return log_sum(x + log(part) for x, part in zip(found, weights, strict=True)) - log(sum(weights))


def go_on(before: Sequence[float], weight: float, running: Sequence[float]) -> tuple[float, ...]:
    """The logarithms of the sums of all e-processes begun so far, one begun with each step, for each alternative.

    A process of some weight that begins with a step and goes on to the end keeps a fault from drowning in a long good
    past, and one that was there from the beginning goes on adding up (e-detectors: Shin, Ramdas, Rinaldo 2022). All of
    an alternative meet the same data, so one number for each is enough, (before + weight) * running but for the
    logarithms. `before` is empty when no step is over. With weights whose sum is at most 1 the mean over alternatives
    is an e-process.
    """
    if not before:
        return tuple(log(weight) + new for new in running)
    return tuple(min(log_sum((old, log(weight))) + new, MOST) for old, new in zip(before, running, strict=True))
