"""External authentication (auth-url): what the server is asked, and what its answer means.

As ingress-nginx asks it: the client's headers and no body, with where the request goes in X-… headers. 2xx lets in, 401
and 403 are the answer, everything else, and no answer at all, is 500: what is not understood never lets in.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from serin.dataplane.proxy.auth_cache import AuthCache
from serin.dataplane.proxy.exchange import Client, RequestHead
from serin.dataplane.proxy.header_lines import ReadyLines, header_line
from serin.dataplane.proxy.headers import one_line
from serin.dataplane.proxy.heads import HOP_BY_HOP
from serin.dataplane.proxy.subrequest import ReadyBeside, SubAnswer, SubrequestFailedError, Subrequests
from serin.dataplane.proxy.variables import Evaluate, compile_parts
from serin.routing.access import ExternalAuth
from serin.routing.variables import split_variables

REQUEST_ID = os.urandom(16).hex().encode()
"""Stands for the request's id in compiled texts, which know nothing of it; nobody outside can guess it."""
SENT_FROM = b"nginx-ingress-controller"
"""What servers of external authentication know such requests by."""
_OURS = frozenset(
    name.encode()
    for name in (
        "content-length",
        "proxy",
        "x-auth-request-redirect",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-original-method",
        "x-original-uri",
        "x-original-url",
        "x-real-ip",
        "x-request-id",
        "x-scheme",
        "x-sent-from",
    )
)
_PLAIN_NAME = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NOT_IN_TARGET = re.compile(rb"[^!-~]")
_NEVER_COPIED = HOP_BY_HOP | {b"content-length"}
"""An authentication server must not say how the message to the endpoint is framed."""


@dataclass(slots=True)
class Allowed:
    """`lines` for the endpoint; `cookies`: values of Set-Cookie for the client."""

    lines: bytes = b""
    cookies: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Denied:
    """`headers` of our answer; a 401 may still become a redirect to the place where one signs in."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    cookies: tuple[bytes, ...] = ()


class ReadyExternal:
    """Of one route. `scope` tells its kept answers from those of others."""

    __slots__ = (
        "_auth",
        "_cache_key",
        "_host",
        "_needed",
        "_redirect",
        "_scope",
        "_set_headers",
        "_signin",
        "_target",
        "_to",
        "_without",
        "always_set_cookie",
        "response_names",
        "signs_in",
    )

    def __init__(self, auth: ExternalAuth, to: ReadyBeside, constants: Mapping[str, bytes], scope: bytes) -> None:
        known = {**constants, "request_id": REQUEST_ID, "req_id": REQUEST_ID}

        def text(written: str) -> Evaluate:
            return compile_parts(split_variables(written), known)

        self._auth = auth
        self._to = to
        self._target = text(auth.target)
        self._host = text(auth.host)
        self._redirect = text(auth.request_redirect) if auth.request_redirect else None
        self._set_headers = ReadyLines(auth.set_headers, known)
        self._without = HOP_BY_HOP | _OURS | self._set_headers.names
        self._signin = text(auth.signin_url) if auth.signin else None
        self._cache_key = text(auth.cache_key) if auth.cache_key and auth.cache_times else None
        self._scope = scope + b"\0" + repr(auth).encode() + b"\0"
        copied = (name.encode() for name in auth.response_headers if name.lower().encode() not in _NEVER_COPIED)
        names = {name.lower(): name for name in copied}
        self._needed = frozenset((*names, b"www-authenticate"))
        self.response_names = names
        """Headers of its answer that go to the endpoint, by their lower-case names; the client's own do not."""
        self.always_set_cookie = auth.always_set_cookie
        self.signs_in = self._signin is not None

    async def ask(
        self,
        asks: Subrequests,
        cache: AuthCache,
        head: RequestHead,
        client: Client,
        path: bytes,
        request_id: bytes,
        client_key: int,
    ) -> Allowed | Denied:
        """`client_key`: hash of the client's address, for a service that is sticky to it."""
        key = None
        if self._cache_key is not None:
            key = cache.key(self._scope + _with_id(self._cache_key(head, client, path), request_id))
            kept = cache.get(key)
            if kept is not None:
                return self._read(kept)
        target = _NOT_IN_TARGET.sub(_escaped, _with_id(self._target(head, client, path), request_id))
        host = one_line(_with_id(self._host(head, client, path), request_id))
        lines = self._lines(head, client, path, request_id)
        try:
            answer = await asks.ask(self._to, self._auth.method or "GET", target, host, lines, most=0, key=client_key)
        except SubrequestFailedError:
            return Denied(500)
        if key is not None:
            cache.put(key, answer, self._auth.cache_times, self._needed)
        return self._read(answer)

    def signin(self, head: RequestHead, client: Client, path: bytes, request_id: bytes) -> bytes:
        """Where a client is sent that has to sign in first."""
        assert self._signin is not None
        return one_line(_with_id(self._signin(head, client, path), request_id))

    def _lines(self, head: RequestHead, client: Client, path: bytes, request_id: bytes) -> bytes:
        named = (head.get(b"connection") or b"").lower().replace(b" ", b"").split(b",")
        without = self._without.union(named) if named != [b""] else self._without
        own = [
            b"%b: %b\r\n" % pair
            for pair, name in zip(head.headers, head.lower, strict=True)
            if name not in without and not name.translate(None, _PLAIN_NAME)
        ]
        scheme = b"https" if client.tls else b"http"
        address = client.address.encode()
        redirect = head.target if self._redirect is None else self._redirect(head, client, path)
        ours = {
            b"X-Request-ID": request_id,
            b"X-Original-URL": b"%b://%b%b" % (scheme, asked_host(head), head.target),
            b"X-Original-Method": head.method.encode(),
            b"X-Sent-From": SENT_FROM,
            b"X-Real-IP": address,
            b"X-Forwarded-For": client.passed or address,
            b"X-Auth-Request-Redirect": _with_id(redirect, request_id),
        }
        if self._auth.method:
            ours[b"X-Original-URI"] = head.target
            ours[b"X-Scheme"] = client.scheme or scheme
        set_names = self._set_headers.names
        own += [header_line(name, value) for name, value in ours.items() if name.lower() not in set_names]
        own.append(_with_id(self._set_headers.text(head, client, path), request_id))
        return b"".join(own)

    def _read(self, answer: SubAnswer) -> Allowed | Denied:
        cookies = tuple(answer.all(b"set-cookie"))
        if 200 <= answer.status < 300:
            values = ((name, answer.get(lower)) for lower, name in self.response_names.items())
            return Allowed(b"".join([header_line(name, value) for name, value in values if value]), cookies)
        if answer.status == 401:
            return Denied(401, tuple((b"WWW-Authenticate", v) for v in answer.all(b"www-authenticate")), cookies)
        return Denied(403 if answer.status == 403 else 500, (), cookies)


def asked_host(head: RequestHead) -> bytes:
    """The host whose route is asked for, with the port where the Host header has it.

    An absolute target may name another host than that header (RFC 9112 3.2.2), and it is the target's that counts.
    """
    sent, served = head.host_header, head.host.encode()
    name = sent[: sent.find(b"]") + 1] if sent.startswith(b"[") else sent.partition(b":")[0]
    return sent if name.lower().removesuffix(b".") == served else served


def _with_id(text: bytes, request_id: bytes) -> bytes:
    return text.replace(REQUEST_ID, request_id)


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]
