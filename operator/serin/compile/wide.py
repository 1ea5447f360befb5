"""What holds for all hosts: the plan's Globals, and the splits and pools that these name.

Made anew when the controller's ConfigMap changes, or a ConfigMap or Service that it names; never looks at a host.
"""

from collections.abc import Callable
from dataclasses import replace

from serin.compile import header_maps
from serin.compile.admitting import blocks_of, warn_of_global_auth
from serin.compile.answering import default_backend, errors_of_all
from serin.compile.beside import Besides
from serin.compile.context import HostContext, HostResult
from serin.compile.findings import Findings
from serin.compile.header_maps import HeaderMap
from serin.compile.options import Key
from serin.compile.settings_answers import TYPES
from serin.compile.streams import compile_streams
from serin.objects.fields import shorten
from serin.objects.views import ConfigMap
from serin.refs import Ref, Source
from serin.routing.lines import HeaderLine
from serin.routing.plan import Certificate, Globals
from serin.routing.wide import Blocks, Compression, Lines


def compile_wide(context: HostContext, default: Certificate | None) -> tuple[Globals, HostResult]:
    """`default` is the default certificate. The result is kept in the books as a host's is, without one."""
    context.secrets.reads.clear()
    context.config_maps.reads.clear()
    findings, besides = Findings(), Besides()
    try:
        made = _made(context, default, besides, findings)
    except Exception as e:  # our own fault: what needs no other object holds all the same
        source = Source(context.settings.config_map or Ref("ConfigMap", "", ""))
        text = f"Serin failed on it ({shorten(f'{type(e).__name__}: {e}')}); only its plain options are in force"
        findings.error(source, "internal-error", text)
        besides, made = Besides(), _plain(context, default)
    result = HostResult(
        splits=tuple(besides.splits.values()),
        pools={spec: tuple(sources) for spec, sources in besides.pools.items()},
        problems=tuple(findings.problems),
        reads=frozenset(context.secrets.reads),
        config_map_reads=frozenset(context.config_maps.reads),
    )
    return made, result


def _plain(context: HostContext, default: Certificate | None) -> Globals:
    """What the options say by themselves."""
    settings, options = context.settings, context.options
    return Globals(
        hsts=settings.hsts_header,
        default_certificate=None if default is None else default.digest,
        https_port=options.https_redirect_port,
        reject_handshake=settings.reject_handshake,
        blocks=Blocks(settings.access.blocks.cidrs),
        limit_req_status=settings.access.limit_req_status,
        limit_conn_status=settings.access.limit_conn_status,
        forwarding=settings.forwarding,
        tls=settings.tls,
        connections=settings.connections,
        compression=_compression(settings.compression),
        logs=settings.logs,
        passing=settings.passing,
        generate_request_id=settings.generate_request_id,
        server_tokens=settings.server_tokens,
        passthrough=options.ssl_passthrough,
    )


def _made(context: HostContext, default: Certificate | None, besides: Besides, findings: Findings) -> Globals:
    settings = context.settings
    warn_of_global_auth(settings, findings)
    return replace(
        _plain(context, default),
        blocks=blocks_of(settings, context.check, findings),
        lines=_lines(context, findings),
        errors=errors_of_all(settings, context.options.default_backend_service, besides),
        fallback=default_backend(context.options.default_backend_service, besides),
        streams=compile_streams(context, besides, findings),
    )


def _lines(context: HostContext, findings: Findings) -> Lines:
    answers = context.settings.answers
    to_endpoints = _headers(context, answers.to_endpoints, "proxy-set-headers", header_maps.for_endpoints, findings)
    to_clients = _headers(context, answers.to_clients, "add-headers", header_maps.for_clients, findings)
    if answers.original_uri:
        to_endpoints = (*to_endpoints, HeaderLine("X-Original-URI", "$request_uri"))
    return Lines(to_endpoints, to_clients, answers.hidden)


def _headers(
    context: HostContext,
    named: Key | None,
    option: str,
    parse: Callable[[ConfigMap | None], HeaderMap],
    findings: Findings,
) -> tuple[HeaderLine, ...]:
    """The lines that can be set; the others are told where they stand."""
    if named is None:
        return ()
    found = context.config_maps.parsed(named, parse)
    if found.missing:
        text = f"there is no ConfigMap {'/'.join(named)}; no headers are set"
        findings.error(context.settings.source(option), "config-map-not-found", text)
    header_maps.tell_faults(found, Ref("ConfigMap", *named), findings)
    return found.lines


def _compression(asked: Compression) -> Compression:
    return replace(asked, types=asked.types or TYPES) if asked.gzip else asked
