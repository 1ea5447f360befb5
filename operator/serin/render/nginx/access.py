"""Who may come in to a location, and how often: address lists, limits, external authentication as nginx's directives.

nginx asks in the order of the contract (routing.access) by itself: limits, lists, password, external authentication.
Answers that come before these are policies'; what an authentication server is sent is authentication's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from serin.render.nginx.authentication import Asked
from serin.render.nginx.blocks import EMPTY, Block, GeoBlock, MapBlock, MapRow, about
from serin.render.nginx.values import Template, Text, Variable
from serin.routing.access import Access, Limits
from serin.routing.identity import digest64
from serin.routing.plan import Policy
from serin.routing.wide import Blocks

MOST_RATE = 1_000_000
"""Of requests in a unit of time, and of a burst: beyond it nobody is limited."""
MOST_CONNECTIONS = 65535
"""nginx takes no higher limit."""
CONNECTIONS = "serin_connections"
"""The zone that counts requests at a time."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A zone of nginx.conf: all locations with this rate share it, their Ingress is part of the key."""

    count: int
    unit: Literal["s", "m"]

    @property
    def name(self) -> str:
        return f"serin_r{self.unit}{self.count}"

    @property
    def text(self) -> str:
        return f"{self.count}r/{self.unit}"


@dataclass(frozen=True, slots=True)
class RateLine:
    """`burst`: requests beyond the rate that are let through at once; 0: none."""

    rate: Rate
    burst: int


@dataclass(frozen=True, slots=True)
class Gate:
    """What access.j2 writes. `deny`, `allow`: networks; where `allow` is not empty, everybody else is refused.

    `limited`: what is counted, empty for a client without limits. `blocked_first`: addresses that are refused
    everywhere are refused before nginx asks, since one of the others would be enough there.
    """

    blocked_first: bool = False
    any_of: bool = False
    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    limited: Template | None = None
    rates: tuple[RateLine, ...] = ()
    connections: int = 0
    asked: Asked | None = None


def gate_of(policy: Policy, blocks: Blocks, asked: Asked | None) -> Gate | None:
    """None where everybody may come in. `asked`: the external authentication of the policy."""
    access, limits = policy.access, policy.limits
    lists = bool(access.allow or access.deny)
    guarded = lists or asked is not None or policy.auth is not None
    counted = limits is not None and bool(limits.rps or limits.rpm or limits.connections)
    if not lists and not counted and asked is None and not access.any_of:
        return None
    rates = _rates(limits) if limits is not None else ()
    return Gate(
        access.any_of and guarded and bool(blocks.cidrs),
        access.any_of and guarded,
        _denied(access, blocks) if lists else (),
        access.allow,
        _limited(limits) if limits is not None and counted else None,
        rates,
        min(limits.connections, MOST_CONNECTIONS) if limits is not None else 0,
        asked,
    )


def _denied(access: Access, blocks: Blocks) -> tuple[str, ...]:
    """A location with rules of its own has none of nginx.conf's."""
    return tuple(dict.fromkeys((*blocks.cidrs, *access.deny)))


def _rates(limits: Limits) -> tuple[RateLine, ...]:
    found: list[tuple[int, Literal["s", "m"]]] = [(limits.rps, "s"), (limits.rpm, "m")]
    return tuple(
        RateLine(Rate(min(count, MOST_RATE), unit), min(count * limits.burst, MOST_RATE))
        for count, unit in found
        if count > 0
    )


def _limited(limits: Limits) -> Template:
    if limits.spared:
        return Template((Variable(_spared_name("limited", limits)),))
    return Template((limits.zone, Variable("binary_remote_addr")))


def _spared_name(what: str, limits: Limits) -> str:
    return f"serin_{what}_{digest64((limits.zone, *limits.spared))}"


def limit_blocks(policies: Iterable[Policy]) -> tuple[Block, ...]:
    """Whose requests are not counted, for the http level."""
    all_limits = (policy.limits for policy in policies)
    found = dict.fromkeys(limits for limits in all_limits if limits is not None and limits.spared)
    return tuple(block for limits in found for block in _spared(limits))


def _spared(limits: Limits) -> tuple[Block, Block]:
    spared = Variable(_spared_name("spared", limits))
    counted = Template((limits.zone, Variable("binary_remote_addr")))
    row = MapRow(Text("1"), EMPTY)
    return (
        GeoBlock(spared, limits.spared, about(limits.source)),
        MapBlock("condition", Template((spared,)), Variable(_spared_name("limited", limits)), counted, (row,)),
    )


def rates_of(policies: Iterable[Policy]) -> frozenset[Rate]:
    """The zones that these need in nginx.conf."""
    return frozenset(line.rate for p in policies if p.limits is not None for line in _rates(p.limits))


def counts_connections(policies: Iterable[Policy]) -> bool:
    return any(policy.limits is not None and policy.limits.connections > 0 for policy in policies)
