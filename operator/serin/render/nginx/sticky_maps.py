"""Cookie affinity without Lua: maps over the cookie, and the Set-Cookie of whoever has none.

The cookie is the same as elsewhere (routing.affinity): `key.ident`, the key chooses the endpoint, the ident names the
version. Here the key is nginx's id of the first request. `sticky_notes` has what maps cannot do.
"""

from serin.render.nginx.blocks import (
    EMPTY,
    Blocks,
    MapBlock,
    MapRow,
    about,
    cookie_variable,
    fits,
    matching,
    of_variable,
    plain,
)
from serin.render.nginx.upstreams import upstream_name
from serin.render.nginx.values import Pattern, Template, Text, Variable
from serin.routing.plan import Affinity, VersionRoute


class StickyMaps:
    """Of one split. `there`: which versions have endpoints."""

    def __init__(
        self, blocks: Blocks, affinity: Affinity, versions: tuple[VersionRoute, ...], there: tuple[bool, ...]
    ) -> None:
        self._blocks = blocks
        self._affinity = affinity
        self._versions = versions
        self._pins = [i for i, v in enumerate(versions) if v.sticky and there[i]]
        self._cookie = cookie_variable(blocks, affinity.name, match_case=False)

    def key(self) -> str:
        """The variable (no `$`) whose text chooses the endpoint."""
        name, captured = self._blocks.name("stick"), self._blocks.name("k")
        rows = (
            MapRow(Text(""), of_variable("request_id")),
            MapRow(Pattern(rf"^(?<{captured}>.+)\.[0-9a-f]{{16}}$", "~"), of_variable(captured)),
        )
        source = of_variable(self._cookie)
        block = MapBlock("sticky-key", source, Variable(name), source, rows, about(self._affinity.source))
        return self._blocks.add(block)

    def pinned(self, otherwise: Template) -> Template:
        """The version that the cookie names, where it has endpoints."""
        rows = tuple(
            MapRow(Pattern(_names(self._versions[i].ident), "~"), plain(upstream_name(self._blocks.split, i)))
            for i in self._pins
        )
        if all(row.value == otherwise for row in rows):
            return otherwise
        source = of_variable(self._cookie)
        return of_variable(
            self._blocks.add(MapBlock("pinned", source, Variable(self._blocks.name("pinned")), otherwise, rows))
        )

    def set_cookie(self, target: Template) -> Variable:
        """The value of Set-Cookie, empty where none is due: for those that were proxied, and had none that is true."""
        due = self._blocks.name("due")
        rows = (
            MapRow(Text(""), plain("1")),
            *(matching(_names(self._versions[i].ident), "0") for i in self._pins),
            matching(_names("[0-9a-f]{16}"), "1"),
        )
        self._blocks.add(MapBlock("due", of_variable(self._cookie), Variable(due), plain("0"), rows))
        lines = tuple(
            MapRow(Pattern(rf"^1 .*[0-9].* {upstream_name(self._blocks.split, i)}$", "~"), self._line(version))
            for i, version in enumerate(self._versions)
            if version.sticky
        )
        source = Template((Variable(due), " ", Variable("upstream_status"), " ", *target.parts))
        name = self._blocks.name("set_cookie")
        self._blocks.add(MapBlock("set-cookie", source, Variable(name), EMPTY, lines))
        return Variable(name)

    def _line(self, version: VersionRoute) -> Template:
        """Attributes in ingress-nginx's order. nginx has no date of the future: Max-Age says what Expires would."""
        a = self._affinity
        if not fits(a.name + a.domain + a.path + a.same_site):
            return EMPTY
        seconds = a.max_age or a.expires
        attributes: list[str | Variable] = [f"; Max-Age={seconds}"] if seconds else []
        if a.domain:
            attributes.append(f"; Domain={a.domain}")
        attributes.append(f"; Path={a.path}")
        if a.secure is None:
            attributes.append(self._secure())
        elif a.secure:
            attributes.append("; Secure")
        attributes.append("; HttpOnly")
        if a.same_site and not (a.same_site == "None" and a.conditional_same_site_none):
            attributes.append(f"; SameSite={a.same_site}")
        return Template((f"{a.name}=", Variable(self._blocks.name("stick")), f".{version.ident}", *attributes))

    def _secure(self) -> Variable:
        name = self._blocks.name("secure")
        rows = (matching("^on$", "; Secure"),)
        self._blocks.add(MapBlock("secure", of_variable("https"), Variable(name), EMPTY, rows))
        return Variable(name)


def _names(ident: str) -> str:
    return rf".\.{ident}$"


def sticky_notes(affinity: Affinity) -> tuple[str, ...]:
    """What the annotations ask for and maps cannot do."""
    found = []
    if affinity.persistent:
        found.append("cookie affinity is by hash (balanced): more endpoints move some users")
    if affinity.change_on_failure:
        found.append("a cookie stays as it is when its endpoint fails")
    if affinity.conditional_same_site_none and affinity.same_site == "None":
        found.append("no cookie has SameSite=None, as some browsers are not to get it")
    if affinity.expires:
        found.append("cookies have Max-Age in the place of Expires")
    return tuple(found)
