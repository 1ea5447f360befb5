"""What is done with an exchange beside passing its bytes on; a route that asks for none of it has none (None).

Values that were made ready with the route. The transfer that acts on them is changed_transfer.py's.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serin.routing.answers import Bandwidth

if TYPE_CHECKING:
    from serin.dataplane.proxy.answer_swaps import Swaps
    from serin.dataplane.proxy.compression import ReadyCompression
    from serin.dataplane.proxy.error_pages import ReadyErrors
    from serin.dataplane.proxy.mirroring import ReadyMirror
    from serin.dataplane.proxy.shadowing import ReadyShadow


@dataclass(frozen=True, slots=True)
class Changes:
    """`bare`: the endpoint gets HTTP/1.0, the lines of `prelude` alone and no body: a request for an error page."""

    bare: bool = False
    errors: "ReadyErrors | None" = None
    swaps: "Swaps | None" = None
    bandwidth: Bandwidth | None = None
    compression: "ReadyCompression | None" = None
    mirror: "ReadyMirror | None" = None
    shadow: "ReadyShadow | None" = None


NO_CHANGES = Changes()
