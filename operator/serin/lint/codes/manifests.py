"""Codes about files, and about fields of objects that cannot be read."""

from serin.lint.codes.model import VERSIONS, Code, config_map, ingress, join, route

_SYNTAX = "Nothing of the file is in force, or what was read from it before (`serin serve`)."
_FILE = "there is no object to show"


def _file(code: str, title: str, what: str, do: str, example: str = "", unshown: str = "") -> Code:
    return Code(code, title, what, do, example, unshown=unshown)


CODES = (
    _file(
        "path-missing",
        "no such file or folder",
        "A path that is to be read is not there.",
        "Correct the path.",
        unshown=_FILE,
    ),
    _file(
        "path-empty",
        "a folder without manifests",
        "There are no files `*.yaml`, `*.yml` or `*.json` below it.",
        "Name the folder that holds them.",
        unshown=_FILE,
    ),
    _file(
        "folder-unwatched",
        "a folder that cannot be followed",
        "Changes in it are not noticed (`serin serve`).",
        "Look at its rights, and at the number of inotify watches.",
        unshown=_FILE,
    ),
    _file(
        "file-unreadable",
        "a file that cannot be read",
        _SYNTAX,
        "Look at its rights; it has to be a regular file.",
        unshown=_FILE,
    ),
    _file("file-too-large", "a file that is too large", _SYNTAX, "Split it.", unshown=_FILE),
    _file(
        "json-syntax",
        "no JSON",
        _SYNTAX,
        "Repair the file at the place that the problem names.",
        unshown="files that end in .json",
    ),
    _file(
        "json-duplicate-key",
        "a key that stands twice in JSON",
        _SYNTAX,
        "Take one of the two away.",
        unshown="files that end in .json",
    ),
    _file(
        "yaml-syntax",
        "no YAML",
        _SYNTAX,
        "Repair the file at the place that the problem names.",
        "kind: Ingress\n  metadata: {\n",
    ),
    _file(
        "yaml-duplicate-key",
        "a key that stands twice in YAML",
        _SYNTAX,
        "Take one of the two away.",
        ingress() + "kind: Ingress\n",
    ),
    _file("yaml-key", "a key that is no text", _SYNTAX, "Write keys as plain texts.", "kind: Ingress\n? [a, b]\n: 1\n"),
    _file(
        "yaml-tag", "a tag in YAML", _SYNTAX, "Write the value without a tag.", "kind: !!python/object:os.system x\n"
    ),
    _file("yaml-too-deep", "YAML that is nested too deep", _SYNTAX, "Nest it less.", unshown="it would be long"),
    _file(
        "yaml-too-large",
        "YAML with too many values or documents",
        _SYNTAX,
        "Split the file.",
        unshown="it would be long",
    ),
    Code(
        "not-an-object",
        "no Kubernetes object",
        "A document has no apiVersion and kind; it is ignored.",
        "Take it away, or give it both.",
        "just: a mapping\n",
        "",
    ),
    Code(
        "kind-unknown",
        "a kind that is written otherwise",
        "Kinds are written with capital letters; the object is ignored.",
        "Write it as the problem does.",
        ingress().replace("kind: Ingress", "kind: ingress"),
    ),
    Code(
        "api-version-missing",
        "no apiVersion",
        "The object is ignored.",
        "Write its apiVersion.",
        ingress().replace("apiVersion: networking.k8s.io/v1\n", ""),
    ),
    Code(
        "api-version-unknown",
        "an apiVersion that does not have the kind",
        "The object is ignored.",
        "Write the one that the problem names.",
        ingress().replace("networking.k8s.io/v1", "v1"),
    ),
    Code(
        "api-version-gone",
        "an apiVersion of former years",
        "Kubernetes 1.22 and later do not have it; the object is ignored.",
        "Write the object in the version that the problem names.",
        ingress().replace("networking.k8s.io/v1", "extensions/v1beta1"),
    ),
    Code("name-missing", "no name", "The object is ignored.", "Write `metadata.name`.", ingress(name="''")),
    Code(
        "invalid-name",
        "no name that Kubernetes allows",
        "The object, or the namespace that is named, is ignored.",
        "Write lower-case letters, digits, `-` and `.`.",
        ingress(name="Web_Shop"),
    ),
    Code(
        "duplicate-object",
        "an object that stands twice",
        "The one read first counts.",
        "Take one of the two away.",
        join(ingress(), ingress(service="next")),
    ),
    Code(
        "invalid-timestamp",
        "no time",
        "`creationTimestamp` cannot be read; the order read counts as age.",
        "Take it away, or write it as 2026-01-31T12:00:00Z.",
        ingress().replace("  name: web\n", "  name: web\n  creationTimestamp: yesterday\n", 1),
    ),
    Code(
        "annotations-unreadable",
        "annotations that are no mapping",
        "Nobody knows what they say, maybe who may come in: the object is ignored.",
        "Write `name: value` lines.",
        ingress().replace("  name: web\n", "  name: web\n  annotations: none\n", 1),
    ),
    Code(
        "annotation-not-string",
        "an annotation that is no text",
        "The API server refuses it; it is read as its JSON text.",
        "Put the value in quotes.",
        ingress("use-regex: true"),
    ),
    Code(
        "label-not-string",
        "a label that is no text",
        "The API server refuses it; it is read as its JSON text.",
        "Put the value in quotes.",
        ingress().replace("  name: web\n", "  name: web\n  labels: {version: 2}\n", 1),
    ),
    Code(
        "data-not-string",
        "a value of a ConfigMap or Secret that is no text",
        "The API server refuses it; it is read as its JSON text.",
        "Put the value in quotes.",
        config_map("proxy-body-size: 8"),
        "",
    ),
    Code(
        "invalid-base64",
        "no base64",
        "A value of a Secret's `data` cannot be decoded; it counts as absent.",
        "Write it under `stringData`, or encode it.",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: users}\ndata: {auth: 'not base64!'}\n",
        "",
    ),
    Code(
        "field-unknown",
        "no such field",
        "The API server drops it, or refuses the object; it has no effect.",
        "Correct its name or its place.",
        join(ingress(), route(VERSIONS + "target: {name: web}\n")),
    ),
    Code(
        "missing-field",
        "a field that is needed",
        "What it is part of cannot be used; the problem says what happens.",
        "Write the field.",
        ingress().replace("            name: web\n            port", "            port"),
    ),
    Code(
        "number-in-quotes",
        "a number in quotes",
        "A port in quotes is the name of a port; a port's number is meant.",
        "Take the quotes away.",
        join(ingress(), route(VERSIONS.replace("{name: next}", '{name: next, port: "80"}'))),
    ),
    Code(
        "wrong-type",
        "a value of another type",
        "It counts as absent.",
        "Write what the problem expects.",
        ingress(port='number: "80"'),
    ),
)
