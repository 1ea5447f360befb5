"""Why there is no nginx with Lua here, in one sentence for people."""


class LocalNginxError(Exception):
    """Something outside this program is missing or failed; the text says what, and what to do."""
