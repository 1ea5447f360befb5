"""Secret, ConfigMap and Namespace: maps of data. A Secret's values never get into a problem's text."""

import base64
import binascii

from serin.objects.fields import Fields, is_text
from serin.objects.views import ConfigMap, Meta, Namespace, Secret


def read_secret(root: Fields, meta: Meta) -> Secret:
    """`stringData` goes over `data`, as when written to the API server."""
    data = _decoded(root)
    written = _secret_map(root, "stringData")
    for key, value in written.items():
        if is_text(value):
            data[key] = value.encode()
        else:
            root.report.wrong_type(f"stringData[{key}]", "a text (in quotes)", value, secret=True)
    return Secret(meta, root.text("type", "Opaque"), data)


def _decoded(root: Fields) -> dict[str, bytes]:
    data: dict[str, bytes] = {}
    for key, value in _secret_map(root, "data").items():
        if value is None:
            data[key] = b""
            continue
        if not isinstance(value, str):
            root.report.wrong_type(f"data[{key}]", "a text in base64", value, secret=True)
            continue
        try:
            # The API server passes over line ends inside base64, and over nothing else.
            data[key] = base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)
        except (binascii.Error, ValueError):
            text = "expected base64 (plain text belongs into stringData); this key counts as absent"
            root.report.error(f"data[{key}]", "invalid-base64", text)
    return data


def _secret_map(root: Fields, key: str) -> dict[str, object]:
    value = root.raw.get(key)
    if isinstance(value, str):
        root.report.wrong_type(key, "a mapping", value, secret=True)
        return {}
    found = root.mapping(key)
    if found is None:
        return {}
    texts = {name: item for name, item in found.raw.items() if is_text(name)}
    if len(texts) < len(found.raw):
        root.report.error(key, "wrong-type", "expected texts as keys; the other keys count as absent")
    return texts


def read_config_map(root: Fields, meta: Meta) -> ConfigMap:
    return ConfigMap(meta, root.string_map("data", "data-not-string"))


def read_namespace(_root: Fields, meta: Meta) -> Namespace:
    return Namespace(meta)
