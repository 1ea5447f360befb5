"""`serin lint --from ingress-nginx`: what changes for each Ingress, annotation, option and flag."""

import argparse
import importlib
import json
from collections.abc import Iterator, Mapping

from serin.cli import former_flags, workloads
from serin.cli.arguments import parse
from serin.cli.offline import look
from serin.cli.selection import options
from serin.compile.compiler import Compiled, compile_snapshot
from serin.control.patterns import check_pattern
from serin.errors import UsageError
from serin.lint.migration import forms
from serin.lint.migration.model import Report
from serin.lint.migration.report import make_report

PLANES = ("proxy", "nginx")
_SELECTION = (
    *("ingress_class", "controller_class", "ingress_class_by_name", "watch_ingress_without_class"),
    *("annotations_prefix", "configmap", "tcp_services_configmap", "udp_services_configmap", "enable_ssl_passthrough"),
    *("default_backend_service", "default_ssl_certificate", "disable_catch_all", "disable_svc_external_name"),
)


def run(arguments: argparse.Namespace) -> int:
    """1 if anything is refused in every plane that was asked for."""
    if arguments.json and arguments.format not in (None, "json"):
        raise UsageError(f"--json and --format {arguments.format} exclude each other")
    planes = PLANES if arguments.plane is None else (arguments.plane,)
    found = _former(arguments)
    flags = None if found is None else former_flags.judge_flags(found[1], planes)
    given = former_flags.judge_flags((), planes).given if flags is None else flags.given
    _take_over(arguments, given)
    # The nginx plane honours, and so reads, more: what it has looked at is enough for the other one.
    arguments.plane = planes[-1]
    looked = look(arguments)
    compiled = _by_plane(arguments, planes, looked.compiled)
    subject = None if flags is None else flags.subject
    report = make_report(compiled, looked.problems, subject, former_flags.advice(given))
    for line in _form(arguments, report):
        print(line)
    return int(report.refuses())


def _form(arguments: argparse.Namespace, report: Report) -> Iterator[str]:
    form = "json" if arguments.json else arguments.format or "text"
    if form == "json":
        yield json.dumps(forms.to_json(report), indent=2, ensure_ascii=False)
    else:
        yield from forms.to_markdown(report) if form == "markdown" else forms.to_text(report)


def _former(arguments: argparse.Namespace) -> tuple[str, tuple[str, ...]] | None:
    """Where the flags of ingress-nginx are from, and what they are; None without any."""
    if arguments.args is not None:
        return str(arguments.args), workloads.read_flags(arguments.args)
    if arguments.kubeconfig is None and not arguments.apiserver_host:
        return workloads.arguments_of(workloads.of_files(arguments.paths))
    online = importlib.import_module("serin.cli.online")  # knows the cluster's client, which files do not need
    return workloads.arguments_of(online.workloads(arguments))


def _take_over(arguments: argparse.Namespace, given: argparse.Namespace) -> None:
    """What ingress-nginx's flags say of objects, where our own command line says nothing."""
    ours = parse(["lint", "."])
    for name in _SELECTION:
        if getattr(arguments, name) == getattr(ours, name):
            setattr(arguments, name, getattr(given, name))


def _by_plane(arguments: argparse.Namespace, planes: tuple[str, ...], looked: Compiled) -> Mapping[str, Compiled]:
    found = {planes[-1]: looked}
    for plane in planes[:-1]:
        arguments.plane = plane
        wanted = options(arguments, standalone=looked.memo.options.standalone)
        found[plane] = compile_snapshot(looked.memo.snapshot, wanted, check_pattern)
    return {plane: found[plane] for plane in planes}
