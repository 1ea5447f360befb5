"""The rules of canary Ingresses as maps: for each rule a letter, and all letters of a split as one text.

T: takes the request, O: out of it, P: passes, L: Lua has to ask (`HeaderLine`). nginx gives an empty header the same
value as none, and a pattern may only be run here where its work is bounded: for these cases L; without Lua an empty
header is none, and a pattern that cannot be run takes its canary out, as one that does not compile.
"""

from dataclasses import dataclass

from serin.render.nginx.blocks import (
    Blocks,
    MapBlock,
    MapRow,
    about,
    cookie_variable,
    equal,
    fits,
    header_variable,
    matching,
    of_variable,
    plain,
    quoted,
    when_empty,
)
from serin.render.nginx.bounds import bounds, nginx_may_run
from serin.render.nginx.spec import HeaderLine
from serin.render.nginx.values import Template, Variable
from serin.routing.plan import CookieRule, HeaderRule, VersionRoute

TAKES, OUT, PASSES, LUA = "T", "O", "P", "L"


@dataclass(frozen=True, slots=True)
class CanaryMaps:
    """`letters`: the variable with 2·(n-1) letters; empty where no canary has a rule."""

    letters: str = ""
    headers: tuple[HeaderLine, ...] = ()
    notes: tuple[str, ...] = ()


def canary_maps(blocks: Blocks, versions: tuple[VersionRoute, ...], *, lua: bool) -> CanaryMaps:
    """Adds the blocks of a route's canaries."""
    canaries = versions[1:]
    if not any(v.header is not None or _names(v.cookie) for v in canaries):
        return CanaryMaps()
    notes: list[str] = []
    headers = [PASSES if v.header is None else _header_letter(blocks, v.header, lua, notes) for v in canaries]
    cookies = [PASSES if v.cookie is None or not v.cookie.name else _cookie_letter(blocks, v.cookie) for v in canaries]
    name = blocks.name("rules")
    blocks.add(MapBlock("letters", Template(()), Variable(name), Template((*headers, *cookies))))
    lines = tuple(_line(i, v.header) for i, v in enumerate(canaries, 1) if v.header is not None)
    return CanaryMaps(name, lines if lua else (), tuple(notes))


def _names(cookie: CookieRule | None) -> bool:
    return cookie is not None and bool(cookie.name)


def _line(canary: int, rule: HeaderRule) -> HeaderLine:
    name = rule.name.lower().replace("-", "_")
    if rule.broken:
        return HeaderLine(canary, name, "b")
    if rule.value is not None:
        return HeaderLine(canary, name, "v", rule.value)
    return HeaderLine(canary, name, "a") if rule.pattern is None else HeaderLine(canary, name, "x", rule.pattern)


# --- headers ---


def _header_letter(blocks: Blocks, rule: HeaderRule, lua: bool, notes: list[str]) -> Variable | str:
    default, rows = _header_rows(rule, lua, notes)
    if not rows:
        return default
    name, new = blocks.once(("header", rule.name.lower(), default, rows), "header")
    if new:
        source = of_variable(header_variable(rule.name))
        blocks.add(MapBlock("header", source, Variable(name), plain(default), rows, about(rule.source)))
    return Variable(name)


def _header_rows(rule: HeaderRule, lua: bool, notes: list[str]) -> tuple[str, tuple[MapRow, ...]]:
    """What the map gives by default, and its rows."""
    empty = LUA if lua else PASSES
    if rule.broken:
        return OUT, (when_empty(empty),)
    if rule.value is not None:
        if not fits(quoted(rule.value)):
            return (LUA, ()) if lua else (PASSES, ())
        return PASSES, (when_empty(empty),) if not rule.value else (equal(rule.value, TAKES),)
    if rule.pattern is None:
        return PASSES, (equal("always", TAKES), equal("never", OUT))
    return _pattern_rows(rule.name, rule.pattern, lua, notes)


def _pattern_rows(name: str, pattern: str, lua: bool, notes: list[str]) -> tuple[str, tuple[MapRow, ...]]:
    found = bounds(pattern, anchored=False)
    if not fits(pattern) or not nginx_may_run(found.cost, lua=lua):
        if lua:
            return LUA, ()
        notes.append(f"header {name}: the work of its pattern is not bounded; requests with it get no such canary")
        return OUT, (when_empty(PASSES),)
    found_row = matching(pattern, TAKES)
    return PASSES, (when_empty(LUA if lua else PASSES), found_row) if found.takes_empty else (found_row,)


# --- cookies ---


def _cookie_letter(blocks: Blocks, rule: CookieRule) -> Variable:
    name, new = blocks.once(("cookie letter", rule.name.lower()), "cookies")
    if new:
        source = of_variable(cookie_variable(blocks, rule.name, match_case=False))
        rows = (equal("always", TAKES), equal("never", OUT))
        blocks.add(MapBlock("cookie", source, Variable(name), plain(PASSES), rows, about(rule.source)))
    return Variable(name)
