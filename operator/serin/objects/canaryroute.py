"""CanaryRoute of serin.dev/v1alpha1: targets, versions, splitBy. Rules and rollout have modules of their own.

On files no API server holds the schema, so its bounds are held here. What cannot be read never gives a version more
requests than its user meant: a target selects nothing, a rule matches nothing or keeps at home, weights all go home,
and a version whose rollout cannot be carried out has weight 0.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from serin.objects.canary_status import CanaryStatus
from serin.objects.canary_status_reading import read_status
from serin.objects.canaryroute_rollout import read_rollout
from serin.objects.canaryroute_rules import read_rules
from serin.objects.canaryroute_values import read_duration
from serin.objects.fields import Fields, Report, kind_of, shorten
from serin.objects.names import clean_host, is_namespace, is_object_name
from serin.objects.views import CanaryRollout, CanaryRoute, CanarySplitBy, CanaryTarget, CanaryVersion, Meta

ACTION = "serin.dev/action"

MOST_VERSIONS = 8
MOST_TARGETS = 16
MOST_WEIGHT = 1_000_000
LONGEST_NAME = 63
LONGEST_VERSION = 32
LONGEST_PORT = 15
LONGEST_PATH = 1024

_SPEC = frozenset(("targets", "versions", "rules", "splitBy", "paused", "rollout"))
_TARGET = frozenset(("group", "kind", "name", "host", "path"))
_VERSION = frozenset(("name", "service", "weight"))
_SERVICE = frozenset(("name", "port"))
_SPLIT_BY = frozenset(("type", "name", "ttl"))
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search
_SPLIT_TYPES = ("Request", "Cookie", "Header", "ClientIP")
_SPLIT_NAMES = {
    "Cookie": ("letters, digits and !#$%&'*+.^_`|~-", re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+").fullmatch),
    "Header": ("letters, digits, - and _", re.compile(r"[A-Za-z0-9_-]+").fullmatch),
}
LONGEST_SPLIT_NAME = 256
DAY = 86400.0


def read_canary_route(root: Fields, meta: Meta) -> CanaryRoute:
    spec = root.mapping("spec")
    if len(meta.ref.name) > LONGEST_NAME:
        text = f"expected a name of at most {LONGEST_NAME} characters; the API server refuses this one"
        root.report.error("metadata.name", "canaryroute-name-too-long", text)
    if spec is None:
        if not root.has("spec"):
            root.report.error("spec", "missing-field", "expected spec with versions; this CanaryRoute has no effect")
        return CanaryRoute(meta)
    spec.only(_SPEC)
    report, mark = spec.report, spec.report.mark
    versions = _versions(spec, meta)
    unweighed = report.failed_since(mark)
    rules, kept = read_rules(spec, meta, [version.name for version in versions]) if versions else ((), False)
    rollout = _rollout(spec, meta, versions, held=kept or unweighed) if versions else None
    if kept:
        versions = _all_home(versions)
    status = _status(root)
    held = _held(versions, spec, status) if rollout is None else ""
    if held and not kept:
        versions = _without(versions, held)
    return CanaryRoute(
        meta=meta,
        targets=_targets(spec, meta),
        versions=versions,
        rules=rules,
        split_by=_split_by(spec, meta),
        paused=_paused(spec),
        rollout=rollout,
        held=held,
        status=status,
        action=meta.annotations.get(ACTION, ""),
        generation=_generation(root),
    )


# --- targets ---


def _targets(spec: Fields, meta: Meta) -> tuple[CanaryTarget, ...] | None:
    if spec.raw.get("targets") in (None, [], ()):
        return None
    found = []
    for number, fields in enumerate(spec.mappings("targets")):
        target = _target(fields, meta)
        if number == MOST_TARGETS:
            text = f"expected at most {MOST_TARGETS} targets; this one and those after it select nothing"
            spec.report.error(fields.path, "canaryroute-too-many", text)
        elif number < MOST_TARGETS and target is not None:
            found.append(target)
    return tuple(found)


def _target(fields: Fields, meta: Meta) -> CanaryTarget | None:
    report, mark = fields.report, fields.report.mark
    fields.refuse_others(_TARGET)
    group, kind = fields.text("group", "networking.k8s.io"), fields.text("kind", "Ingress")
    name, host, path = fields.text("name"), fields.text("host"), fields.text("path")
    if (group, kind) != ("networking.k8s.io", "Ingress"):
        text = f"expected an Ingress of networking.k8s.io, found {shorten(kind)} of {shorten(group)}"
        report.error(fields.at("kind"), "canaryroute-target-kind", text)
    if not is_object_name(name):
        shown = f", found {shorten(name)!r}" if name else ""
        report.error(fields.at("name"), "missing-field", f"expected the name of an Ingress{shown}")
    cleaned = clean_host(host) if fields.has("host") else ""
    if cleaned is None:
        text = f"expected a DNS name or '*.' and a DNS name, without port, found {shorten(host)!r}"
        report.error(fields.at("host"), "invalid-host", text)
    if fields.has("path") and (not path.startswith("/") or len(path) > LONGEST_PATH or _CONTROL(path)):
        text = f"expected a path that begins with '/', of at most {LONGEST_PATH} characters, found {shorten(path)!r}"
        report.error(fields.at("path"), "path-not-absolute", text)
    if report.failed_since(mark) or cleaned is None:
        report.error(fields.path, "canaryroute-target-unusable", "this target cannot be made out; it selects nothing")
        return None
    return CanaryTarget(name, cleaned, path, meta.at(fields.path))


# --- versions ---


def _versions(spec: Fields, meta: Meta) -> tuple[CanaryVersion, ...]:
    """Empty when home cannot be made out: the version after it must not take its place."""
    report, path, mark = spec.report, spec.at("versions"), spec.report.mark
    found: dict[str, CanaryVersion] = {}
    for number, fields in enumerate(spec.mappings("versions")):
        if number >= MOST_VERSIONS:
            text = f"expected at most {MOST_VERSIONS} versions; this one and those after it get nothing"
            report.error(fields.path, "canaryroute-too-many", text)
            break
        version = _version(fields, meta)
        if version is not None and version.name in found:
            text = f"there is a version {version.name} already; this one gets nothing"
            report.error(fields.at("name"), "canaryroute-version-twice", text)
        elif version is not None:
            found[version.name] = version
    versions = tuple(found.values())
    if not versions or versions[0].source.field != f"{path}[0]":
        text = "expected versions, the first with the Service that the Ingress names; this CanaryRoute has no effect"
        report.error(path, "canaryroute-without-home", text)
        return ()
    return _weighed(versions, spec, readable=not report.failed_since(mark))


def _version(fields: Fields, meta: Meta) -> CanaryVersion | None:
    """One whose weight alone cannot be read is still there for rules."""
    report, mark = fields.report, fields.report.mark
    fields.only(_VERSION)
    name = fields.text("name")
    if not is_namespace(name) or len(name) > LONGEST_VERSION:
        text = f"expected a name of at most {LONGEST_VERSION} characters a-z, 0-9 and '-'; this version gets nothing"
        report.error(fields.at("name"), "canaryroute-version-name", text)
    service = fields.mapping("service")
    if service is None:
        if not fields.has("service"):
            report.error(fields.at("service"), "missing-field", "expected a service; this version gets nothing")
        return None
    service.only(_SERVICE)
    service_name = service.text("name")
    if not is_namespace(service_name):
        shown = f", found {shorten(service_name)!r}" if service_name else ""
        text = f"expected the name of a Service in this namespace{shown}; this version gets nothing"
        report.error(service.at("name"), "missing-field", text)
    port = _port(service)
    if report.failed_since(mark):
        return None
    weight = fields.integer("weight", 0, MOST_WEIGHT)
    return CanaryVersion(name, service_name, port, weight or 0, meta.at(fields.path))


def _port(service: Fields) -> int | str | None:
    """By number or by name. A number in quotes would be a name without a letter, which cannot exist."""
    value = service.raw.get("port")
    if value is None or type(value) is int:
        return service.integer("port", 1, 65535)
    name = service.text("port")
    if name.isascii() and name.isdecimal() and len(name) <= 5 and 1 <= int(name) <= 65535:
        text = f"a port's number is written without quotes; read as {name}"
        service.report.warning(service.at("port"), "number-in-quotes", text)
        return int(name)
    if not is_namespace(name) or len(name) > LONGEST_PORT or name.isdecimal():
        service.report.wrong_type(service.at("port"), "a number from 1 to 65535, or a port's name", value)
    return name or None


def _weighed(versions: tuple[CanaryVersion, ...], spec: Fields, *, readable: bool) -> tuple[CanaryVersion, ...]:
    """The weights as they stand; where these cannot be known, or are all 0, home has the whole."""
    report, path, home = spec.report, spec.at("versions"), versions[0]
    if readable and any(version.weight for version in versions):
        others = [version.name for version in versions[1:] if version.weight]
        if home.weight == 0 and others and not _writes_weight(spec) and _candidate(spec) != home.name:
            text = f"home {home.name} has no weight, which counts as 0: all that no rule decides go to"
            report.warning(f"{path}[0].weight", "canaryroute-home-without-weight", f"{text} {', '.join(others)}")
        return versions
    if readable:
        text = f"expected a weight above 0; requests that no rule decides all go to home {home.name}"
        report.error(path, "canaryroute-no-weight", text)
    else:
        text = f"not every version can be read; until then requests that no rule decides all go to home {home.name}"
        report.error(path, "canaryroute-weights-unusable", text)
    return _all_home(versions)


def _all_home(versions: tuple[CanaryVersion, ...]) -> tuple[CanaryVersion, ...]:
    return (replace(versions[0], weight=1), *(replace(version, weight=0) for version in versions[1:]))


def _writes_weight(spec: Fields) -> bool:
    """Whether home's weight is written, if only as 0."""
    return next(iter(spec.mappings("versions"))).has("weight")


# --- what is not weights ---


def _split_by(spec: Fields, meta: Meta) -> CanarySplitBy | None:
    fields = spec.mapping("splitBy")
    if fields is None:
        return None
    fields.only(_SPLIT_BY)
    kind, name = fields.text("type", "Request"), fields.text("name")
    if kind not in _SPLIT_TYPES:
        text = f"expected one of {', '.join(_SPLIT_TYPES)}, found {shorten(kind)!r}; it counts as Request"
        fields.report.error(fields.at("type"), "canaryroute-split-by", text)
        return None
    if not _is_named(fields, kind, name):
        return None
    if kind != "Cookie" and fields.has("ttl"):
        text = f"expected a ttl only with type Cookie, found type {kind}; it has no effect"
        fields.report.error(fields.at("ttl"), "canaryroute-split-by", text)
        return CanarySplitBy(kind, name, meta.at(fields.path))
    wanted = "a duration from 1s to 9600h (it counts as 24h)"
    ttl = read_duration(fields, "ttl", DAY, "canaryroute-split-by", 1.0, 9600 * 3600.0, wanted)
    return CanarySplitBy(kind, name, meta.at(fields.path), ttl)


def _is_named(fields: Fields, kind: str, name: str) -> bool:
    """Whether the name is one for the type, or missing where it has none."""
    if (kind in _SPLIT_NAMES) != fields.has("name"):
        wanted = "a name" if kind in _SPLIT_NAMES else "no name"
        text = f"expected {wanted} with type {kind}; it counts as Request"
        fields.report.error(fields.path, "canaryroute-split-by", text)
        return False
    if kind not in _SPLIT_NAMES:
        return True
    made_of, usable = _SPLIT_NAMES[kind]
    if len(name) <= LONGEST_SPLIT_NAME and usable(name):
        return True
    text = f"expected a name of at most {LONGEST_SPLIT_NAME} {made_of}, found {shorten(name)!r}; it counts as Request"
    fields.report.error(fields.at("name"), "canaryroute-split-by", text)
    return False


def _paused(spec: Fields) -> bool:
    """What cannot be read is taken for a pause: to go on against its user's will is the greater harm."""
    value = spec.raw.get("paused")
    if value is None or isinstance(value, bool):
        return value is True
    text = f"expected true or false, found {kind_of(value)}; it counts as true"
    spec.report.error(spec.at("paused"), "wrong-type", text)
    return True


# --- the rollout, and where it stands ---


def _rollout(spec: Fields, meta: Meta, versions: tuple[CanaryVersion, ...], *, held: bool) -> CanaryRollout | None:
    fields = spec.mapping("rollout")
    return None if fields is None else read_rollout(fields, meta, versions, held=held)


def _held(versions: tuple[CanaryVersion, ...], spec: Fields, status: CanaryStatus | None) -> str:
    """The version of a rollout that cannot be carried out; where that names none, the one that rolled out last."""
    last = "" if status is None or status.run is None or not spec.has("rollout") else status.run.version
    names = [version.name for version in versions]
    return next((name for name in (_candidate(spec), last) if isinstance(name, str) and name in names), "")


def _without(versions: tuple[CanaryVersion, ...], candidate: str) -> tuple[CanaryVersion, ...]:
    """The versions where a rollout cannot be carried out: the one that it is for keeps weight 0."""
    left = tuple(replace(version, weight=0) if version.name == candidate else version for version in versions)
    return left if any(version.weight for version in left) else _all_home(versions)


def _candidate(spec: Fields) -> object:
    rollout = spec.raw.get("rollout")
    return rollout.get("version") if isinstance(rollout, Mapping) else None


def _status(root: Fields) -> CanaryStatus | None:
    """Written by the controller: what cannot be read of it is no mistake of a user's."""
    status = root.raw.get("status")
    return read_status(Fields(status, "status", Report(root.report.ref))) if isinstance(status, Mapping) else None


def _generation(root: Fields) -> int:
    metadata = root.raw.get("metadata")
    value = metadata.get("generation") if isinstance(metadata, Mapping) else None
    return value if type(value) is int and value > 0 else 0
