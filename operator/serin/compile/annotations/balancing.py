"""Which endpoint of a Service takes a request: algorithm and hash key."""

from dataclasses import dataclass

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import LETTERS
from serin.compile.annotations.model import Annotation, Concern, Scope, Values
from serin.compile.findings import Findings
from serin.refs import Source
from serin.routing.plan import Algorithm, HashBy
from serin.routing.variables import is_variable_part, split_variables

_R, _L = Concern.ROUTING, Scope.LOCATION

UPSTREAM_NAMES = ("round_robin", "ewma", "chash", "chashsubset", "sticky_balanced", "sticky_persistent")
OUR_NAMES = (
    *("round_robin", "least_conn", "ewma", "random", "source_hash"),
    *("shortest_expected_delay", "never_queue", "hash"),
)
VARIABLES = frozenset(
    {
        *("request_uri", "uri", "document_uri", "args", "query_string", "is_args", "host", "best_http_host"),
        *("request_method", "request", "server_protocol", "scheme", "https", "content_type", "content_length"),
        *("remote_addr", "the_real_ip", "binary_remote_addr", "remote_port", "server_port"),
        *("proxy_add_x_forwarded_for", "namespace", "ingress_name", "service_name"),
        *("service_port", "location_path", "msec"),
    }
)
"""Variables that the data planes know, beside `http_*`, `cookie_*` and `arg_*`."""

LOAD_BALANCE = Annotation(
    "load-balance",
    grammar.one_of(
        *UPSTREAM_NAMES,
        expected=f"one of {', '.join(UPSTREAM_NAMES)} (serin.dev/load-balance has more)",
    ),
    "",
    _R,
    _L,
    "`round_robin` or `ewma`. The names of hashing (`chash`, …) ask for what `upstream-hash-by` and `affinity` do.",
)
SERIN_LOAD_BALANCE = Annotation(
    "load-balance",
    grammar.one_of(*OUR_NAMES),
    "",
    _R,
    _L,
    "`round_robin`, `least_conn` (the less busy one of two), `ewma`, `random`, "
    "`source_hash` (by the client's address), "
    "`shortest_expected_delay`, `never_queue`, `hash` (by `upstream-hash-by`). Goes before `load-balance`.",
    ours=True,
)
HASH_BY = Annotation(
    "upstream-hash-by",
    grammar.characters(rf"{LETTERS}${{}},", "a text with $variables", blanks=True),
    "",
    _R,
    _L,
    "The endpoint is chosen by this text, such as `$request_uri` or `$http_x_user`: equal texts, same endpoint.",
    differs="the hash is another one: keys go to other endpoints than before",
)
HASH_BY_SUBSET = Annotation(
    "upstream-hash-by-subset",
    grammar.BOOLEAN,
    False,
    _R,
    _L,
    "`upstream-hash-by` chooses a few endpoints, and one of them is taken.",
)
HASH_BY_SUBSET_SIZE = Annotation(
    "upstream-hash-by-subset-size", grammar.integer(1, 65535), 3, _R, _L, "Endpoints in such a subset."
)

FAMILY = (LOAD_BALANCE, SERIN_LOAD_BALANCE, HASH_BY, HASH_BY_SUBSET, HASH_BY_SUBSET_SIZE)


@dataclass(frozen=True, slots=True)
class Balancing:
    algorithm: Algorithm = Algorithm.ROUND_ROBIN
    subset_size: int = 0
    hash_by: HashBy | None = None
    cluster_ip: bool = False
    """The Service's own address instead of its endpoints."""


def balancing_of(values: Values, default: Algorithm, findings: Findings) -> Balancing:
    """`upstream-hash-by` decides alone, as in ingress-nginx; then serin.dev/load-balance; then load-balance."""
    key = values.get(HASH_BY)
    if key:
        return _hashed(values, split_variables(key), findings)
    name = values.get(SERIN_LOAD_BALANCE)
    if name == "source_hash":
        return Balancing(Algorithm.HASH, 0, HashBy(("$remote_addr",), values.source(SERIN_LOAD_BALANCE)))
    if name == "hash":
        _no_key(values.source(SERIN_LOAD_BALANCE), "hash", findings)
        return Balancing(default)
    if name:
        return Balancing(Algorithm(name))
    name = values.get(LOAD_BALANCE)
    if name.startswith(("chash", "sticky")):
        _no_key(values.source(LOAD_BALANCE), name, findings)
        return Balancing(default)
    return Balancing(Algorithm(name) if name else default)


def _no_key(source: Source, name: str, findings: Findings) -> None:
    wanted = "affinity: cookie" if name.startswith("sticky") else "upstream-hash-by, the text to hash"
    findings.warning(source, "load-balance-without-key", f"{name} needs {wanted}; without it it has no effect")


def _hashed(values: Values, parts: tuple[str, ...], findings: Findings) -> Balancing:
    source = values.source(HASH_BY)
    variables = [part[1:] for part in parts if is_variable_part(part)]
    if not variables:
        text = "holds no $variable, so every request gets the same endpoint"
        findings.warning(source, "hash-by-constant", text)
    unknown = [name for name in variables if not is_variable(name)]
    if unknown:
        listed = ", ".join(f"${name}" for name in unknown)
        findings.warning(source, "variable-unknown", f"{listed}: no such variable; it counts as an empty text")
    by = HashBy(parts, source)
    if values.get(HASH_BY_SUBSET):
        return Balancing(Algorithm.HASH_SUBSET, values.get(HASH_BY_SUBSET_SIZE), by)
    return Balancing(Algorithm.HASH, 0, by)


def is_variable(name: str) -> bool:
    family, _, rest = name.lower().partition("_")
    return name.lower() in VARIABLES or (bool(rest) and family in ("http", "cookie", "arg"))
