"""Weights and endpoints beside the routes: what stock mode is rendered from, and what `serin render` prints."""

from collections.abc import Mapping
from dataclasses import dataclass

from serin.routing.plan import Plan, Pool, Split


@dataclass(frozen=True, slots=True)
class Weights:
    """Splits and pools in force, by id. Pools of external names come with the addresses that were resolved."""

    splits: Mapping[str, Split]
    pools: Mapping[str, Pool]


def of_plan(plan: Plan) -> Weights:
    """What a plan says."""
    return Weights(plan.splits, plan.pools)
