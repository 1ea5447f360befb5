"""The same manifests over two data planes, the same requests to both, and where the answers differ."""

import concurrent.futures
import contextlib
import dataclasses
import gzip
import http.client
import json
import pathlib
import re
import ssl
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from harness import wild_manifests
from harness.backends import Backends
from harness.manifests import Manifest, endpoint_slice, ingress, put, service
from harness.observe import TRANSPORT_HEADERS, echo_of, masked_cookie
from harness.planes import NGINX, PROXY, Plane
from harness.serving import await_ready, launch
from harness.waiting import until
from harness.wild_manifests import ADDRESSES, Wild, at, header_maps, placed, surroundings
from harness.wild_requests import Ask
from harness.wild_values import AUTHENTICATOR, HOST
from harness.wire import Door, Reply, Request, read_reply

MARK = "mark"
"""Namespace, Ingress, Service and backend by which it is seen that all is in force."""
OPEN = {"force_ssl_redirect": "false", "enable_global_auth": "false", "allowlist_source_range": "0.0.0.0/0"}
"""Annotations by which the mark is seen whatever the ConfigMap says."""
PATIENCE = 2.0
"""Seconds for an answer. What a plane waits longer for (a body that does not come), the other one has to, too."""
MORE = 30.0
"""Seconds for both when one of them alone came too late: the machine may be busy."""
FRAMING = {"content-length", "transfer-encoding"}
"""nginx has a chunked body whole before it sends it on with its length; the proxy passes it on as it comes."""
SENDERS = 6
REFUSED_EARLY = {400, 405, 501, 505}
"""Answers of nginx that came to no location: docs/nginx.md."""

Seen = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    made: Wild
    ask: Ask
    seen: tuple[Seen, Seen]

    def parts(self) -> list[str]:
        first, second = self.seen
        return sorted(key for key in {*first, *second} if first.get(key) != second.get(key))

    def kind(self) -> str:
        """What differs, without the values that come from the request: differences of a kind are often one fault."""
        first, second = self.seen
        statuses = f"{first['status']}/{second['status']}"
        if first["status"] != second["status"]:
            return statuses
        inner = sorted(
            name
            for part in ("sent", "headers")
            for name in {*first.get(part, {}), *second.get(part, {})}
            if first.get(part, {}).get(name) != second.get(part, {}).get(name)
        )
        return " ".join([statuses, *self.parts(), *inner])

    def __str__(self) -> str:
        lines = [f"--- {self.kind()}", *(json.dumps(one, ensure_ascii=False) for one in self.made.manifests)]
        lines += [f"asked{' over TLS' if self.ask.tls else ''}: {self.ask.encode()[:600]!r}"]
        for plane, seen in zip(("first ", "second"), self.seen, strict=True):
            lines.append(f"{plane}: " + json.dumps({key: seen.get(key) for key in ("status", *self.parts())}))
        return "\n".join(lines)


class Alike:
    """Two `serin serve` over one folder, for as long as it is open. `slots`: sets of manifests at a time."""

    def __init__(
        self,
        folder: pathlib.Path,
        planes: Sequence[Plane] = (PROXY, NGINX),
        *,
        slots: int = 24,
    ) -> None:
        self._folder = folder / "manifests"
        self._folder.mkdir()
        names = {f"10.99.0.{last}": name for name, last in ADDRESSES.items()}
        self._backends = Backends(names | {"10.99.0.51": MARK, AUTHENTICATOR: "authenticator"})
        self._mark = 0
        self.answered = 0
        """Requests of the last comparison that a backend answered."""
        self.slots = slots
        prefix = self._backends.network.prefix
        self._authenticator = self._backends.network.loopback(AUTHENTICATOR)
        for number in range(slots):
            put(self._folder / f"around{number}.yaml", *surroundings(number, prefix))
        put(
            self._folder / "mark-service.yaml",
            *_in_mark(service(MARK), endpoint_slice(MARK, [f"{prefix}51"]), *header_maps()),
        )
        options = ("--workers", "1", "--access-log", "off", "--configmap", f"{MARK}/{MARK}")
        self.servings = [launch(self._folder, *options, *p.options, run_dir=folder / str(p)) for p in planes]
        try:
            self.servings = [await_ready(one) for one in self.servings]
        except AssertionError:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for serving in self.servings:
            serving.stop()
        self._backends.close()

    def serve(self, sets: Sequence[Wild], settings: Mapping[str, str] | None = None) -> None:
        """Put these in force instead of the last ones; also, where given, `settings` of the ConfigMap."""
        if settings is not None:
            metadata = {"name": MARK, "namespace": MARK}
            settings = {key: value.replace(AUTHENTICATOR, self._authenticator) for key, value in settings.items()}
            config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(settings)}
            put(self._folder / "config.yaml", config)
        for number in range(self.slots):
            path = self._folder / f"set{number}.yaml"
            if number < len(sets):
                put(path, *placed(sets[number], number, self._authenticator))
            else:
                path.unlink(missing_ok=True)
        self._mark += 1
        host = f"mark{self._mark}.example"
        put(self._folder / "mark.yaml", *_in_mark(ingress(MARK, host, MARK, **OPEN)))
        for serving in self.servings:
            until(lambda s=serving: s.door.send(Request(host=host)).first("x-echo-backend") == MARK, host, seconds=60)  # type: ignore[misc]
            until(lambda s=serving: len(s.workers()) == 1, "the old worker's end", seconds=60)  # type: ignore[misc]

    def refused(self) -> list[Any]:
        """What nginx would not take: always a fault of ours."""
        found = []
        for serving in self.servings:
            with contextlib.suppress(FileNotFoundError):
                found += json.loads((serving.run_dir / "state" / "quarantine.json").read_text())["objects"]
        return found

    def compare(self, sets: Sequence[Wild]) -> Iterator[Difference]:
        """Of sets that are in force."""
        pairs = [(number, one) for number, made in enumerate(sets) for one in made.asks]
        self.answered = 0
        with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
            answers = pool.map(lambda pair: self._both(*pair), pairs)
            for (number, one), seen in zip(pairs, answers, strict=True):
                self.answered += "uri" in seen[0]
                if seen[0] != seen[1] and not _waits(one, seen):
                    yield Difference(sets[number], one, seen)

    def _both(self, number: int, one: Ask) -> tuple[Seen, Seen]:
        first, second = self._asked(number, one, PATIENCE)
        if first != second and not one.unsent and (_late(first) or _late(second)):
            return self._asked(number, one, MORE)
        return first, second

    def _asked(self, number: int, one: Ask, patience: float) -> tuple[Seen, Seen]:
        first, second = (
            ask_plane(dataclasses.replace(each.door, timeout=patience), one, number) for each in self.servings
        )
        return first, second

    def smallest(self, found: Difference) -> Difference:
        """Left out of set and request what makes no difference to the difference, as long as that goes on."""
        found = dataclasses.replace(found, made=dataclasses.replace(found.made, asks=(found.ask,)))
        kind = found.kind()
        while True:
            candidates = list(wild_manifests.smaller(found.made))
            better = None
            step = 1 if found.made.everywhere else self.slots
            for start in range(0, len(candidates), step):
                some = candidates[start : start + step]
                self.serve(some)
                better = next((one for one in self.compare(some) if one.kind() == kind), None)
                if better is not None:
                    break
            if better is None:
                return found
            found = better


def _in_mark(*manifests: Manifest) -> list[Manifest]:
    for one in manifests:
        one["metadata"]["namespace"] = MARK
    return list(manifests)


def _late(seen: Seen) -> bool:
    return "Timeout" in (seen.get("error"), seen.get("again", {}).get("error"))


def _waits(one: Ask, seen: tuple[Seen, Seen]) -> bool:
    """nginx waits for a body that never comes before it asks an endpoint, which the proxy does at once."""
    return one.unsent and any(each.get("error") == "Timeout" for each in seen)


def ask_plane(door: Door, one: Ask, number: int) -> Seen:
    """The answer, and where it brought a cookie the answer to the same request with that cookie."""
    reply = _send(door, one, number)
    seen = describe(reply, door)
    if cookies := reply.all("set-cookie"):
        line = "Cookie: " + "; ".join(cookie.partition(";")[0] for cookie in cookies)
        again = dataclasses.replace(one, lines=(*one.lines, line))
        seen["again"] = describe(_send(door, again, number), door)
        seen["again"].get("sent", {}).pop("cookie", None)
    return seen


def _send(door: Door, one: Ask, number: int) -> Reply:
    raw = at(one.encode().decode(errors="surrogateescape"), number).encode(errors="surrogateescape")
    name = at(HOST, number) if one.tls else None
    try:
        with contextlib.closing(door.connect(tls=one.tls, server_name=name)) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(raw)
            return read_reply(connection, Request(method=one.method))
    except (OSError, ssl.SSLError, http.client.HTTPException, ValueError) as error:
        return Reply(0, error="Timeout" if isinstance(error, TimeoutError) else "Closed")


def describe(reply: Reply, door: Door) -> Seen:
    def masked(value: str) -> str:
        value = re.sub(r"^https?://_/", "/", value)  # nginx completes a Location also where HTTP/1.0 named no host
        value = re.sub(r"\b[0-9a-f]{32}\b", "{id}", value)
        return re.sub(rf"\b({door.http[1]}|{door.https[1]})\b", "{port}", value)

    seen: Seen = {"status": reply.status}
    if reply.error:
        seen["error"] = reply.error
    headers: dict[str, list[str]] = {}
    if reply.first("content-encoding") == "gzip":
        with contextlib.suppress(OSError, EOFError, zlib.error):
            reply = dataclasses.replace(reply, body=gzip.decompress(reply.body))
    received = echo_of(reply)
    for name, value in reply.headers:
        if name not in TRANSPORT_HEADERS and not (name == "content-type" and reply.status >= 300):
            headers.setdefault(name, []).append(masked_cookie(value) if name == "set-cookie" else masked(value))
    if reply.status == 501:
        seen["status"] = 400
    if reply.status in REFUSED_EARLY:
        headers.pop("strict-transport-security", None)
    seen["headers"] = headers
    seen["by"] = reply.first("x-echo-backend") or "-"
    if reply.status == 300:
        seen["body"] = reply.body.decode("latin-1")
    if received is not None:
        seen |= {key: received[key] for key in ("uri", "host", "method", "proto", "body_len", "tls")}
        sent: dict[str, list[str]] = {}
        for name, value in received["headers"]:
            if name.lower() not in FRAMING:
                sent.setdefault(name.lower(), []).append(masked(value))
        seen["sent"] = sent
    return seen


def text_of(found: Iterable[Difference]) -> str:
    return "\n".join(map(str, found))
