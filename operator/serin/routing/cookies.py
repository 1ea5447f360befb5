"""The Cookie header read as nginx's `$cookie_name` reads it: raw text, no unquoting, nothing trimmed at a value's end.

A lenient cookie jar would turn `"always"` into `always` and let one name hide another; rules must not depend on that.
"""

import re
from collections.abc import Callable
from functools import lru_cache


@lru_cache(maxsize=4096)
def cookie_reader(name: bytes, *, match_case: bool = False) -> Callable[[bytes], bytes | None]:
    """A function from a Cookie header to the value of the cookie `name`; made once for a rule.

    The name is compared without regard to case unless `match_case`, and the first cookie of that name counts. Cookies
    begin at the start and after `;` or `,`, blanks may stand before the name and around `=`, and the value runs to the
    next `;`. Several Cookie headers are to be joined with `; ` before. An empty name is no cookie's.
    """
    if not name:
        return lambda header: None
    find = re.compile(rb"(?:^|[;,]) *" + re.escape(name) + rb" *= *([^;]*)", 0 if match_case else re.IGNORECASE).search

    def read(header: bytes) -> bytes | None:
        found = find(header)
        return None if found is None else found[1]

    return read


def cookie_value(header: bytes, name: bytes) -> bytes | None:
    """The value of the cookie `name` in a Cookie header, or None."""
    return cookie_reader(name)(header)
