"""Who may write an action on a CanaryRoute: whoever has the right to update the part of it that is called like a verb.

CanaryRoutes have no such parts, but roles may name them, so that approving can be another duty than editing. Unlike
all other judgements this one fails closed: without an answer a new action is denied, and nothing else.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from serin.admission.review import Asker, Review
from serin.objects.canaryroute import ACTION
from serin.rollout.verbs import VERBS
from serin.telemetry import log

SECONDS = 2.0
"""For the answer; the API server waits 5 s for the whole review."""
DENIED = "action-not-allowed"

_log = logging.getLogger("serin.admission")


@dataclass(frozen=True, slots=True)
class Right:
    """To update the subresource `verb` of a CanaryRoute."""

    namespace: str
    name: str
    verb: str


MayAct = Callable[[Asker, Right], Awaitable[bool]]
"""Asks the API server; any exception when it does not say."""


def asked_right(review: Review) -> Right | None:
    """None: no action comes with this review, or one that nobody would carry out."""
    if review.kind != ("serin.dev", "CanaryRoute") or review.operation not in ("CREATE", "UPDATE"):
        return None
    new, old = _action(review.new), _action(review.old)
    verb = new.partition("/")[0]
    if new == old or verb not in VERBS:
        return None
    metadata = _metadata(review.new)
    return Right(str(metadata.get("namespace") or ""), str(metadata.get("name") or ""), verb)


class Approval:
    def __init__(self, may_act: MayAct) -> None:
        self._may_act = may_act

    async def denial(self, review: Review) -> str:
        """Why the action is not allowed; empty when it is, or when there is none."""
        right = asked_right(review)
        if right is None:
            return ""
        who = review.asker.name or "the user"
        what = f"update canaryroutes/{right.verb} in namespace {right.namespace}"
        try:
            async with asyncio.timeout(SECONDS):
                allowed = await self._may_act(review.asker, right)
        except Exception as error:
            why = str(error) or type(error).__name__
            log.event(_log, log.WEBHOOK_FAILED, level=logging.ERROR, kind="/".join(review.kind), error=why)
            return f"{ACTION}: whether {who} may {what} cannot be asked now; try again, or see the controller's log"
        return "" if allowed else f"{ACTION}: {who} may not {right.verb}: that needs the right to {what}"


def _action(raw: Mapping[str, Any] | None) -> str:
    """As it is carried out, without blanks around it."""
    annotations = _metadata(raw).get("annotations")
    value = annotations.get(ACTION) if isinstance(annotations, Mapping) else None
    return value.strip() if isinstance(value, str) else ""


def _metadata(raw: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found = (raw or {}).get("metadata")
    return found if isinstance(found, Mapping) else {}
