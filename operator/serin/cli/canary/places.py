"""Where CanaryRoutes are: a cluster, or the run directory of a `serin serve`. What both are asked."""

import argparse
import contextlib
import importlib
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from serin.cli.canary.document import Document
from serin.errors import UsageError


class Place(Protocol):
    """UsageError when something is not there, SerinError in one sentence when it cannot be read or written."""

    async def listed(self, namespace: str) -> list[Document]:
        """Of one namespace; of all for an empty text. By namespace and name."""
        ...

    async def found(self, namespace: str, name: str) -> Document:
        """`namespace` empty: where the place looks by default."""
        ...

    async def act(self, document: Document, value: str) -> None:
        """Leaves the value of an action for the controller."""
        ...

    @property
    def default_namespace(self) -> str:
        """Empty: all of them."""
        ...

    async def close(self) -> None: ...


@contextlib.asynccontextmanager
async def place(arguments: argparse.Namespace) -> AsyncIterator[Place]:
    if arguments.run_dir is not None:
        if arguments.kubeconfig is not None or arguments.apiserver_host or arguments.context:
            raise UsageError("--run-dir and --kubeconfig exclude each other; expected one place to look at")
        made: Place = RunDirPlace(arguments.run_dir)
    else:
        online = importlib.import_module("serin.cli.canary.online")  # knows the cluster's client, which is large
        made = online.ClusterPlace(arguments)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(made.close)
        yield made


class RunDirPlace:
    """RUN_DIR/plan/canary/NAMESPACE.NAME.json, and RUN_DIR/actions/ for what is asked of them.

    A namespace has no dot in its name; a CanaryRoute may have.
    """

    default_namespace = ""

    def __init__(self, run_dir: Path) -> None:
        if not (run_dir / "plan").is_dir():
            raise UsageError(f"--run-dir {run_dir}: expected the run directory of a `serin serve`, with a plan in it")
        self._shown = run_dir / "plan" / "canary"
        self._actions = run_dir / "actions"

    async def listed(self, namespace: str) -> list[Document]:
        """A file that is gone or half there is passed over: they are put there by rename."""
        found = []
        for path in sorted(self._shown.glob("*.json")) if self._shown.is_dir() else ():
            with contextlib.suppress(OSError, ValueError):
                raw = json.loads(path.read_bytes())
                if isinstance(raw, dict):
                    found.append(Document(raw))
        fitting = (document for document in found if namespace in ("", document.namespace))
        return sorted(fitting, key=lambda document: (document.namespace, document.name))

    async def found(self, namespace: str, name: str) -> Document:
        named = [document for document in await self.listed("") if document.name == name]
        fitting = [document for document in named if namespace in ("", document.namespace)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            among = ", ".join(document.namespace for document in fitting)
            raise UsageError(f"there is a CanaryRoute {name} in several namespaces ({among}); choose one by -n")
        raise UsageError(missing(namespace, name, [document.namespace for document in named]))

    async def act(self, document: Document, value: str) -> None:
        self._actions.mkdir(mode=0o700, exist_ok=True)
        file = f"{document.namespace}.{document.name}.{secrets.token_hex(8)}"
        hidden = self._actions / f".{file}"
        hidden.write_text(f"{value}\n")
        hidden.rename(self._actions / file)

    async def close(self) -> None:
        return


def missing(namespace: str, name: str, elsewhere: list[str]) -> str:
    where = f" in namespace {namespace}" if namespace else ""
    hint = f"; there is one in {', '.join(sorted(elsewhere))}: -n {min(elsewhere)}" if elsewhere else ""
    return f"there is no CanaryRoute {name}{where}{hint}"
