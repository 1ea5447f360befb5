"""Calls to the API server, one at a time, as plain dicts: the only room that knows the kubernetes package.

Reads by name, lists, one-shot watches and all writes. Nothing that was read is kept here.
"""

from serin.cluster.api.client import Api, Listing, Object
from serin.cluster.api.errors import ApiError, ApiUnreachableError

__all__ = ["Api", "ApiError", "ApiUnreachableError", "Listing", "Object"]
