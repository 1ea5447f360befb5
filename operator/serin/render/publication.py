"""Brings the documents of a plan into force, writing only what is new, and takes away what nobody reads any more.

Files are named by their content, so a name that was once written stays right. Order: hosts, certificates and user
files, then the index, then `generation`: a reader that sees a generation finds all that its index names. A host that
cannot be rendered is Serin's own fault: it stays as it was, and all others go into force.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from serin.render.atomic import write_file
from serin.render.documents import Index, host_document, index_document
from serin.routing.identity import content_digest
from serin.routing.match import host_names
from serin.routing.plan import Host, Plan

FILE_MODE = 0o640
KEPT_GENERATIONS = 2
KEPT_SECONDS = 60.0
"""What a plan left out is kept over this many further plans and at least this long: a worker may still want it."""


def host_file(digest: str) -> str:
    return f"hosts/{digest}.json"


def certificate_file(digest: str) -> str:
    return f"tls/{digest}.pem"


def users_file(digest: str) -> str:
    return f"users/{digest}"


class Publication:
    """State of the one writer of plan/. `clock`: seconds of any clock that does not go back."""

    def __init__(self, plan: Path, generation: int, clock: Callable[[], float]) -> None:
        """`generation`: the number in force, left by the writer before this one. Its files are looked at one by one."""
        self._folder = plan
        self._clock = clock
        self._generation = generation
        self._index: Index | None = None
        self._hosts: dict[str, tuple[Host, str]] = {}
        self._checked: dict[str, bool] = {}
        self._unused: dict[str, tuple[int, float]] = {}
        for half in plan.glob(".*.new"):
            half.unlink(missing_ok=True)
        for folder in ("hosts", "tls", "users"):
            for path in (plan / folder).iterdir():
                if path.name.startswith("."):
                    path.unlink(missing_ok=True)  # a write that its process did not finish
                else:
                    self._checked[f"{folder}/{path.name}"] = False

    def publish(self, plan: Plan) -> Mapping[str, Exception]:
        """Does nothing when these documents are in force. OSError (a full disk) leaves the old ones in force.

        Gives the hosts that could not be rendered, by name, and why: their documents are those of the plan before, or
        none.
        """
        hosts, refused = self._write_hosts(plan.hosts)
        for certificate in plan.certificates.values():
            self._put(certificate_file(certificate.digest), certificate.pem)
        for users in plan.users.values():
            self._put(users_file(users.digest), users.text)
        index = make_index(plan, hosts, self._generation + 1)
        if self._index is not None and index == replace(self._index, generation=index.generation):
            return refused
        write_file(self._folder / "index.json", index_document(index), FILE_MODE)
        write_file(self._folder / "generation", b"%d\n" % index.generation, FILE_MODE)
        self._generation, self._index = index.generation, index
        used = {host_file(digest) for _, digest in hosts.values()}
        used |= {certificate_file(d) for d in plan.certificates}
        used |= {users_file(d) for d in plan.users}
        if not refused:  # else a host of an earlier plan is served, with certificates and users of that plan
            self._clear(used)
        return refused

    def _write_hosts(self, hosts: Mapping[str, Host]) -> tuple[dict[str, tuple[Host, str]], dict[str, Exception]]:
        """What is to be served, with digests, by name. A host that compile handed on as it was is not rendered again.

        Second: the hosts that were refused, which are served as before, if they were.
        """
        known: dict[str, tuple[Host, str]] = {}
        refused: dict[str, Exception] = {}
        for name, host in hosts.items():
            before = self._hosts.get(name)
            if before is not None and before[0] is host:
                known[name] = before
                continue
            try:
                document = host_document(host)
            except Exception as error:  # our own fault, and this host's alone
                refused[name] = error
                if before is not None:
                    known[name] = before
                continue
            digest = content_digest(document)
            self._put(host_file(digest), document)
            known[name] = (host, digest)
        self._hosts = known
        return known, refused

    def _put(self, name: str, data: bytes) -> None:
        """What this process wrote stays right; a file of an earlier one is compared once."""
        checked = self._checked.get(name)
        if checked:
            return
        path = self._folder / name
        if checked is None or path.read_bytes() != data:
            write_file(path, data, FILE_MODE)
        self._checked[name] = True

    def _clear(self, used: set[str]) -> None:
        now = self._clock()
        self._unused = {n: since for n, since in self._unused.items() if n not in used}
        for name in self._checked.keys() - used - self._unused.keys():
            self._unused[name] = (self._generation, now)
        for name, (generation, since) in list(self._unused.items()):
            if self._generation >= generation + KEPT_GENERATIONS and now >= since + KEPT_SECONDS:
                (self._folder / name).unlink(missing_ok=True)
                del self._unused[name], self._checked[name]


def make_index(plan: Plan, hosts: Mapping[str, tuple[Host, str]], generation: int) -> Index:
    """Names, aliases too, to documents and certificates. `hosts`: those that are served, and their digests."""
    owners = host_names({name: host for name, (host, _) in hosts.items()})
    return Index(
        generation,
        {name: hosts[host.name][1] for name, host in owners.items()},
        {n: h.certificate for n, h in owners.items() if h.certificate is not None and n not in h.uncertified},
        tuple(sorted(plan.users)),
        plan.globals,
    )
