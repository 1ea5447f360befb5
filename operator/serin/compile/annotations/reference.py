"""docs/annotations.md, made from the registry; a test keeps the two equal.

`python -m serin.compile.annotations.reference > docs/annotations.md` writes it anew.
"""

from collections.abc import Iterator
from typing import Any

from serin.compile.annotations.cors import Origins
from serin.compile.annotations.model import BOTH, OURS, Annotation, Fate
from serin.compile.annotations.table import ALIASES, FAMILIES, REMOVED
from serin.compile.settings import SUBJECTS
from serin.compile.settings_idle import IDLE, REFUSED
from serin.compile.settings_model import Key

_HEAD = """\
# Annotations

Made from the registry (`serin.compile.annotations`); do not edit by hand.

Names stand under `nginx.ingress.kubernetes.io/` (or what `--annotations-prefix` says), those with `serin.dev/` as they
are. An empty value counts as absent. Control characters are refused in every value. A value that cannot be read is
always a problem; what it does besides depends on the class:

| class | a value that cannot be read, or an annotation that is not supported, or not by the data plane in use |
|---|---|
| access | the routes of the Ingress answer 503 until it is repaired |
| routing | counts as absent |
| cosmetic | counts as absent |

The column "plane" says which data plane honours it: both, or nginx alone (`--plane nginx`). Secrets, ConfigMaps and
Services are always of the Ingress's own namespace.

On a canary Ingress only the canary family, `affinity-canary-behavior`, `load-balance` and `upstream-hash-by*` count
(see canary.md).
"""


_FATES = {
    Fate.ABSENT: "",
    Fate.LEFT_OUT: " With a value that cannot be read the Ingress is left out.",
    Fate.CLOSED: " With a value that cannot be read requests get 503.",
}


def reference() -> str:
    """The whole page."""
    return "\n".join((_HEAD, *_supported(), *_unsupported(), *_differing(), *_other_names(), *_config_map()))


def _supported() -> Iterator[str]:
    yield "## Supported"
    for title, family in FAMILIES.items():
        rows = [a for a in family if a.supported]
        if rows:
            yield f"\n### {title}\n"
            yield "| annotation | value | default | class | plane | meaning |"
            yield "|---|---|---|---|---|---|"
            yield from (_row(a) for a in rows)
    yield ""


def _row(annotation: Annotation[Any]) -> str:
    fate = "" if annotation.fate is None else _FATES[annotation.fate]
    name = OURS + annotation.name if annotation.ours else annotation.name
    about = annotation.about + fate
    plane = _planes(annotation.planes)
    cells = (annotation.grammar.expected, _default(annotation.default), annotation.concern, plane, about)
    return f"| `{name}` | " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _planes(planes: frozenset[str]) -> str:
    return "both" if planes == BOTH else ", ".join(sorted(planes))


def _default(value: object) -> str:
    if value in ("", (), None):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Origins):
        return f"`{', '.join(value.allowed)}`"
    return f"`{' '.join(value) if isinstance(value, tuple) else value}`"


def _unsupported() -> Iterator[str]:
    yield "## Not supported\n"
    yield "Values in the last column ask for nothing that is not done anyway; they are no problem. A snippet with"
    yield "directives that decide who may come in (`allow`, `deny`, `return`, `auth_…`) is of class access.\n"
    yield "| annotation | class | what it is for | instead | no problem |"
    yield "|---|---|---|---|---|"
    for family in FAMILIES.values():
        for a in family:
            if not a.supported:
                neutral = ", ".join(f"`{value}`" for value in sorted(a.neutral))
                yield f"| `{a.name}` | {a.concern} | {a.about} | {a.instead} | {neutral} |"
    yield ""


def _differing() -> Iterator[str]:
    yield "## Honoured, and not quite alike\n"
    yield "What differs from ingress-nginx whatever the value; `serin lint --from ingress-nginx` (migration.md) tells"
    yield "of it where it counts, and of what depends on values and other objects.\n"
    yield "| annotation | what differs |"
    yield "|---|---|"
    yield from (f"| `{a.name}` | {a.differs} |" for family in FAMILIES.values() for a in family if a.differs)
    yield ""


def _other_names() -> Iterator[str]:
    yield "## Older names\n"
    yield "| name | now |"
    yield "|---|---|"
    yield from (f"| `{old}` | the same as `{new}` |" for old, new in ALIASES.items())
    yield from (f"| `{name}` | gone: {hint} |" for name, hint in REMOVED.items())
    yield ""


def _config_map() -> Iterator[str]:
    yield "## The ConfigMap\n"
    yield "Keys of the object that `--configmap` names (in the chart: `controller.config`). One that is called like an"
    yield "annotation is its default. A value that cannot be read counts as absent; of a list the entries that can be"
    yield "read stay in force. An Event on the ConfigMap tells of it."
    for subject, keys in SUBJECTS.items():
        yield f"\n### {subject}\n"
        yield "| key | value | default | plane | meaning |"
        yield "|---|---|---|---|---|"
        yield from (_key(name, key) for name, key in sorted(keys.items()))
    yield "\n### Without effect\n"
    yield "Known, and told on the ConfigMap with the reason; nothing has to be changed for them.\n"
    yield "| key | why |"
    yield "|---|---|"
    yield from (f"| `{name}` | {reason} |" for name, reason in sorted(IDLE.items()))
    yield "\n### Not supported\n"
    yield "These would keep requests out; an error on the ConfigMap says that they do not.\n"
    yield "| key | why |"
    yield "|---|---|"
    yield from (f"| `{name}` | {reason} |" for name, reason in sorted(REFUSED.items()))
    yield ""


def _key(name: str, key: Key) -> str:
    default = f"`{key.default}`" if key.default else ""
    cells = (key.grammar.expected, default, _planes(key.planes), key.about)
    return f"| `{name}` | " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(reference(), end="")
