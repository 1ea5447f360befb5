"""Who a user is (splitBy), as variables of nginx: the text of the key, and the Set-Cookie of whoever has no cookie yet.

The value that a client is given is nginx's id of the request, 32 random hex digits, so that every retry and every
location knows it. What is done with the key is not known here: with Lua the routine hashes it, else split_clients.
"""

from serin.render.nginx.blocks import (
    EMPTY,
    Blocks,
    MapBlock,
    MapRow,
    about,
    cookie_variable,
    fits,
    header_variable,
    matching,
    of_variable,
    when_empty,
)
from serin.render.nginx.values import Pattern, Template, Text, Variable
from serin.routing.plan import SplitBy, SplitKind


def user_key(blocks: Blocks, by: SplitBy) -> str:
    """The variable (no `$`) with the text of the user's key; the request's id where there is none."""
    if by.kind is SplitKind.CLIENT:
        return "remote_addr"
    cookie = by.kind is SplitKind.COOKIE
    read = cookie_variable(blocks, by.name, match_case=True) if cookie else header_variable(by.name)
    rows = (MapRow(Text(""), of_variable("request_id")),)
    name = Variable(blocks.name("user"))
    return blocks.add(MapBlock("user", of_variable(read), name, of_variable(read), rows, about(by.source)))


def user_cookie(blocks: Blocks, by: SplitBy | None, *, paged: bool = False) -> Variable | None:
    """The value of Set-Cookie: for requests without the cookie that an endpoint was chosen for; else empty.

    `paged`: for a page that somebody else gives in the place of the version's answer.
    """
    if by is None or by.kind is not SplitKind.COOKIE:
        return None
    key = user_key(blocks, by)
    read = cookie_variable(blocks, by.name, match_case=True)
    line = Template(
        (f"{by.name}=", Variable(key), f"; Path=/; Max-Age={by.ttl}; HttpOnly; SameSite=Lax", _secure(blocks))
    )
    source = Template((Variable(read), " ", Variable("upstream_status")))
    asked = "^ .*[0-9].* :" if paged else "^ .*[0-9]"  # colons part whoever was asked one after the other
    rows = (MapRow(Pattern(asked, "~"), line if fits(by.name) else EMPTY),)
    name = Variable(blocks.name("user_page_cookie" if paged else "user_cookie"))
    blocks.add(MapBlock("set-cookie", source, name, EMPTY, rows))
    return name


def _secure(blocks: Blocks) -> Variable:
    name = Variable(blocks.name("user_secure"))
    rows = (when_empty(""), matching("^on$", "; Secure"))
    blocks.add(MapBlock("secure", of_variable("https"), name, EMPTY, rows))
    return name
