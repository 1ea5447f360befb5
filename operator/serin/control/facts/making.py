"""The parts that know counts, as a controller's settings ask for them."""

import time
from collections.abc import Callable

from serin.cluster.api import Api
from serin.control.facts.client import FactsClient
from serin.control.facts.look import AllFacts, OwnFacts
from serin.control.facts.replicas import Replicas
from serin.control.facts.secret import SharedSecret
from serin.control.facts.server import FactsServer
from serin.control.facts.wire import Read
from serin.control.settings import FactsSettings
from serin.refs import Ref


def facts_source(
    settings: FactsSettings | None, api: Api, pod: str, read: Read, in_force: Callable[[], frozenset[str]]
) -> OwnFacts | AllFacts:
    """`pod`: the name of ours, empty outside of one."""
    own = OwnFacts(read, in_force)
    if settings is None or settings.service is None:
        return own
    replicas = Replicas(api, Ref("Service", *settings.service), pod, time.monotonic)
    return AllFacts(own, replicas, SharedSecret(settings.secret), FactsClient())


def facts_server(
    settings: FactsSettings | None, read: Read, in_force: Callable[[], frozenset[str]]
) -> FactsServer | None:
    """None where nobody is to be told."""
    if settings is None or settings.address is None:
        return None
    return FactsServer(settings.address, SharedSecret(settings.secret), read, in_force)
