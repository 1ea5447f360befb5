"""Asks the API server whether somebody has a right in a namespace. Nothing is stored by it."""

from collections.abc import Mapping, Sequence

from serin.cluster.api import Api
from serin.cluster.kinds import CANARY_ROUTE, LOCAL_SUBJECT_ACCESS_REVIEW


async def may_update_part(
    api: Api,
    who: tuple[str, str, Sequence[str], Mapping[str, Sequence[str]]],
    namespace: str,
    name: str,
    part: str,
) -> bool:
    """Whether `who` (name, uid, groups, extra, as a review has them) may update canaryroutes/PART.

    ApiError, ApiUnreachableError.
    """
    user, uid, groups, extra = who
    attributes = {
        "group": CANARY_ROUTE.group,
        "version": CANARY_ROUTE.version,
        "resource": CANARY_ROUTE.plural,
        "subresource": part,
        "verb": "update",
        "namespace": namespace,
        "name": name,
    }
    review = await api.create(
        LOCAL_SUBJECT_ACCESS_REVIEW.path(namespace),
        {
            "apiVersion": LOCAL_SUBJECT_ACCESS_REVIEW.api_version,
            "kind": LOCAL_SUBJECT_ACCESS_REVIEW.name,
            "metadata": {"namespace": namespace},
            "spec": {
                "user": user,
                "uid": uid,
                "groups": list(groups),
                "extra": {key: list(values) for key, values in extra.items()},
                "resourceAttributes": {key: text for key, text in attributes.items() if text},
            },
        },
    )
    return (review.get("status") or {}).get("allowed") is True
