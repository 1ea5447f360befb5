"""From the plan on disk to files that nginx takes: what changed is rendered, tested and put in force by rename.

What nginx refuses is kept out object by object (quarantine), and all else goes live. Any failure leaves the files that
are in force as they are. No process but `nginx -t` is started here, and none is steered.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from serin.dataplane.nginx.certificates import Certificates, link_name
from serin.dataplane.nginx.culprits import Verdict, culprits
from serin.dataplane.nginx.files import GOOD, MAIN, NginxFiles, acted_on_with, included
from serin.dataplane.nginx.quarantine import Cure, Quarantined, QuarantineFile, cure, whole
from serin.dataplane.nginx.rendered import HostEntry, Key, RenderedHosts, RenderHost, fault_text, told_of
from serin.dataplane.nginx.testing import Test
from serin.dataplane.nginx.trial import PLACEHOLDER, RenderMain, Trial
from serin.dataplane.nginx.weights_file import WeightsFile
from serin.errors import CorruptFileError, SerinError
from serin.refs import Ref
from serin.render.documents import Index
from serin.render.rundir import RunDirectory
from serin.routing.plan import Host
from serin.telemetry import log

SEARCH_SECONDS = 60.0
"""After so long a search hosts that nginx refuses are closed as a whole: all others wait for it."""
_log = logging.getLogger(__name__)


class ConfigurationRefusedError(SerinError):
    """nginx refuses a configuration without any host, or it cannot be rendered. What is in force stays."""


class Renderer(RenderHost, RenderMain, Protocol):
    """From a host and from the globals to text (serin.dataplane.nginx.rendering)."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long the parts of an `apply` took."""

    render: float = 0.0
    test: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Applied:
    """What is on disk now. `digest`: of all that nginx acts on; `again`: something could not be read, try again.

    `hosts` counts the files that the main one includes, `changed` those of them that were not there before, `tests`
    the runs of `nginx -t`.
    """

    generation: int
    digest: str
    reload_needed: bool
    quarantined: tuple[Quarantined, ...]
    hosts: int
    changed: int
    tests: int
    again: bool
    seconds: Seconds


class Applier:
    """One for a data plane; its methods are called one at a time, from any thread.

    `weights` is given in stock mode alone. `wall`: seconds since 1970; `clock`: of a clock that does not go back.
    """

    def __init__(
        self,
        run_dir: RunDirectory,
        prefix: Path,
        renderer: Renderer,
        test: Test,
        status_socket: str,
        weights: WeightsFile | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        certificates: Certificates | None = None,
    ) -> None:
        self._run_dir = run_dir
        self._renderer = renderer
        self._test = test
        self._socket = status_socket
        self._weights = weights
        self._clock = clock
        self._files = NginxFiles(prefix, clock)
        self._hosts = RenderedHosts(run_dir.read_host, self._files, renderer, clock)
        self._certificates = certificates or Certificates(
            prefix / "certificates", run_dir.plan / "tls", run_dir.state / "default.pem"
        )
        self._quarantine = QuarantineFile(run_dir.state / "quarantine.json", wall)
        self._told: frozenset[tuple[Ref, str, str]] = frozenset()
        self._accepted: frozenset[str] = frozenset()
        self._certified: Mapping[str, str] = {}
        self._base = ""
        self._in_place = ""
        self._running = ""
        self._base_refused = False

    def apply(self, *, full: bool = False) -> Applied:
        """Bring the plan on disk into nginx's files; `full`: nothing counts as tested.

        CorruptFileError (no index, no weights), OSError (a full disk), ConfigurationRefusedError: nothing has changed.
        """
        started = self._clock()
        index = self._run_dir.read_index()
        weights = None if self._weights is None else self._weights.current()
        entries = self._hosts.take(index, weights)
        self._files.sweep(self._hosts.files | self._in_configurations())
        rendering = self._clock() - started
        accepted = frozenset[str]() if full else self._accepted
        tested = frozenset() if full else frozenset(self._certified)
        trial = self._trial(index, tested)
        base = acted_on_with(self._main(index, (), {}), str)
        fresh = {e.name: e for e in entries if e.file not in accepted}
        if full or fresh or self._hosts.failed or base != self._base or index.certificates.keys() - tested:
            treated = self._treat(fresh, trial, started)
            entries = sorted([e for e in entries if e.name not in fresh] + treated, key=lambda e: e.name)
        digest, changed = self._put(index, entries)
        quarantined = self._tell(entries)
        self._hosts.keep(entries)
        self._accepted = frozenset(e.file for e in entries)
        self._certified, self._base, self._in_place = index.certificates, base, digest
        seconds = Seconds(rendering, trial.seconds, self._clock() - started)
        again = self._hosts.unread or self._certificates.waiting
        needed = digest != self._running
        return Applied(
            index.generation, digest, needed, quarantined, len(entries), changed, trial.tested, again, seconds
        )

    def confirmed(self, digest: str) -> None:
        """The running nginx acts on a configuration with this digest. OSError when the disk is full."""
        self._running = digest
        if self._in_place == digest:
            text = self._files.read(MAIN)
            if text != self._files.read(GOOD):
                self._files.put(GOOD, text)
            self._certificates.retire(self._certified)
        elif not self._in_place and digest in (good := self._files.read(GOOD)):
            self._accepted = included(good)  # by an nginx of before, which runs

    def restore(self) -> bool:
        """Put the last configuration that nginx confirmed in place of the one that is there; False: there is none."""
        good = self._files.read(GOOD)
        if good:
            self._files.put(MAIN, good)
            self._in_place = ""
        return bool(good)

    # --- testing ---

    def _trial(self, index: Index, tested: frozenset[str]) -> Trial:
        certified = {name: link_name(name) for name in index.certificates if name not in tested}
        return Trial(self._files, lambda hosts: self._main(index, hosts, certified), self._test, self._socket)

    def _main(self, index: Index, hosts: Sequence[HostEntry], certified: Mapping[str, str]) -> str:
        try:
            return self._renderer.main(index.globals, [host.include for host in hosts], certified, PLACEHOLDER)
        except Exception as fault:  # of ours; what is in force stays
            raise ConfigurationRefusedError(fault_text(fault)) from fault

    def _treat(self, fresh: Mapping[str, HostEntry], trial: Trial, started: float) -> list[HostEntry]:
        """The hosts that are new in a form that nginx takes. ConfigurationRefusedError."""
        attempt = trial.by_name(fresh)
        names = list(fresh)
        failed = dict(self._hosts.failed)
        if not self._base_refused and not attempt(names).error and not failed:
            return list(fresh.values())
        base = attempt([])
        self._base_refused = bool(base.error)
        if base.error:
            raise ConfigurationRefusedError(base.error)
        found = culprits(names, attempt)
        good = [fresh[name] for name in found.good]
        treated: list[HostEntry] = []
        guilty = [(fresh[name].key, error) for name, error in found.guilty.items()] + list(failed.items())
        for key, error in guilty:
            entry = self._cured(key, error, trial, good, hurry=self._clock() > started + SEARCH_SECONDS)
            treated += [] if entry is None else [entry]
        together = trial([*good, *treated])
        if not together.error or together.unsure:
            return [*good, *treated]
        return self._together([*good, *treated], trial)

    def _cured(self, key: Key, error: str, trial: Trial, good: Sequence[HostEntry], *, hurry: bool) -> HostEntry | None:
        """None: the host is not there in any form."""
        try:
            host = self._hosts.host(key)
        except CorruptFileError:
            return None  # there one moment ago: read again with the next plan

        def attempt(form: Host, context: Sequence[HostEntry]) -> Verdict[Ref]:
            try:
                return trial.of_object(trial([*context, self._hosts.put(form, key)]))
            except OSError:
                raise
            except Exception as fault:  # of ours, in rendering this form
                return Verdict(fault_text(fault))

        # Alone when it is refused alone: others, which may be thousands, need not be read each time.
        context = () if attempt(host, ()).error else good
        search: Callable[[Host, str, Callable[[Host], Verdict[Ref]]], Cure] = whole if hurry else cure
        found = search(host, error, lambda form: attempt(form, context))
        self._hosts.remember(key, host, found)
        form = found(host)
        return None if form is None else self._hosts.put(form, key, told_of(found, host))

    def _together(self, entries: list[HostEntry], trial: Trial) -> list[HostEntry]:
        """Each is taken beside nothing else, and all of them are not: the later ones of those that clash are absent."""
        by_name = {entry.name: entry for entry in entries}
        found = culprits(list(by_name), trial.by_name(by_name))
        for name, error in found.guilty.items():
            host = self._hosts.host(by_name[name].key)
            self._hosts.remember(by_name[name].key, host, whole(host, error, lambda _: Verdict("clashes")))
        return [by_name[name] for name in found.good]

    # --- what is put in force ---

    def _in_configurations(self) -> frozenset[str]:
        """Host files of what runs, and of what may have to run again."""
        return included(self._files.read(MAIN)) | included(self._files.read(GOOD))

    def _put(self, index: Index, entries: Sequence[HostEntry]) -> tuple[str, int]:
        """Certificates, then the main file; the digest, and how many of the host files are new."""
        certified = {name: link_name(name) for name in index.certificates}
        text = self._main(index, entries, certified)
        acted = {entry.file: entry.acted for entry in entries}
        digest = acted_on_with(text.replace(PLACEHOLDER, ""), acted.__getitem__)
        text = text.replace(PLACEHOLDER, digest)
        before = self._files.read(MAIN)
        self._certificates.put(index.certificates, index.globals.default_certificate)
        if text != before:
            self._files.put(MAIN, text)
        return digest, len(acted.keys() - included(before))

    def _tell(self, entries: Sequence[HostEntry]) -> tuple[Quarantined, ...]:
        objects = {one for entry in entries for one in entry.quarantined} | set(self._hosts.absent)
        told = self._quarantine.put(tuple(objects))
        now = frozenset((one.ref, one.host, one.error) for one in told)
        for ref, host, error in sorted(now - self._told):
            log.event(_log, log.OBJECT_QUARANTINED, level=logging.ERROR, object=str(ref), host=host, error=error)
        for ref, host, _ in sorted(self._told - now):
            log.event(_log, log.OBJECT_RELEASED, object=str(ref), host=host)
        self._told = now
        return told
