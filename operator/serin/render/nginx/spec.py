"""What a location tells Lua about its route, as one constant text: the value of `$serin`.

Blank-separated fields of unreserved characters; every other byte is percent-encoded, so that the text needs no quoting
in nginx.conf and holds no `$`. The Lua side reads it once per worker (dataplane/nginx/lua/serin/spec.lua). Nothing is
decided here: rules come from `rules`, everything else from the route.
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from serin.routing.decision import Reason
from serin.routing.plan import Affinity, Route, SplitBy, SplitKind, VersionRoute

DEFAULT_TRIES = 3

Subject = Literal["H", "C", "Q"]
"""What a condition looks at: a header, a cookie, a query parameter."""

_RESERVED = re.compile(rb"[^A-Za-z0-9._~/*@-]")
_REASONS = {Reason.HEADER: "h", Reason.COOKIE: "c", Reason.RULE: "r"}


@dataclass(frozen=True, slots=True)
class SpecVersion:
    """`key`: the nginx variable (no `$`) with the text that chooses the endpoint; empty: the client's address."""

    ident: str
    name: str
    sticky: bool = True
    key: str = ""


@dataclass(frozen=True, slots=True)
class HeaderLine:
    """A canary's header rule as Lua takes it where a map cannot tell (an empty header, a pattern, repeated headers).

    `kind`: v equal to `value`, x the pattern `value` is found, a always/never, b a pattern that does not compile.
    """

    canary: int
    name: str
    kind: Literal["v", "x", "a", "b"]
    value: str = ""


@dataclass(frozen=True, slots=True)
class ByVariable:
    """Holds when the nginx variable (no `$`) is `1`."""

    variable: str


@dataclass(frozen=True, slots=True)
class ByLua:
    """`kind`: e equal to `text`, s present, x the pattern `text` takes the whole value, b a broken pattern."""

    kind: Literal["e", "s", "x", "b"]
    of: Subject
    name: str
    text: str = ""


Condition = ByVariable | ByLua


@dataclass(frozen=True, slots=True)
class Row:
    """One match of a CanaryRoute: all conditions hold → this version, for this reason."""

    version: int
    reason: Reason
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class SpecUser:
    """Where a user's key is (splitBy): c the cookie `name`, h the header, a the client's address."""

    kind: Literal["c", "h", "a"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Spec:
    """`letters`: the nginx variable (no `$`) with the effects of canary Ingresses' rules, empty without rules.

    They are 2·(n-1) for n versions: headers of canaries 1 to n-1, then their cookies. T takes the request, O is out of
    it, P passes, L: ask Lua, which has the header rules in `headers`.
    """

    split: str
    versions: tuple[SpecVersion, ...]
    tries: int = DEFAULT_TRIES
    letters: str = ""
    headers: tuple[HeaderLine, ...] = ()
    rows: tuple[Row, ...] = ()
    affinity: Affinity | None = None
    user: SpecUser | None = None

    def text(self) -> str:
        fields = [self.split, "v=" + ",".join(_version(v) for v in self.versions)]
        if self.tries != DEFAULT_TRIES:
            fields.append(f"t={self.tries}")
        if self.letters:
            fields.append("r=" + encode(self.letters))
        if self.headers:
            fields.append("h=" + ",".join(_header(line) for line in self.headers))
        if self.rows:
            fields.append("m=" + ",".join(_row(row) for row in self.rows))
        if self.affinity is not None:
            fields += _affinity(self.affinity)
        if self.user is not None:
            fields.append(_user(self.user))
        return " ".join(fields)


@dataclass(frozen=True, slots=True)
class SpecRules:
    """What `rules` found out about a route; `keys` has a variable or an empty text for each version."""

    letters: str = ""
    headers: tuple[HeaderLine, ...] = ()
    rows: tuple[Row, ...] = ()
    keys: tuple[str, ...] = ()


def spec_of(route: Route, rules: SpecRules) -> Spec:
    """The spec of a route that proxies (it has a split)."""
    if route.split is None:
        raise ValueError("a route without a split is never proxied")
    keys = rules.keys or ("",) * len(route.versions)
    versions = tuple(
        SpecVersion(v.ident, version_name(v), v.sticky, key) for v, key in zip(route.versions, keys, strict=True)
    )
    return Spec(
        route.split,
        versions,
        route.policy.upstream.tries,
        rules.letters,
        rules.headers,
        rules.rows,
        route.policy.affinity,
        None if route.split_by is None else user_of(route.split_by),
    )


_USERS: dict[SplitKind, Literal["c", "h", "a"]] = {SplitKind.COOKIE: "c", SplitKind.HEADER: "h", SplitKind.CLIENT: "a"}


def user_of(by: SplitBy) -> SpecUser:
    return SpecUser(_USERS[by.kind], "" if by.kind is SplitKind.CLIENT else by.name)


def spec_text(route: Route, rules: SpecRules) -> str:
    """The value of `$serin` for a route that proxies."""
    return spec_of(route, rules).text()


def version_name(version: VersionRoute) -> str:
    """`namespace-service-port`, as logs and metrics call it (ingress-nginx's upstream name)."""
    return f"{version.ingress.namespace}-{version.service}-{version.port}"


def encode(text: str, *, dots: bool = True) -> str:
    """Percent-encoding of UTF-8; `dots` False encodes `.` too."""
    found = _RESERVED.sub(lambda m: b"%%%02X" % m[0][0], text.encode("utf-8", "surrogateescape")).decode("ascii")
    return found if dots else found.replace(".", "%2E")


def decode(text: str) -> str:
    return unquote(text, errors="surrogateescape")


# --- the fields ---


def _version(version: SpecVersion) -> str:
    return f"{version.ident}:{encode(version.name)}:{int(version.sticky)}:{encode(version.key)}"


def _header(line: HeaderLine) -> str:
    return f"{line.canary}:{encode(line.name)}:{line.kind}:{encode(line.value)}"


def _row(row: Row) -> str:
    return f"{row.version}:{_REASONS[row.reason]}:{'+'.join(_condition(c) for c in row.conditions)}"


def _condition(condition: Condition) -> str:
    if isinstance(condition, ByVariable):
        return "v." + encode(condition.variable)
    parts = [condition.kind, condition.of, encode(condition.name, dots=False)]
    if condition.kind in ("e", "x"):
        parts.append(encode(condition.text, dots=False))
    return ".".join(parts)


def _affinity(affinity: Affinity) -> list[str]:
    fields = [f"a={encode(affinity.name)}", f"ap={encode(affinity.path)}"]
    if affinity.domain:
        fields.append(f"ad={encode(affinity.domain)}")
    if affinity.expires:
        fields.append(f"ae={affinity.expires}")
    if affinity.max_age:
        fields.append(f"am={affinity.max_age}")
    if affinity.same_site:
        fields.append(f"as={encode(affinity.same_site)}")
    if affinity.conditional_same_site_none:
        fields.append("ac=1")
    if affinity.secure is not None:
        fields.append(f"ax={int(affinity.secure)}")
    if affinity.persistent:
        fields.append("ai=1")
    if affinity.change_on_failure:
        fields.append("af=1")
    return fields


def _user(user: SpecUser) -> str:
    return f"u={user.kind}:{encode(user.name)}"


# --- reading it again: for tests and for whoever has to read a log ---


def read_spec(text: str) -> Spec:
    """The spec that a text is of; ValueError or KeyError for other texts."""
    split, *fields = text.split(" ")
    values = dict(field.split("=", 1) for field in fields)
    return Spec(
        split,
        tuple(_read_version(part) for part in values["v"].split(",")),
        int(values.get("t", DEFAULT_TRIES)),
        decode(values.get("r", "")),
        tuple(_read_header(part) for part in _list(values.get("h", ""))),
        tuple(_read_row(part) for part in _list(values.get("m", ""))),
        _read_affinity(values) if "a" in values else None,
        _read_user(values["u"]) if "u" in values else None,
    )


def _list(text: str) -> list[str]:
    return text.split(",") if text else []


def _read_version(text: str) -> SpecVersion:
    ident, name, sticky, key = text.split(":")
    return SpecVersion(ident, decode(name), sticky == "1", decode(key))


def _read_header(text: str) -> HeaderLine:
    canary, name, kind, value = text.split(":")
    if kind not in ("v", "x", "a", "b"):
        raise ValueError(text)
    return HeaderLine(int(canary), decode(name), kind, decode(value))  # type: ignore[arg-type]


def _read_row(text: str) -> Row:
    version, reason, conditions = text.split(":")
    reasons = {letter: found for found, letter in _REASONS.items()}
    return Row(int(version), reasons[reason], tuple(_read_condition(part) for part in conditions.split("+")))


def _read_condition(text: str) -> Condition:
    kind, *parts = text.split(".")
    if kind == "v":
        return ByVariable(decode(".".join(parts)))
    of, name, *value = parts
    if kind not in ("e", "s", "x", "b") or of not in ("H", "C", "Q"):
        raise ValueError(text)
    return ByLua(kind, of, decode(name), decode(value[0]) if value else "")  # type: ignore[arg-type]


def _read_user(text: str) -> SpecUser:
    kind, name = text.split(":")
    if kind not in ("c", "h", "a"):
        raise ValueError(text)
    return SpecUser(kind, decode(name))  # type: ignore[arg-type]


def _read_affinity(values: dict[str, str]) -> Affinity:
    return Affinity(
        name=decode(values["a"]),
        path=decode(values.get("ap", "")),
        domain=decode(values.get("ad", "")),
        expires=int(values.get("ae", 0)),
        max_age=int(values.get("am", 0)),
        same_site=decode(values.get("as", "")),
        conditional_same_site_none=values.get("ac") == "1",
        secure=values["ax"] == "1" if "ax" in values else None,
        persistent=values.get("ai") == "1",
        change_on_failure=values.get("af") == "1",
    )
