"""CanaryRoutes of a cluster: read by name or listed, and annotated by a merge patch. Nothing else is written."""

import argparse

from serin.cli.canary.document import Document
from serin.cli.canary.places import missing
from serin.cluster.api import Api, ApiError
from serin.cluster.connection import Connection, own_namespace, read_connection
from serin.cluster.kinds import CANARY_ROUTE
from serin.errors import SerinError, UsageError
from serin.objects.canaryroute import ACTION
from serin.telemetry import log

TIMEOUT = 10.0


class ClusterPlace:
    def __init__(self, arguments: argparse.Namespace) -> None:
        log.configure("error")

        def connection() -> Connection:
            where = (arguments.kubeconfig, arguments.apiserver_host, arguments.certificate_authority)
            return read_connection(*where, context=arguments.context)

        self.default_namespace = own_namespace(connection())
        self._api = Api(connection, timeout=TIMEOUT)

    async def listed(self, namespace: str) -> list[Document]:
        try:
            items = (await self._api.list(CANARY_ROUTE.path(namespace))).items
        except ApiError as error:
            raise _told(error, "list", namespace) from error
        return sorted((Document(item) for item in items), key=lambda document: (document.namespace, document.name))

    async def found(self, namespace: str, name: str) -> Document:
        namespace = namespace or self.default_namespace
        try:
            raw = await self._api.get(CANARY_ROUTE.path(namespace, name))
        except ApiError as error:
            raise _told(error, "read", namespace, name) from error
        if raw is None:
            raise UsageError(missing(namespace, name, await self._elsewhere(name)))
        return Document(raw)

    async def act(self, document: Document, value: str) -> None:
        """Of the object as it is, whoever changed it since: the token in the value says which step is meant."""
        try:
            body = {"metadata": {"annotations": {ACTION: value}}}
            await self._api.patch(CANARY_ROUTE.path(document.namespace, document.name), body)
        except ApiError as error:
            raise _told(error, "patch", document.namespace, document.name) from error

    async def close(self) -> None:
        await self._api.close()

    async def _elsewhere(self, name: str) -> list[str]:
        """Namespaces that have one of this name; none where it may not be looked for.

        Where the kind itself is unknown, that is said instead.
        """
        try:
            return [document.namespace for document in await self.listed("") if document.name == name]
        except UsageError:
            raise
        except SerinError:
            return []


def _told(error: ApiError, verb: str, namespace: str, name: str = "") -> SerinError:
    where = f" in namespace {namespace}" if namespace else ""
    if error.status in (401, 403):
        which = f"CanaryRoute {name}" if name else "CanaryRoutes"
        return SerinError(f"no permission to {verb} {which}{where}: {error.text}")
    if error.status == 404 and not name:
        return UsageError(
            "this cluster does not know CanaryRoutes; install their definition: "
            "kubectl apply --server-side -f charts/serin/crds/"
        )
    return error
