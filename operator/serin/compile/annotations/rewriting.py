"""What is rewritten in endpoints' answers: cookies' Domain and Path, Location headers. Texts are taken literally."""

from typing import Any

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import Grammar
from serin.compile.annotations.model import Annotation, Concern, Scope, Values
from serin.compile.findings import Findings
from serin.compile.settings_model import Answers
from serin.routing.answers import Swap

_R, _L = Concern.ROUTING, Scope.LOCATION
_WORD = grammar.characters(r"A-Za-z0-9\-._/:*", "")
OFF = Swap("", "")


def _two_words(text: str) -> Swap | None:
    """`off` is a Swap as well: it takes the place of the ConfigMap's."""
    words = text.split()
    if words == ["off"]:
        return OFF
    if len(words) != 2 or any(_WORD.read(word) is None for word in words):
        return None
    return Swap(*words)


TWO_WORDS = Grammar(_two_words, "off, or two words: what is there, and what takes its place")
LOCATION = grammar.characters(
    r"A-Za-z0-9\-._~/:,?&=%+", "off, default, or the beginning of a URL, of letters, digits and - . _ ~ / : , ? & = % +"
)

COOKIE_DOMAIN: Annotation[Swap | None] = Annotation(
    "proxy-cookie-domain",
    TWO_WORDS,
    None,
    _R,
    _L,
    "Domain in endpoints' Set-Cookie: `inner.example outer.example`. Without regard to case and to a dot in front.",
)
COOKIE_PATH: Annotation[Swap | None] = Annotation(
    "proxy-cookie-path",
    TWO_WORDS,
    None,
    _R,
    _L,
    "Beginning of Path in endpoints' Set-Cookie: `/inner /outer`.",
)
FROM = Annotation(
    "proxy-redirect-from",
    LOCATION,
    "off",
    _R,
    _L,
    "Beginning of endpoints' Location headers that `proxy-redirect-to` takes the place of. `off`, `default`: nothing "
    "is changed.",
)
TO = Annotation("proxy-redirect-to", LOCATION, "off", _R, _L, "What takes the place of `proxy-redirect-from`.")

FAMILY: tuple[Annotation[Any], ...] = (COOKIE_DOMAIN, COOKIE_PATH, FROM, TO)


def cookie_domain_of(values: Values, default: Swap | None) -> Swap | None:
    return _unless_off(values.get_or(COOKIE_DOMAIN, default))


def cookie_path_of(values: Values, default: Swap | None) -> Swap | None:
    return _unless_off(values.get_or(COOKIE_PATH, default))


def _unless_off(swap: Swap | None) -> Swap | None:
    return None if swap == OFF else swap


def location_of(values: Values, defaults: Answers, findings: Findings) -> Swap | None:
    old, new = values.get_or(FROM, defaults.redirect_from), values.get_or(TO, defaults.redirect_to)
    if old in ("off", "default"):
        return None
    if new in ("off", "default"):
        if FROM in values:
            text = "needs proxy-redirect-to, what takes its place; nothing is changed"
            findings.warning(values.source(FROM), "proxy-redirect-incomplete", text)
        return None
    return Swap(old, new)
