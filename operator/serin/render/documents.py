"""The JSON documents of the run directory: one for each host, and the index that names them all.

A document's text begins with its schema's version and a digest of the rest, so that a reader never takes half a file or
another version's for a plan. Weights and endpoints are not in them: those change without a new document.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from serin.errors import CorruptFileError
from serin.render.codec import from_plain, to_plain
from serin.routing.identity import content_digest
from serin.routing.plan import Globals, Host

SCHEMA = 1
"""Goes up with every change that an older reader would misread. A reader takes its own version alone."""

_HEAD = re.compile(rb'\{"schema":(\d+),"digest":"([0-9a-f]{32})",')


@dataclass(frozen=True, slots=True)
class Index:
    """What is in force. `hosts` and `certificates` go from every name that a host answers to, aliases too, to digests.

    `generation` counts up by one with each plan. `users` are the digests of all user files that routes name; the
    default certificate is in `globals`.
    """

    generation: int
    hosts: Mapping[str, str]
    certificates: Mapping[str, str]
    users: tuple[str, ...] = ()
    globals: Globals = field(default_factory=Globals)


def host_document(host: Host) -> bytes:
    """The document of a host; equal hosts have equal documents."""
    return _seal({"host": to_plain(host)})


def read_host(document: bytes) -> Host:
    """The host of a document. CorruptFileError when anything in it is not as it was written."""
    return from_plain(Host, _open(document, "host"))


def index_document(index: Index) -> bytes:
    return _seal(
        {
            "index": {
                "generation": index.generation,
                "hosts": dict(index.hosts),
                "certificates": dict(index.certificates),
                "users": list(index.users),
                "globals": to_plain(index.globals),
            }
        }
    )


def read_index(document: bytes) -> Index:
    """The index of a document. CorruptFileError when anything in it is not as it was written."""
    plain = _open(document, "index")
    try:
        generation, users = plain["generation"], plain["users"]
        hosts, certificates = plain["hosts"], plain["certificates"]
        defaults = from_plain(Globals, plain["globals"])
    except (KeyError, TypeError) as e:
        raise CorruptFileError(f"index: without {e}") from e
    if type(generation) is not int or type(users) is not list:
        raise CorruptFileError("index: generation and users are a number and a list")
    for names in (hosts, certificates):
        if type(names) is not dict or not _texts(names.values()):
            raise CorruptFileError("index: hosts and certificates go from names to digests")
    if not _texts(users):
        raise CorruptFileError("index: users are digests")
    return Index(generation, hosts, certificates, tuple(users), defaults)


def _texts(values: Iterable[Any]) -> bool:
    return all(type(value) is str for value in values)


def _seal(body: dict[str, Any]) -> bytes:
    """The body as JSON text with schema and digest put before it."""
    rest = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")[1:]
    return b'{"schema":%d,"digest":"%s",' % (SCHEMA, content_digest(rest).encode()) + rest


def _open(document: bytes, name: str) -> Any:
    head = _HEAD.match(document)
    if head is None:
        raise CorruptFileError(f"{name}: not a document of Serin")
    if int(head[1]) != SCHEMA:
        raise CorruptFileError(f"{name}: schema {int(head[1])}, this Serin reads {SCHEMA}")
    if content_digest(document[head.end() :]) != head[2].decode():
        raise CorruptFileError(f"{name}: the digest does not fit the text")
    try:
        return json.loads(document.decode("utf-8", "surrogatepass"))[name]
    except (ValueError, KeyError, RecursionError) as e:
        raise CorruptFileError(f"{name}: {e}") from e
