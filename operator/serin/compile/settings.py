"""Reads the controller's ConfigMap: what holds for every host, and defaults of annotations.

A value that cannot be read counts as absent, with a problem on the ConfigMap; of a list the good entries stay.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain

from serin.compile import (
    settings_access,
    settings_answers,
    settings_clients,
    settings_endpoints,
    settings_logs,
    settings_streams,
    settings_tls,
)
from serin.compile.annotations import buffering, grammar
from serin.compile.findings import Findings
from serin.compile.near import Near
from serin.compile.settings_idle import HARMLESS, IDLE, REFUSED
from serin.compile.settings_model import Key as Key
from serin.compile.settings_model import Partly
from serin.compile.settings_model import Settings as Settings
from serin.objects.fields import shorten
from serin.objects.views import ConfigMap
from serin.refs import Ref, Source

SUBJECTS: Mapping[str, Mapping[str, Key]] = {
    "TLS with clients": settings_tls.KEYS,
    "Clients": settings_clients.KEYS,
    "Access": settings_access.KEYS,
    "Endpoints": settings_endpoints.KEYS,
    "Answers": settings_answers.KEYS,
    "Logs": settings_logs.KEYS,
    "TCP and UDP": settings_streams.KEYS,
}
KEYS: Mapping[str, Key] = dict(chain.from_iterable(keys.items() for keys in SUBJECTS.values()))

_NEAR = Near((*KEYS, *IDLE, *REFUSED))


def read_settings(
    config_map: ConfigMap | None, wanted: Ref | None, findings: Findings, plane: str = "proxy"
) -> Settings:
    """`wanted`: the ConfigMap that the command line names, if any."""
    settings = Settings(config_map=wanted)
    if config_map is None:
        if wanted is not None:
            text = "there is no such ConfigMap; the defaults are in force"
            findings.warning(Source(wanted), "config-map-not-found", text)
        return settings
    for key, text in sorted(config_map.data.items()):
        entry, source = KEYS.get(key), settings.source(key)
        if text == "":
            continue
        if entry is None:
            _no_such_key(key, text, source, findings)
        elif plane not in entry.planes:
            (needed,) = entry.planes
            said = f"needs the {needed} plane (--plane {needed}); it has no effect"
            findings.warning(source, "config-unsupported", said)
        else:
            settings = _taken(settings, entry, text, source, findings)
    return _fitting(settings, findings)


def _taken(settings: Settings, entry: Key, text: str, source: Source, findings: Findings) -> Settings:
    broken = not entry.multiline and grammar.has_control(text.strip())
    value = None if broken else entry.grammar.read(text.strip())
    if value is None:
        said = f"expected {entry.grammar.expected}, found {shorten(text)!r}; {entry.fate}"
        findings.error(source, "config-invalid", said)
        return settings if entry.unreadable is None else entry.put(settings, entry.unreadable)
    if isinstance(value, Partly):
        listed = ", ".join(value.refused)
        said = f"expected {entry.grammar.expected}, found {shorten(listed)}; {value.fate}"
        findings.error(source, "config-invalid", said)
        value = value.value
    note = entry.note(value)
    if note is not None:
        findings.warning(source, "config-without-effect", note)
    return entry.put(settings, value)


def _fitting(settings: Settings, findings: Findings) -> Settings:
    """With buffers that nginx takes."""
    asked = settings.upstream.buffering
    made = buffering.fitting(asked)
    for annotation, text in buffering.misfits(asked, made):
        findings.warning(settings.source(annotation.name), "buffer-size-adjusted", text)
    return settings if made == asked else replace(settings, upstream=replace(settings.upstream, buffering=made))


def _no_such_key(key: str, text: str, source: Source, findings: Findings) -> None:
    if text.strip() in HARMLESS.get(key, ()):
        return
    if key in REFUSED:
        said = f"this access rule is not supported and keeps nobody out: {REFUSED[key]}"
        findings.error(source, "config-unsupported", said)
    elif key in IDLE:
        findings.warning(source, "config-without-effect", f"has no effect: {IDLE[key]}")
    else:
        near = _NEAR.find(key)
        hint = f" (did you mean {near}?)" if near else ""
        findings.warning(source, "config-unsupported", f"no such key is supported{hint}; it has no effect")
