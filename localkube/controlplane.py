"""etcd and kube-apiserver, with controller-manager and scheduler where asked, as processes of this machine.

Everything of one control plane lies in its folder, so a second start finds the data of the first. Nothing listens
beyond the given address; etcd only on loopback.
"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from localkube import audit, kubeconfig, pki, processes
from localkube.client import Client, RequestFailedError
from localkube.errors import LocalKubeError
from localkube.ports import free_ports

LOOPBACK = "127.0.0.1"
_SERVICE = "kubernetes.default.svc"
_READY_WITHIN = 90.0
_LOOK_EVERY = 0.05


@dataclass(frozen=True, slots=True)
class Settings:
    """`lasting`: outlives this process. `more`: flags by program, put after ours."""

    address: str = LOOPBACK
    controllers: bool = True
    scheduler: bool = False
    lasting: bool = False
    service_range: str = "10.96.0.0/16"
    service_address: str = "10.96.0.1"
    pod_range: str = "10.244.0.0/16"
    more: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ports:
    """Chosen once for a folder and kept over restarts."""

    api: int
    etcd: int
    peer: int
    controllers: int
    scheduler: int


class ControlPlane:
    """start() and stop() as often as wanted; close() ends etcd, too. Data stay in the folder."""

    def __init__(self, folder: Path, programs: Mapping[str, Path], settings: Settings | None = None) -> None:
        self.folder = folder.absolute()
        self.programs = programs
        self.settings = settings or Settings()
        self._started: dict[str, processes.Program] = {}
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.ports = self._ports()
        self.server = f"https://{self.settings.address}:{self.ports.api}"
        self.authority = pki.Authority(self.folder / "pki")
        self.tokens = pki.signing_key(self.folder / "pki")
        self.kubeconfig = self.folder / "admin.kubeconfig"
        if not self.kubeconfig.exists():
            self._issue()
        self.admin_identity = self.pair("admin")
        self.admin = Client(self.server, self.authority.files.certificate, self.admin_identity)
        self.etcd = Client(f"http://{LOOPBACK}:{self.ports.etcd}")
        self.audit_log = audit.AuditLog(self.folder / "audit.log")

    def start(self) -> None:
        """Comes back when the API server is ready and, with controllers, the default service account is there."""
        if self.program("kube-apiserver") is not None:
            raise LocalKubeError(f"already running: {self.folder}")
        if self.program("etcd") is None:
            self._start("etcd", self._etcd_flags())
        self._start("kube-apiserver", self._server_flags())
        self._wait_for("/readyz", "kube-apiserver")
        if self.settings.controllers:
            self._start("kube-controller-manager", self._controllers_flags())
        if self.settings.scheduler:
            self._start("kube-scheduler", self._scheduler_flags())
        if self.settings.controllers:
            self._wait_for("/api/v1/namespaces/default/serviceaccounts/default", "kube-controller-manager")

    def stop(self, grace: float = 5.0) -> None:
        """End the API server and what hangs on it; etcd stays, so data can be changed behind its back."""
        for name in ("kube-scheduler", "kube-controller-manager", "kube-apiserver"):
            self._stop(name, grace)

    def close(self) -> None:
        """End everything."""
        self.stop(1.0)
        self._stop("etcd", 5.0)

    def forget(self) -> None:
        """Delete the folder of a control plane that is closed."""
        shutil.rmtree(self.folder)

    def program(self, name: str) -> processes.Program | None:
        """A program of this control plane that runs, whoever started it."""
        started = self._started.get(name) or processes.recorded(self._record(name))
        return started if started is not None and started.running else None

    def renew_certificates(self) -> None:
        """A new authority and new certificates in the same files; for a server that is stopped."""
        self.authority.renew()
        self._issue()

    def _record(self, name: str) -> Path:
        return self.folder / "pids" / f"{name}.json"

    def _log(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"

    def _start(self, name: str, flags: Sequence[str]) -> None:
        command: list[str | Path] = [self.programs[name], *flags, *self.settings.more.get(name, ())]
        self._started[name] = processes.start(
            command, record=self._record(name), log=self._log(name), lasting=self.settings.lasting
        )

    def _stop(self, name: str, grace: float) -> None:
        started = self._started.pop(name, None) or processes.recorded(self._record(name))
        if started is not None:
            started.stop(grace)

    def _wait_for(self, path: str, name: str) -> None:
        end = time.monotonic() + _READY_WITHIN
        while True:
            try:
                self.admin.request("GET", path, timeout=5.0)
                return
            except RequestFailedError as error:
                if self.program(name) is None or time.monotonic() > end:
                    told = self._log(name).read_text(errors="replace").splitlines()[-5:]
                    text = f"{name} did not come up ({error}); the end of {self._log(name)}:"
                    raise LocalKubeError("\n".join([text, *told])) from error
            time.sleep(_LOOK_EVERY)

    def _ports(self) -> Ports:
        kept = self.folder / "ports.json"
        if not kept.exists():
            kept.write_text(json.dumps(asdict(Ports(*free_ports(5)))))
        return Ports(**json.loads(kept.read_text()))

    def pair(self, name: str) -> pki.KeyPair:
        """Certificate and key of one of its members."""
        return pki.KeyPair(self.folder / "pki" / f"{name}.crt", self.folder / "pki" / f"{name}.key")

    def _issue(self) -> None:
        names = ["localhost", "kubernetes", "kubernetes.default", _SERVICE, f"{_SERVICE}.cluster.local"]
        addresses = dict.fromkeys([LOOPBACK, self.settings.address, self.settings.service_address])
        self.authority.issue("apiserver", "kube-apiserver", hosts=[*addresses, *names])
        self.authority.issue("front-proxy", "front-proxy-client")
        self.identity("admin", "admin", "system:masters", self.kubeconfig)
        for name in ("kube-controller-manager", "kube-scheduler"):
            self.identity(name, f"system:{name}", "", self.folder / f"{name}.kubeconfig")

    def identity(self, name: str, user: str, group: str, path: Path, hosts: Sequence[str] = ()) -> Path:
        """A kubeconfig of a user (and group) by client certificate, which also serves for `hosts`."""
        pair = self.authority.issue(name, user, group, hosts)
        return kubeconfig.with_certificate(path, self.server, self.authority.files.certificate, pair)

    def _etcd_flags(self) -> list[str]:
        clients, peers = (f"http://{LOOPBACK}:{port}" for port in (self.ports.etcd, self.ports.peer))
        return [
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",  # a crash of the machine may lose data, which are nobody's
            "--log-level=warn",
        ]

    def _server_flags(self) -> list[str]:
        ca, server, proxy = self.authority.files.certificate, self.pair("apiserver"), self.pair("front-proxy")
        policy = self.folder / "audit-policy.json"
        policy.write_text(json.dumps(audit.POLICY))
        return [
            f"--etcd-servers={self.etcd.server}",
            f"--bind-address={self.settings.address}",
            f"--advertise-address={self.settings.address}",
            f"--secure-port={self.ports.api}",
            f"--service-cluster-ip-range={self.settings.service_range}",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            f"--client-ca-file={ca}",
            f"--tls-cert-file={server.certificate}",
            f"--tls-private-key-file={server.key}",
            f"--kubelet-client-certificate={self.pair('admin').certificate}",
            f"--kubelet-client-key={self.pair('admin').key}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-issuer=https://{_SERVICE}",
            f"--service-account-key-file={self.tokens.certificate}",
            f"--service-account-signing-key-file={self.tokens.key}",
            f"--requestheader-client-ca-file={ca}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={proxy.certificate}",
            f"--proxy-client-key-file={proxy.key}",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self.audit_log.path}",
            "--audit-log-mode=blocking",
            "--audit-log-maxsize=4096",  # MiB: never rotated, a test reads it from its beginning
            "--enable-priority-and-fairness=false",
            "--shutdown-delay-duration=0s",
        ]

    def _controllers_flags(self) -> list[str]:
        config, ca = self.folder / "kube-controller-manager.kubeconfig", self.authority.files
        return [
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self.ports.controllers}",
            f"--root-ca-file={ca.certificate}",
            f"--cluster-signing-cert-file={ca.certificate}",
            f"--cluster-signing-key-file={ca.key}",
            f"--service-account-private-key-file={self.tokens.key}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--allocate-node-cidrs=false",
            f"--cluster-cidr={self.settings.pod_range}",
            "--kube-api-qps=500",  # its own throttle would keep the first service account back for 6 s
            "--kube-api-burst=1000",
        ]

    def _scheduler_flags(self) -> list[str]:
        config = self.folder / "kube-scheduler.kubeconfig"
        return [
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self.ports.scheduler}",
            "--leader-elect=false",
        ]
