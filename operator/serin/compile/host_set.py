"""All hosts, and what they name, as edited by one compile."""

from serin.compile.beside import is_beside
from serin.compile.canaryroutes import Attachment
from serin.compile.context import NOTHING, HostContext, HostResult
from serin.compile.draft import Draft, Uses
from serin.compile.host import compile_host, failed_host
from serin.compile.memo import Memo, Problems
from serin.compile.options import Key
from serin.objects.fields import shorten
from serin.refs import Source
from serin.routing.plan import Certificate, Plan, PoolSpec

_DEFAULT = "(default certificate)"
WIDE = "(settings)"
"""Stand among the hosts as users of certificates and splits; no host can be called so."""


class HostSet:
    """`changed_hosts` and `changed_splits` name what differs from the plan before.

    `specs` holds the pools named by the hosts compiled here.
    """

    def __init__(self, memo: Memo, plan: Plan, context: HostContext, problems: Problems) -> None:
        self._context = context
        self._problems = problems
        self._old = plan
        self.results = Draft(memo.results)
        self.hosts = Draft(plan.hosts)
        self.splits = Draft(plan.splits)
        self.certificates = Draft(plan.certificates)
        self.files = Draft(plan.users)
        self.secret_readers: Uses[Key, bool] = Uses(memo.secret_readers)
        self.pool_users: Uses[str, tuple[Source, ...]] = Uses(memo.pool_users)
        self.certificate_users: Uses[str, bool] = Uses(memo.certificate_users)
        self.file_users: Uses[str, bool] = Uses(memo.file_users)
        self.attached: Uses[Key, tuple[Attachment, ...]] = Uses(memo.attached)
        self.beside_users: Uses[str, bool] = Uses(memo.beside_users)
        self.config_map_readers: Uses[Key, bool] = Uses(memo.config_map_readers)
        self.specs: dict[str, PoolSpec] = {}
        self.changed_hosts: set[str] = set()
        self.changed_splits: set[str] = set()

    def compile(self, name: str) -> None:
        """Compiles one host and puts what comes out in the place of what was there."""
        old = self.results.get(name) or NOTHING
        new = self._compiled(name)
        if new == old:
            return
        self.results.put(name, None if new == NOTHING else new)
        self._problems.put(("host", name, ""), new.problems or None)
        self.hosts.put(name, new.host)
        if self.hosts.get(name) is not self._old.hosts.get(name):
            self.changed_hosts.add(name)
        self._put_splits(name, old, new)
        self._put_uses(name, old, new)

    def use_default(self, certificate: Certificate | None) -> None:
        """The default certificate is in the plan although no host names it."""
        old = self._old.globals.default_certificate
        after = () if certificate is None else (certificate.digest,)
        self.certificate_users.move(_DEFAULT, dict.fromkeys((old,) if old else (), True), dict.fromkeys(after, True))
        if certificate is not None:
            self.certificates.put(certificate.digest, certificate)

    def put_wide(self, old: HostResult, new: HostResult) -> None:
        """What no host names, but the settings: splits of those who are asked beside, pools, certificates."""
        if new != old:
            self._put_splits(WIDE, old, new)
            self._put_uses(WIDE, old, new)

    def drop_unused(self) -> None:
        """What nobody names any more leaves the plan."""
        for digest in self.certificate_users.touched:
            if not self.certificate_users.of(digest):
                self.certificates.put(digest, None)
        for digest in self.file_users.touched:
            if not self.file_users.of(digest):
                self.files.put(digest, None)
        for ident in self.beside_users.touched:
            if not self.beside_users.of(ident):
                self._drop_split(ident)

    def _compiled(self, name: str) -> HostResult:
        self._context.secrets.reads.clear()
        self._context.config_maps.reads.clear()
        try:
            return compile_host(name, self._context)
        except Exception as e:  # our own fault, and this host's alone
            return failed_host(name, self._context, shorten(f"{type(e).__name__}: {e}"))

    def _put_splits(self, name: str, old: HostResult, new: HostResult) -> None:
        """A route's split is of one host. Those of who is asked beside are of all that name them."""
        before = {split.id: True for split in old.splits if is_beside(split)}
        self.beside_users.move(name, before, {split.id: True for split in new.splits if is_beside(split)})
        now = {split.id for split in new.splits}
        for split in old.splits:
            if split.id not in now and split.id not in before:
                self._drop_split(split.id)
        for split in new.splits:
            self.splits.put(split.id, split)
            if self.splits.get(split.id) is not self._old.splits.get(split.id):
                self.changed_splits.add(split.id)

    def _drop_split(self, ident: str) -> None:
        self.splits.put(ident, None)
        self.changed_splits.add(ident)

    def _put_uses(self, name: str, old: HostResult, new: HostResult) -> None:
        self.secret_readers.move(name, dict.fromkeys(old.reads, True), dict.fromkeys(new.reads, True))
        before = {spec.id: sources for spec, sources in old.pools.items()}
        self.pool_users.move(name, before, {spec.id: sources for spec, sources in new.pools.items()})
        self.specs.update((spec.id, spec) for spec in new.pools)
        self.attached.move(name, old.attached, new.attached)
        old_maps, new_maps = old.config_map_reads, new.config_map_reads
        self.config_map_readers.move(name, dict.fromkeys(old_maps, True), dict.fromkeys(new_maps, True))
        certificates = {c.digest: True for c in new.certificates}
        self.certificate_users.move(name, {c.digest: True for c in old.certificates}, certificates)
        for certificate in new.certificates:
            self.certificates.put(certificate.digest, certificate)
        self.file_users.move(name, {f.digest: True for f in old.users}, {f.digest: True for f in new.users})
        for file in new.users:
            self.files.put(file.digest, file)
