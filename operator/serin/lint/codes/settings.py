"""Codes about the controller's ConfigMap, and about ports of TCP and UDP."""

from serin.lint.codes.model import CONFIGMAP, Code, config_map, ingress, join

_TCP = "--tcp-services-configmap default/ports"
_UDP = "--udp-services-configmap default/ports"


def _options(line: str) -> str:
    return join(ingress(), config_map(line))


def _ports(*lines: str) -> str:
    return config_map(*lines, name="ports")


CODES = (
    Code(
        "config-invalid",
        "an option that cannot be read",
        "The option counts as absent; of a list the entries that can be read stay in force. Of a list that says "
        "who may "
        "come in and of which nothing can be read, nobody is let in.",
        "Write a value as docs/annotations.md has it.",
        _options('proxy-body-size: "8 megabytes"'),
        flags=CONFIGMAP,
    ),
    Code(
        "config-unsupported",
        "an option that is not supported",
        "No option has this name, or this data plane does not have it, or it asks for what Serin does not do.",
        "Take it away, or use what the problem names.",
        _options('enable-modsecurity: "true"'),
        flags=CONFIGMAP,
    ),
    Code(
        "config-without-effect",
        "an option that changes nothing here",
        "The option is known, and what it is for is done another way, or not at all; the problem says why.",
        "Nothing has to be done.",
        _options('map-hash-bucket-size: "128"'),
        flags=CONFIGMAP,
    ),
    Code(
        "config-map-not-found",
        "no such ConfigMap",
        "A flag or option names a ConfigMap that is not there (yet); what it says counts as absent.",
        "Create it, or correct the name.",
        ingress(),
        flags=CONFIGMAP,
        alike=True,
    ),
    Code(
        "header-invalid",
        "a header line that cannot be sent",
        "A name or value of a ConfigMap of headers is none that HTTP allows, or holds a variable that is not "
        "known; the "
        "line is left out, the others are sent.",
        "Correct the line.",
        join(_options("proxy-set-headers: default/headers"), config_map('"X Team": shop', name="headers")),
        flags=CONFIGMAP,
        there="nginx may refuse its whole configuration, and no further change of anybody comes into force",
    ),
    Code(
        "stream-invalid",
        "a port of TCP or UDP whose Service cannot be read",
        "The value is not `NAMESPACE/SERVICE:PORT[:PROXY[:PROXY]]`; the port is not served.",
        "Write it as docs/streams.md has it.",
        _ports('"5432": db'),
        "",
        flags=_TCP,
        alike=True,
    ),
    Code(
        "stream-port-invalid",
        "no port",
        "The key is no number from 1 to 65535; nothing is served.",
        "Write the port as the key.",
        _ports("postgres: default/web:80"),
        "",
        flags=_TCP,
        alike=True,
    ),
    Code(
        "stream-port-conflict",
        "a port that is taken",
        "Serin itself listens there, another key is the same port, or another process has it; nobody answers.",
        "Choose another port.",
        _ports('"10254": default/web:80'),
        "",
        flags=_TCP,
        alike=True,
    ),
    Code(
        "stream-proxy-protocol-unsupported",
        "the PROXY protocol over UDP",
        "The PROXY protocol is for TCP alone; datagrams are passed on without it.",
        "Take PROXY away.",
        _ports('"53": default/web:80:PROXY'),
        "",
        flags=_UDP,
    ),
)
