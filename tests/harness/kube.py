"""A real API server for tests: what a test says to it, and what it heard from the programs under test."""

import base64
import json
import os
import secrets
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.waiting import until
from localkube import kubeconfig
from localkube.audit import Entry
from localkube.client import RequestFailedError
from localkube.controlplane import ControlPlane

_TIMEOUT = 120.0
_TOKEN_SECONDS = 24 * 3600


class Kube:
    """A control plane with a test's short words for it. Programs end with the test run, however it ends."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.folder = plane.folder

    @property
    def kubeconfig(self) -> Path:
        """Of the administrator; its audit entries are of the user `admin`."""
        return self.plane.kubeconfig

    @property
    def server(self) -> str:
        """`https://127.0.0.1:PORT`."""
        return self.plane.server

    def start(self) -> None:
        """Back on the same port with the same data."""
        self.plane.start()

    def stop(self) -> None:
        """API server and controllers end; etcd stays, and with it all data."""
        self.plane.stop()

    def close(self) -> None:
        """End everything."""
        self.plane.close()

    def renew_certificates(self) -> None:
        """New authority and certificates in the same files, while stopped; user() has to be called anew."""
        self.plane.renew_certificates()

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """A request as administrator; RequestFailedError unless 2xx."""
        return self.plane.admin.request(method, path, body)

    def get(self, path: str) -> Any:
        """None when there is no such object."""
        try:
            return self.request("GET", path)
        except RequestFailedError as error:
            if error.status == 404:
                return None
            raise

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:  # noqa: A002
        """As administrator; an AssertionError with what it said when it fails, unless not `check`."""
        return self._run("kubectl", args, input, check)

    def helm(self, *args: str, input: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:  # noqa: A002
        """As kubectl()."""
        return self._run("helm", args, input, check)

    def apply(self, *manifests: Mapping[str, Any], namespace: str = "default") -> None:
        """Server-side apply; `namespace` for those that name none."""
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        self.kubectl("-n", namespace, "apply", "--server-side", "--force-conflicts", "-f", "-", input=items)

    def audit(self, user: str | None = None, *, writes: bool = False) -> list[Entry]:
        """What was asked of the server up to now, in order; of one user, writes only."""
        self._pass_audit_mark()
        return [
            entry
            for entry in self.plane.audit_log.entries()
            if (user is None or entry.user == user) and (entry.writes or not writes)
        ]

    def service_account(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a token of that account, made when missing; the token in a file beside it.

        Its user is `system:serviceaccount:NAMESPACE:NAME`. Called again it puts a new token into the same file.
        """
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        if self.get(f"{accounts}/{name}") is None:
            self.request("POST", accounts, {"metadata": {"name": name}})
        wanted = {"spec": {"expirationSeconds": _TOKEN_SECONDS}}
        token = self.request("POST", f"{accounts}/{name}/token", wanted)["status"]["token"]
        path = self.folder / f"{namespace}.{name}.token"
        fresh = path.with_suffix(".new")
        fresh.write_text(token)
        fresh.replace(path)
        authority = self.plane.authority.files.certificate
        return kubeconfig.with_token(path.with_suffix(".kubeconfig"), self.server, authority, path, namespace)

    def user(self, name: str, group: str = "system:masters") -> Path:
        """A kubeconfig of a user with a client certificate: by default one who may do everything."""
        return self.plane.identity(f"user-{name}", name, group, self.folder / f"user-{name}.kubeconfig")

    def revision(self) -> int:
        """etcd's newest revision: what resourceVersion counts."""
        return int(self.plane.etcd.request("POST", "/v3/kv/range", {"key": _key("/")})["header"]["revision"])

    def compact(self) -> None:
        """Forget all history: a watch or list of an older resourceVersion gets 410 once the server is restarted."""
        self.plane.etcd.request("POST", "/v3/kv/compaction", {"revision": str(self.revision()), "physical": True})

    def delete_behind(self, resource: str, namespace: str, name: str) -> None:
        """Delete from etcd itself, also while the server is stopped: `("ingress", "default", "shop")`.

        Paths are etcd's: `ingress`, `endpointslices`, `services/specs`, `services/endpoints`, `secrets`, `configmaps`;
        of cluster-wide kinds the namespace is empty; custom resources as `serin.dev/canaryroutes`.
        """
        path = "/".join(filter(None, ["/registry", resource, namespace, name]))
        done = self.plane.etcd.request("POST", "/v3/kv/deleterange", {"key": _key(path)})
        assert int(done.get("deleted", 0)) == 1, f"nothing at {path}"

    def _pass_audit_mark(self) -> None:
        """Wait until a request of our own, made now, stands in the log: then all that were answered before do."""
        mark = f"/version?mark={secrets.token_hex(8)}"
        try:
            self.request("GET", mark)
        except RequestFailedError:
            return  # stopped: nothing more is written
        until(lambda: any(entry.path == mark for entry in self.plane.audit_log.entries()[-2000:]), "the audit mark")

    def _run(
        self,
        program: str,
        args: Sequence[str],
        text: str | None,
        check: bool,
    ) -> subprocess.CompletedProcess[str]:
        private = {
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.folder / "kubectl"),
            "HELM_CACHE_HOME": str(self.folder / "helm/cache"),
            "HELM_CONFIG_HOME": str(self.folder / "helm/config"),
            "HELM_DATA_HOME": str(self.folder / "helm/data"),
        }
        command = [str(self.plane.programs[program]), *args]
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            env=os.environ | private,
            timeout=_TIMEOUT,
            check=False,
        )
        assert not check or done.returncode == 0, f"{program} {' '.join(args)}: {done.stdout}{done.stderr}"
        return done


class Namespaces:
    """Namespaces with names of their own; deleting is begun, not awaited."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._made: list[str] = []

    def make(self, labels: Mapping[str, str] | None = None) -> str:
        """Its name."""
        name = f"test-{secrets.token_hex(4)}"
        body = {"metadata": {"name": name, "labels": dict(labels or {})}}
        self._kube.request("POST", "/api/v1/namespaces", body)
        self._made.append(name)
        return name

    def delete(self) -> None:
        for name in self._made:
            self._kube.request("DELETE", f"/api/v1/namespaces/{name}")


def wait_for(kube: Kube, path: str, holds: Callable[[Any], bool], what: str, *, seconds: float = 30.0) -> Any:
    """The object at `path` (None: there is none) as soon as it is as wanted."""
    found: list[Any] = []

    def look() -> bool:
        found[:] = [kube.get(path)]
        return holds(found[0])

    until(look, what, seconds=seconds, every=0.05)
    return found[0]


def _key(path: str) -> str:
    return base64.b64encode(path.encode()).decode()
