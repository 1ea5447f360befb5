"""The parts of a controller, each told of the others what it needs. What they do when is Controller's."""

import os
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial

from serin.admission.approval import Approval, Right
from serin.admission.certificate import CertificateFiles
from serin.admission.judge import Judge
from serin.admission.review import Asker
from serin.admission.server import AdmissionServer
from serin.cluster.access import Uses, check_access, check_rights, needs
from serin.cluster.api import Api, ApiError, ApiUnreachableError
from serin.cluster.canaries import CanaryStatusWriter
from serin.cluster.election import Election
from serin.cluster.election.lease import AlwaysLeading, make_identity
from serin.cluster.events import EventRecorder
from serin.cluster.may_act import may_update_part
from serin.cluster.own_pod import OwnPodReader
from serin.cluster.server import Connection
from serin.cluster.source import ClusterSource
from serin.cluster.status import Publish, StatusWriter
from serin.compile.compiler import Compiled
from serin.compile.concerned import changed_ingresses, concerned, of_ours
from serin.control.controller import Cluster, Work
from serin.control.facts.making import facts_server, facts_source
from serin.control.loop import Control
from serin.control.notices.sending import Notices
from serin.control.outside.asking import Outside
from serin.control.patterns import check_pattern
from serin.control.publish import Blocks
from serin.control.rights import OptionalRights
from serin.control.rollouts.driver import Rollouts
from serin.control.rollouts.standalone import seen
from serin.control.rollouts.telling import Telling
from serin.control.settings import ControllerSettings, ElectionSettings, StatusSettings, WebhookSettings
from serin.native import trials
from serin.objects.store import Snapshot
from serin.problems import Problem
from serin.refs import Ref
from serin.render.rundir import RunDirectory
from serin.telemetry.figure import Figure
from serin.telemetry.rollout_metrics import RolloutMetrics


class Parts:
    """`connect` reads anew how the API server is reached; `blocks` are the shared memory of weights and endpoints."""

    def __init__(
        self, settings: ControllerSettings, connect: Callable[[], Connection], run_dir: RunDirectory, blocks: Blocks
    ) -> None:
        self._settings = settings
        self.api = Api(connect)
        self.source = ClusterSource(self.api, connect, settings.scope)
        self.election = _election(self.api, settings)
        own = OwnPodReader(self.api, settings.namespace, settings.pod)
        self.status = _status(self.api, self.source, self.election, own, settings)
        self.events = EventRecorder(
            self.api,
            lambda: self.election.leading,
            self.source,
            own,
            instance=self.election.identity,
            namespace=settings.scope.namespace,
            sync=settings.sync_events,
        )
        self._rights = OptionalRights(self._optional, self.events.about_us)
        self._before: Compiled | None = None
        self.metrics = RolloutMetrics()
        self.control = Control(
            self.source,
            settings.options,
            run_dir,
            blocks,
            check_pattern,
            observers=(self._compiled,),
            figures=self._figures,
            told=settings.told,
            election=settings.election.name,
            texts=lambda snapshot: self.metrics.text(snapshot.canary_routes.values()),
        )
        self.canaries = CanaryStatusWriter(self.api, lambda: self.election.leading, self.source)
        counted = (partial(trials.read, run_dir.path), lambda: self.control.engine.trials)
        self.facts = facts_source(settings.facts, self.api, settings.pod, *counted)
        self.facts_server = facts_server(settings.facts, *counted)
        self.outside = Outside(self.source.fetch, settings.check_hosts)
        self.notices = None if settings.notifications is None else Notices(settings.notifications)
        self.rollouts = self._rollouts()
        self.admission = self._admission(settings.webhook)

    def cluster(self) -> Cluster:
        works = [
            Work("election", self.election.run),
            Work("events", self.events.run),
            Work("rights", self._rights.run),
            Work("rollouts", self.rollouts.run),
        ]
        leave = []
        if self._settings.status.update:
            works.append(Work("status", self.status.run))
            if self._settings.status.clear_at_end:
                leave.append(self._clear)
        if self.admission is not None:
            works.append(Work("admission", self.admission.run))
        if self.facts_server is not None:
            works.append(Work("facts", self.facts_server.run))
        if self.notices is not None:
            works.append(Work("notices", self.notices.run))
        close = (self.outside.close, self.facts.close, self.api.close)
        return Cluster(self.source, self._missing, works, (*leave, self.election.release), close)

    def _compiled(self, compiled: Compiled, _: tuple[Problem, ...]) -> None:
        """After every compile. Nothing in here may wait."""
        self.source.want(compiled.reads)
        self.status.ours(compiled.ingresses)
        told = (*compiled.problems, *of_ours(compiled, self.source.problems), *self.control.plane_problems)
        self.events.observe(told, partial(concerned, compiled))
        self.events.synced(changed_ingresses(self._before, compiled))
        self._before = compiled
        self.rollouts.news()

    def _rollouts(self) -> Rollouts:
        telling = Telling(self.metrics, time.time, self.events, self._shared_out)
        notices = () if self.notices is None else (self.notices,)
        return Rollouts(
            lambda: seen(self.control),
            self._settings.options,
            self.facts,
            self.outside,
            self.canaries,
            lambda: self.election.leading,
            (telling, *notices),
        )

    def _shared_out(self, ref: Ref) -> Sequence[Ref]:
        """The Ingresses of a CanaryRoute."""
        compiled = self.control.engine.compiled
        return () if compiled is None else concerned(compiled, ref)

    async def _missing(self) -> Sequence[str]:
        """Why the cluster cannot be used yet; what is missing besides is told and keeps nobody waiting."""
        try:
            required = await check_access(self.api, needs(_uses(self._settings)))
            if not required:
                await self._rights.ask()
        except (ApiError, ApiUnreachableError) as error:
            return (str(error),)
        return required

    async def _optional(self) -> Sequence[str]:
        wanted = needs(_uses(self._settings))
        return await check_rights(self.api, (need for need in wanted if need.rule.optional))

    async def _clear(self) -> None:
        await self.status.clear()

    def _admission(self, webhook: WebhookSettings | None) -> AdmissionServer | None:
        if webhook is None:
            return None
        judge = Judge(self._state, check_pattern, time.time, self._watched)
        files = CertificateFiles(webhook.certificate, webhook.key)
        approval = Approval(self._may_act) if self._settings.approval_rbac else None
        return AdmissionServer(webhook.address, files, judge, self.source.fetch, approval=approval)

    async def _may_act(self, who: Asker, right: Right) -> bool:
        found = (who.name, who.uid, who.groups, who.extra)
        return await may_update_part(self.api, found, right.namespace, right.name, right.verb)

    def _state(self) -> tuple[Snapshot, Compiled] | None:
        """What admission judges by, taken in one turn of the loop."""
        engine = self.control.engine
        return None if engine.compiled is None else (engine.snapshot, engine.compiled)

    def _watched(self, namespace: str) -> bool:
        scope = self._settings.scope
        if scope.selector:
            return self.control.engine.snapshot.find(Ref("Namespace", "", namespace)) is not None
        return scope.namespace in ("", namespace)

    def _figures(self) -> list[Figure]:
        known = (self.source, self.api, self.election, self.status, self.events, self.canaries)
        parts = (*known, self.admission, self.facts_server, self.notices)
        return [figure for part in parts if part is not None for figure in part.figures()]


def _config_map(key: tuple[str, str] | None) -> Ref | None:
    return None if key is None else Ref("ConfigMap", *key)


def _uses(settings: ControllerSettings) -> Uses:
    status, options = settings.status, settings.options
    return Uses(
        scope=settings.scope,
        own_namespace=settings.namespace,
        election_id=settings.election.name if settings.election.enabled else "",
        update_status=status.update,
        publish_service=None if status.service is None else Ref("Service", *status.service),
        publish_status_address=bool(status.addresses),
        configmap=_config_map(options.configmap),
        tcp_services=_config_map(options.tcp_services),
        udp_services=_config_map(options.udp_services),
        default_ssl_certificate=None
        if options.default_ssl_certificate is None
        else Ref("Secret", *options.default_ssl_certificate),
        facts_service=None
        if settings.facts is None or settings.facts.service is None
        else Ref("Service", *settings.facts.service),
        approval_rbac=settings.approval_rbac,
        in_pod=bool(settings.pod),
    )


def _election(api: Api, settings: ControllerSettings) -> Election | AlwaysLeading:
    identity = make_identity(settings.pod, socket.gethostname(), os.urandom)
    told: ElectionSettings = settings.election
    if not told.enabled:
        return AlwaysLeading(identity)
    return Election(api, settings.namespace, told.name, identity, ttl=told.ttl)


def _status(
    api: Api,
    source: ClusterSource,
    election: Election | AlwaysLeading,
    own: OwnPodReader,
    settings: ControllerSettings,
) -> StatusWriter:
    told: StatusSettings = settings.status
    service = None if told.service is None else Ref("Service", *told.service)
    return StatusWriter(
        api,
        lambda: election.leading,
        source,
        Publish(service, told.addresses, told.internal),
        own,
        interval=told.interval,
    )
