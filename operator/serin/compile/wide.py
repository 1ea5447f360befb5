"""What holds for all hosts: the plan's Globals, and the splits and pools that these name.

Made anew when the controller's ConfigMap changes, or a ConfigMap or Service that it names; never looks at a host.
"""

from serin.compile.beside import Besides
from serin.compile.context import HostContext, HostResult
from serin.compile.findings import Findings
from serin.compile.streams import compile_streams
from serin.routing.plan import Certificate, Globals


def compile_wide(context: HostContext, default: Certificate | None) -> tuple[Globals, HostResult]:
    """`default` is the default certificate. The result is kept in the books as a host's is, without one."""
    context.secrets.reads.clear()
    context.config_maps.reads.clear()
    findings, besides = Findings(), Besides()
    settings, options = context.settings, context.options
    made = Globals(
        hsts=settings.hsts_header,
        default_certificate=None if default is None else default.digest,
        https_port=options.https_redirect_port,
        reject_handshake=settings.reject_handshake,
        streams=compile_streams(context, besides, findings),
        passthrough=options.ssl_passthrough,
    )
    result = HostResult(
        splits=tuple(besides.splits.values()),
        pools={spec: tuple(sources) for spec, sources in besides.pools.items()},
        problems=tuple(findings.problems),
        reads=frozenset(context.secrets.reads),
        config_map_reads=frozenset(context.config_maps.reads),
    )
    return made, result
