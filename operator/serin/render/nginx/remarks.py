"""The comment over a location: which rule of which object, what its annotations decided, who shares the requests.

Names only, through the filters; no value of an annotation, no pattern. Comments are whole lines, and change nothing.
"""

from collections.abc import Iterable

from serin.refs import Ref, Source
from serin.render.nginx.blocks import place
from serin.render.nginx.spec import version_name
from serin.render.nginx.values import Name, Remark
from serin.routing.plan import Route

Words = tuple[str | Name, ...]


def remarks(route: Route, notes: Iterable[str], *, lua: bool) -> tuple[Remark, ...]:
    lines: list[Words] = [(*_ref(route.ingress), ": ", *_rule(route))]
    lines += _decided(route)
    if route.split is not None:
        lines += _versions(route, route.split, lua=lua)
    return tuple(Remark(line) for line in lines) + tuple(_note(note) for note in notes)


def _note(note: str) -> Remark:
    """A sentence with names of users between words of ours: word by word."""
    words: list[str | Name] = []
    for word in note.split(" "):
        words += (Name(word), " ")
    return Remark(tuple(words[:-1]))


def _rule(route: Route) -> Words:
    return (Name(route.rule.host or "-"), " ", Name(route.rule.path), " (", Name(route.rule.path_type), ")")


def _ref(ref: Ref) -> Words:
    return (Name(ref.kind), " ", Name(ref.namespace), "/", Name(ref.name))


def _by(source: Source | None) -> Words:
    return () if source is None else (" by ", *_ref(source.ref), " ", Name(place(source.field)))


def _decided(route: Route) -> list[Words]:
    policy = route.policy
    found: list[tuple[str, Source | None]] = []
    if policy.closed is not None:
        found.append((f"closed with {policy.closed.status},", policy.closed.source))
    if route.slash_redirect:
        found.append(("redirected to the same path with a slash,", route.source))
    found += [
        (words, given.source)
        for words, given in (
            ("redirected to its root,", policy.app_root),
            ("redirected to a URL,", policy.redirect),
            ("rewritten,", policy.rewrite),
            ("plain requests to https,", policy.tls_redirect),
            ("limits,", policy.limits),
            ("basic authentication,", policy.auth),
            ("external authentication,", policy.external_auth),
            ("affinity by cookie,", policy.affinity),
            ("other origins,", policy.cors),
            ("a copy of each request,", policy.mirror),
            ("pages for errors,", policy.errors),
            ("TLS to endpoints,", policy.upstream.verification),
        )
        if given is not None
    ]
    if policy.access.allow or policy.access.deny:
        found.append(("lists of addresses,", policy.access.source))
    found += [
        (words, asked.source)
        for words, asked in (("users keep their version,", route.split_by), ("copies for a preview,", route.shadow))
        if asked is not None
    ]
    return [(words, *_by(source)) for words, source in found]


def _versions(route: Route, split: str, *, lua: bool) -> list[Words]:
    """Whoever takes part, with the fields that its rules come from."""
    drawn = " drawn from plan/pools.bin" if lua else ""
    lines: list[Words] = [("split ", Name(split), drawn)]
    for number, version in enumerate(route.versions):
        which = "main " if number == 0 else "version "
        line: Words = ("  ", which, Name(version_name(version)), ", ", *_ref(version.ingress))
        for rule in (version.header, version.cookie):
            if rule is not None and rule.source is not None:
                line += (", ", Name(place(rule.source.field)))
        lines.append(line)
    return lines
