"""What is put on a location once it is known how its requests are served: changes of answers, error pages, and kin.

Nothing of it changes who may come in, nor which endpoint is chosen. With Lua, a route that has pages for errors or a
fallback is in two: its place, where the endpoint is chosen, and a named location, where it is asked. Only so can nginx
answer 503 by itself before an endpoint is asked, and tell its own errors from an endpoint's.
"""

from dataclasses import replace

from serin.render.nginx.answering import HSTS, Changes, changes_of, wide_lines
from serin.render.nginx.location import Around, Location
from serin.render.nginx.pages import Pages
from serin.render.nginx.policies import Set
from serin.render.nginx.values import Template, Variable
from serin.routing.plan import Policy, Route


def finish(location: Location, route: Route, around: Around, pages: Pages, number: int, *, nobody: bool) -> Location:
    """`number`: the location's, for its named ones. `nobody`: without Lua, no version has an endpoint."""
    changes = changes_of(route, around.globals, around.usual)
    if changes is location.changes and not (_early(location) or _asks(route.policy) or location.copied is not None):
        return location
    if route.policy.closed is not None:
        changes = replace(changes, preflight=None)
    location = _without_hsts(location, changes, around)
    errors = pages.errors_of(route.policy.errors, route, location.changes, location.page_cookie)
    location = replace(location, errors=errors, number=number)
    if location.proxy is not None:
        location = _copied(_mirrored(location, route, pages), route, around, pages)
    if location.proxy is not None or nobody:
        location = _with_fallback(location, route, around, pages)
    entered = around.lua and location.proxy is not None and (errors is not None or location.fallback is not None)
    if entered:
        return _entered(location)
    apart = around.lua and location.proxy is not None and location.changes.lines is not None
    return replace(location, fails_apart=apart)


def _early(location: Location) -> bool:
    return location.answer is not None and location.answer.without_hsts


def _asks(policy: Policy) -> bool:
    """For others who answer, or get a copy."""
    return policy.errors is not None or policy.fallback is not None or policy.mirror is not None


def finish_nobody(location: Location, around: Around, pages: Pages) -> Location:
    """Paths that no route takes."""
    errors = pages.errors_of(around.globals.errors, None, location.changes)
    return location if errors is None else replace(location, errors=errors)


def _without_hsts(location: Location, changes: Changes, around: Around) -> Location:
    """An answer that comes before that header is set still has all others."""
    answer = location.answer
    if answer is None or not answer.without_hsts:
        return replace(location, changes=changes)
    lines = wide_lines(around.globals, hsts=False) if changes.lines is None else changes.lines
    if not lines:
        return replace(location, changes=changes)
    changes = replace(changes, lines=tuple(line for line in lines if line.name != HSTS))
    return replace(location, changes=changes, answer=replace(answer, without_hsts=False))


def _mirrored(location: Location, route: Route, pages: Pages) -> Location:
    mirror = pages.mirror_of(route)
    if mirror is None:
        return location
    return replace(location, mirror=mirror, sets=location.sets + mirror.sets)


def _copied(location: Location, route: Route, around: Around, pages: Pages) -> Location:
    if location.copied is None or route.shadow is None or location.proxy is None:
        return location
    headers, by_lua = location.proxy.headers or around.usual, location.lua_rewrite is not None
    found = pages.shadow_of(route.shadow, location.copied, headers, location.rewrite, by_lua=by_lua)
    if found is None:
        return location
    lines, sets = found
    return replace(location, shadow=lines, sets=(*sets, *location.sets))


def _with_fallback(location: Location, route: Route, around: Around, pages: Pages) -> Location:
    headers = around.usual if location.proxy is None else location.proxy.headers or around.usual
    fallback = pages.fallback(route, headers)
    if fallback is None or fallback.proxy is None:
        return location
    if location.proxy is None:
        return replace(location, fallback=fallback, answer=None, nothing_behind=0)
    return replace(location, fallback=fallback) if around.lua else location


def _entered(location: Location) -> Location:
    told = Set(Variable("serin_enter"), Template((f"{location.number}{'f' if location.fallback is not None else ''}",)))
    sets = (*location.sets, told)
    if location.sticky:
        sets = (*sets, Set(Variable("serin_sticky"), Template(())))
    return replace(location, sets=sets, entered=True)
