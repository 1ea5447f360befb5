"""Files, or a cluster, read once and compiled as `serin serve` and `serin controller` would: for commands that look."""

import argparse
import importlib
from dataclasses import dataclass

from serin.cli.paths import existing
from serin.cli.selection import options
from serin.compile.compiler import Compiled, compile_snapshot
from serin.control.patterns import check_pattern
from serin.errors import UsageError
from serin.files import FileSource
from serin.objects.store import Store
from serin.problems import Problem
from serin.routing.plan import Plan


@dataclass(frozen=True, slots=True)
class Looked:
    compiled: Compiled
    problems: tuple[Problem, ...]

    @property
    def plan(self) -> Plan:
        return self.compiled.plan


def look(arguments: argparse.Namespace) -> Looked:
    """UsageError when a path is not there, or when neither paths nor a cluster are named, or both."""
    cluster = arguments.kubeconfig is not None or arguments.apiserver_host or getattr(arguments, "in_pod", False)
    if cluster and arguments.paths:
        raise UsageError("PATH and --kubeconfig exclude each other; expected files or a cluster")
    if cluster:
        online = importlib.import_module("serin.cli.online")  # knows the cluster's client, which files do not need
        looked: Looked = online.look(arguments)
        return looked
    if not arguments.paths:
        raise UsageError(
            "expected files or folders as PATH, or a cluster by --kubeconfig FILE (neither in a controller's pod)"
        )
    return _look_at_files(arguments)


def _look_at_files(arguments: argparse.Namespace) -> Looked:
    source, store = FileSource(existing(arguments.paths)), Store()
    try:
        for view in source.load().applied:
            store.apply(view)
        compiled = compile_snapshot(store.snapshot(), options(arguments, standalone=True), check_pattern)
        return Looked(compiled, tuple(sorted({*source.problems, *compiled.problems})))
    finally:
        source.close()
