"""The events of a watch, one JSON object a line.

Read in chunks, not with the kubernetes package's Watch: that one reads by lines of at most 4 MB, makes a client of its
own for each stream and turns an event of type ERROR into an exception.
"""

import json
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp

from serin.cluster.api.errors import ApiUnreachableError


async def events(response: aiohttp.ClientResponse, call: str) -> AsyncGenerator[dict[str, Any], None]:
    """Until the server ends the stream. ApiUnreachableError when it breaks off, stays silent, or is not JSON."""
    begun: list[bytes] = []
    try:
        async for chunk in response.content.iter_any():
            first, *others = chunk.split(b"\n")
            begun.append(first)
            for line in others:
                whole, begun = b"".join(begun), [line]
                if whole.strip():
                    yield json.loads(whole)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise ApiUnreachableError(f"{call}: the stream broke: {error or type(error).__name__}") from error
    finally:
        response.close()
