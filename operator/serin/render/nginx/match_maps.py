"""The rules of a CanaryRoute for nginx: rows of conditions, each either a variable that is `1` or a question for Lua.

With Lua only methods and networks are variables: nginx shows an empty field like none, and of repeated headers one.
Without Lua everything has to be one; `notes` has what a map cannot say. A pattern that cannot be run is no match of
another version's rule, and one of home's where the field is there.
"""

from dataclasses import dataclass, field

from serin.refs import Source
from serin.render.nginx.blocks import (
    Blocks,
    GeoBlock,
    MapBlock,
    MapRow,
    about,
    cookie_pattern,
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
from serin.render.nginx.parameters import parameter_equal, parameter_present, parameter_variable
from serin.render.nginx.spec import ByLua, ByVariable, Condition, Row, Subject
from serin.render.nginx.values import Template, Variable
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule
from serin.routing.decision import reason_of_match

_WORDS = {"H": "header", "C": "cookie", "Q": "query parameter"}


@dataclass(slots=True)
class MatchMaps:
    """What is made of a CanaryRoute's rules; without Lua all conditions are variables."""

    blocks: Blocks
    lua: bool
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, rule: MatchRule) -> None:
        for match in rule.matches:
            conditions = self._conditions(rule.version == 0, match)
            if conditions:
                self.rows.append(Row(rule.version, reason_of_match(match), tuple(conditions)))

    def _conditions(self, home: bool, match: Match) -> list[Condition]:
        """Empty where it can never hold."""
        fields: list[tuple[Subject, FieldMatch]] = [
            *(("H", f) for f in match.headers),
            *(("C", f) for f in match.cookies),
            *(("Q", f) for f in match.query),
        ]
        found: list[Condition | None] = [self._field(of, f, home, match.source) for of, f in fields]
        if match.method:
            known = fits(quoted(match.method))
            row = equal(match.method, "1")
            found.append(self._map("request_method", "0", (row,), match.source) if known else None)
        if match.clients:
            found.append(self._clients(match.clients, match.source))
        return [] if None in found else [c for c in found if c is not None]

    def _field(self, of: Subject, wanted: FieldMatch, home: bool, source: Source | None) -> Condition | None:
        """None: it never holds."""
        present = wanted.kind is MatchKind.PRESENT or (wanted.broken and home)
        if wanted.broken and not home:
            return None
        if self.lua:
            return _question(of, wanted, present=present)
        if present:
            return self._present(of, wanted.name, source)
        if wanted.kind is MatchKind.EXACT:
            return self._equal(of, wanted, source)
        return self._pattern(of, wanted, home, source)

    # --- without Lua ---

    def _present(self, of: Subject, name: str, source: Source | None) -> Condition | None:
        if of != "H":
            pattern = cookie_pattern(name) if of == "C" else parameter_present(name)
            read = "http_cookie" if of == "C" else "request_uri"
            return self._map(read, "0", (matching(pattern, "1"),), source) if fits(pattern) else None
        return self._map(header_variable(name), "1", (when_empty("0"),), source)

    def _equal(self, of: Subject, wanted: FieldMatch, source: Source | None) -> Condition | None:
        pattern = parameter_equal(wanted.value) if of == "Q" else f"^{quoted(wanted.value)}$"
        if not wanted.value or not fits(pattern):
            self._note(of, wanted.name, "an empty or very long value is no match")
            return None
        row = matching(pattern, "1")
        return self._map(self._variable(of, wanted.name), "0", (row,), source)

    def _pattern(self, of: Subject, wanted: FieldMatch, home: bool, source: Source | None) -> Condition | None:
        found = bounds(wanted.pattern, anchored=True)
        if of == "Q" or not fits(wanted.value) or not nginx_may_run(found.cost, lua=self.lua):
            kept = "every value is a match" if home else "no value is a match"
            self._note(of, wanted.name, f"its pattern cannot be run here; {kept}")
            return self._present(of, wanted.name, source) if home else None
        row = matching(wanted.pattern, "1")
        rows = (when_empty("0"), row) if found.takes_empty else (row,)
        return self._map(self._variable(of, wanted.name), "0", rows, source)

    def _variable(self, of: Subject, name: str) -> str:
        if of == "H":
            return header_variable(name)
        if of == "C":
            return cookie_variable(self.blocks, name, match_case=True)
        return parameter_variable(self.blocks, name)

    def _note(self, of: Subject, name: str, text: str) -> None:
        self.notes.append(f"{_WORDS[of]} {name}: {text}")

    # --- in either mode ---

    def _map(self, source: str, default: str, rows: tuple[MapRow, ...], asked: Source | None) -> ByVariable:
        name, new = self.blocks.once((source, default, rows), "match")
        if new:
            self.blocks.add(
                MapBlock("condition", of_variable(source), Variable(name), plain(default), rows, about(asked))
            )
        return ByVariable(name)

    def _clients(self, networks: tuple[str, ...], source: Source | None) -> ByVariable:
        name, new = self.blocks.once(("clients", networks), "clients")
        if new:
            self.blocks.add(GeoBlock(Variable(name), networks, about(source)))
        return ByVariable(name)


def bits(blocks: Blocks, rows: tuple[Row, ...]) -> tuple[str, dict[str, int]]:
    """A variable with one digit for each condition's variable of the rows, and the places of these."""
    places: dict[str, int] = {}
    for row in rows:
        for condition in row.conditions:
            assert isinstance(condition, ByVariable)
            places.setdefault(condition.variable, len(places))
    name = blocks.name("bits")
    digits = [Variable(variable) for variable in places]
    if len(digits) > _TOGETHER:
        parts = [digits[i : i + _TOGETHER] for i in range(0, len(digits), _TOGETHER)]
        digits = [_joined(blocks, Variable(f"{name}_{i}"), part) for i, part in enumerate(parts)]
    _joined(blocks, Variable(name), digits)
    return name, places


_TOGETHER = 60
"""Variables whose names fit in one token."""


def _joined(blocks: Blocks, variable: Variable, parts: list[Variable]) -> Variable:
    blocks.add(MapBlock("bits", Template(()), variable, Template(tuple(parts))))
    return variable


def _question(of: Subject, wanted: FieldMatch, *, present: bool) -> ByLua:
    if present:
        return ByLua("s", of, wanted.name)
    if wanted.kind is MatchKind.EXACT:
        return ByLua("e", of, wanted.name, wanted.value)
    return ByLua("x", of, wanted.name, wanted.value)
