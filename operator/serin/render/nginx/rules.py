"""What decides the version of a request on a route, as nginx is told it: maps, and what goes to Lua in the spec.

The same verdicts as serin.routing.rules; `notes` says where nginx cannot (without Lua).
"""

from dataclasses import dataclass, field

from serin.render.nginx.blocks import Block, Blocks
from serin.render.nginx.canary_maps import canary_maps
from serin.render.nginx.keys import key_variable
from serin.render.nginx.match_maps import MatchMaps
from serin.render.nginx.shadows import is_copied, taken
from serin.render.nginx.spec import SpecRules
from serin.render.nginx.users import user_cookie, user_key
from serin.render.nginx.values import Variable
from serin.routing.plan import Route


@dataclass(frozen=True, slots=True)
class RouteRules:
    """`blocks` are for the http level, once for each split: routes of the same rule have the same ones.

    `user`: without Lua, the variable (no `$`) with the user's key (splitBy). `user_cookie`: the Set-Cookie of that,
    `page_cookie`: with the page for an error.
    `copied`: not empty for requests of which the version in preview gets a copy.
    """

    blocks: tuple[Block, ...] = ()
    spec: SpecRules = field(default_factory=SpecRules)
    user: str = ""
    user_cookie: Variable | None = None
    page_cookie: Variable | None = None
    copied: Variable | None = None
    notes: tuple[str, ...] = ()


def route_rules(route: Route, *, lua: bool) -> RouteRules:
    """Nothing for a route that never proxies."""
    if route.split is None:
        return RouteRules()
    blocks = Blocks(route.split)
    keys = tuple(key_variable(blocks, route, i) for i in range(len(route.versions)))
    canaries = canary_maps(blocks, route.versions, lua=lua)
    matches = MatchMaps(blocks, lua)
    for rule in route.match_rules:
        matches.add(rule)
    by = route.split_by
    user = user_key(blocks, by) if by is not None and not lua else ""
    cookie, errors = user_cookie(blocks, by), route.policy.errors
    paged = user_cookie(blocks, by, paged=True) if errors is not None and errors.by is not None else cookie
    copied = taken(blocks, route.shadow) if route.shadow is not None and is_copied(route.shadow) else None
    spec = SpecRules(canaries.letters, canaries.headers, tuple(matches.rows), keys)
    notes = (*canaries.notes, *matches.notes)
    return RouteRules(tuple(blocks.made.values()), spec, user, cookie, paged, copied, notes)
