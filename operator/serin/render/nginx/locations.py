"""A host's routes as nginx's locations, such that the first route that takes a path is the one that serves it.

nginx asks `=` first, then remembers the longest prefix, then tries patterns in order; the remembered one serves when
none fits. routing.match.find_route is the meaning. No location comes twice: nginx would refuse the whole file.
Contents of locations are not known here.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from serin.render.nginx.environment import MAX_TOKEN
from serin.routing.plan import PathKind, PathMatch, Route

_META = re.compile(r"[^A-Za-z0-9_/\x80-\U0010ffff]")


class Kind(StrEnum):
    """nginx's modifier of a location; NAMED ones are reached from Lua alone."""

    EXACT = "="
    PREFIX = ""
    PATTERN = "~*"
    CASED_PATTERN = "~"
    NAMED = "@"


@dataclass(frozen=True, slots=True)
class Place:
    """A location. `text` is a path, a pattern, or the number of a named one; no `route`: the answer is 404."""

    kind: Kind
    text: str
    route: Route | None


@dataclass(frozen=True, slots=True)
class Layout:
    """`dispatched`: the routes in order, when Lua has to find the location; `places` are then named by their index."""

    places: tuple[Place, ...]
    dispatched: tuple[Route, ...] = ()


def layout(routes: Iterable[Route], runs_natively: Callable[[str], bool], *, lua: bool) -> Layout:
    """`runs_natively`: whether nginx may search this regex path itself. Without Lua all have to be such."""
    reachable = tuple(route for route in routes if _reachable(route.match))
    patterns = [route.match.path for route in reachable if route.match.kind is PathKind.REGEX]
    if lua and not (all(_fits(r.match.path) for r in reachable) and all(runs_natively(p) for p in patterns)):
        places = tuple(Place(Kind.NAMED, str(number), route) for number, route in enumerate(reachable))
        return Layout(places, reachable)
    return Layout(tuple(_in_order(reachable) if patterns else _plain(reachable)))


def fits(route: Route) -> bool:
    """Whether the route's path can be a token of nginx's."""
    return _fits(route.match.path)


def _fits(path: str) -> bool:
    return len(path) * 4 <= MAX_TOKEN // 2


def _reachable(match: PathMatch) -> bool:
    """No path of a request holds NUL, which nginx answers with 400, nor two slashes in a row, which it merges.

    So the names of our own locations, which begin with two, are nobody's path.
    """
    return "\0" not in match.path and (match.kind is PathKind.REGEX or "//" not in match.path)


# --- hosts without patterns: every path that nginx could stop at gets the route that the first match gives it ---


def _plain(routes: tuple[Route, ...]) -> Iterable[Place]:
    """For Prefix `/a` two locations, `= /a` and `/a/`.

    For Prefix `/a/` also two: without `= /a` nginx would answer that path with a redirect of its own.
    """
    exact: dict[str, int] = {}
    below: dict[str, int] = {}
    itself: dict[str, int] = {}
    for number, route in enumerate(routes):
        path = route.match.path
        if route.match.kind is PathKind.EXACT:
            exact.setdefault(path, number)
        elif path.endswith("/"):
            below.setdefault(path, number)
        else:
            itself.setdefault(path, number)
            below.setdefault(path + "/", number)
    stops = {**exact, **itself, **{path[:-1]: 0 for path in below}}
    for path in sorted(stops, key=lambda path: (-len(path), path)):
        if path.startswith("/"):
            found = [n for n in (exact.get(path), itself.get(path), _owner(below, path)) if n is not None]
            yield Place(Kind.EXACT, path, routes[min(found)] if found else None)
    for path in sorted({*below, "/"}, key=lambda path: (-len(path), path)):
        if path.startswith("/"):
            owner = _owner(below, path)
            yield Place(Kind.PREFIX, path, None if owner is None else routes[owner])


def _owner(below: dict[str, int], path: str) -> int | None:
    """The first Prefix route that takes `path` from above; its prefix ends at one of the path's slashes."""
    best: int | None = None
    end = path.find("/")
    while end >= 0:
        number = below.get(path[: end + 1])
        if number is not None and (best is None or number < best):
            best = number
        end = path.find("/", end + 1)
    return best


# --- hosts with patterns: patterns in the order of the routes ---


def _in_order(routes: tuple[Route, ...]) -> Iterable[Place]:
    """All are patterns but exact paths before the first of them, and Prefix `/`, behind which nothing is reached."""
    seen: set[tuple[Kind, str]] = set()
    taken: list[str] = []
    patterns = False
    fallback: Route | None = None
    for route in routes:
        path = route.match.path
        if route.match.kind is PathKind.REGEX:
            patterns = True
            place = Place(Kind.PATTERN, "^" + path, route)
        elif route.match.kind is PathKind.EXACT:
            if patterns or any(path == p or path.startswith(p.removesuffix("/") + "/") for p in taken):
                place = Place(Kind.CASED_PATTERN, f"^{literal(path)}\\z", route)
            else:
                place = Place(Kind.EXACT, path, route)
        elif path in ("", "/"):
            fallback = route
            break
        else:
            taken.append(path)
            end = "" if path.endswith("/") else "(?:/|\\z)"
            place = Place(Kind.CASED_PATTERN, f"^{literal(path)}{end}", route)
        if (place.kind, place.text) not in seen:
            seen.add((place.kind, place.text))
            yield place
    yield Place(Kind.PREFIX, "/", fallback)


def literal(text: str) -> str:
    """A pattern that takes this text alone."""
    return _META.sub(lambda found: "\\" + found[0], text)
