"""Namespaces that begin and cease to be selected: their objects come and go with them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

from harness import raw

from serin.cluster.api import Api, Listing
from serin.cluster.intake import Intake
from serin.cluster.scope import Scope, watched_feeds
from serin.cluster.selection import Selection
from serin.cluster.told import Told, read_object
from serin.cluster.waits import Waits
from serin.refs import Ref

SCOPE = Scope(selector="team=shop")
SHOP = Ref("Namespace", "", "shop")
WEB = Ref("Ingress", "shop", "web")


class OneIngress:
    """What Selection asks of the Api."""

    async def list(self, path: str, **_: str) -> Listing:
        return Listing([], "1")

    async def pages(self, path: str, **_: str) -> AsyncIterator[Listing]:
        found = path == "/apis/networking.k8s.io/v1/namespaces/shop/ingresses"
        yield Listing([object_of(raw.ingress("web", "shop", "web.test"), "5")] if found else [], "9")


def object_of(manifest: dict[str, Any], version: str) -> dict[str, Any]:
    return manifest | {"metadata": manifest["metadata"] | {"uid": "u", "resourceVersion": version}}


async def test_enters_leaves_and_enters_again() -> None:
    feeds, intake, heard = watched_feeds(SCOPE), Intake(), list[Told]()
    selection = Selection(cast("Api", OneIngress()), feeds, intake, Waits(lambda: 0.0))
    await selection.begin()
    intake.told.append(heard.append)
    running = asyncio.create_task(selection.run())
    namespaces = next(feed for feed in feeds if feed.kind.name == "Namespace")

    def enter(version: str) -> None:
        named = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        intake.apply(read_object(namespaces, SHOP, object_of(named, version), "MODIFIED"))

    try:
        for version in (10, 20, 30):
            enter(str(version))
            async with asyncio.timeout(45):
                while intake.inventory.find(WEB) is None:
                    await asyncio.sleep(0)
            assert WEB in {view.meta.ref for view in intake.take().applied}
            intake.apply(Told(namespaces, SHOP, "u", str(version + 5), None))
            assert intake.inventory.find(WEB) is None
            assert set(intake.take().deleted) == {SHOP, WEB}
    finally:
        running.cancel()
    # A re-list of the watch has everything read anew; these were read by ourselves.
    assert not [told.ref for told in heard if told.listed]
