"""nginx.conf for a reader: from a plan, or from what is in force in a run directory, weights beside each split.

Reads; writes nothing, and steers nothing. It holds no secret: certificates and user files are named, not shown.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from serin.dataplane.nginx.apply import Renderer
from serin.dataplane.nginx.certificates import link_name
from serin.dataplane.nginx.files import MAIN, acted_on, host_path, included
from serin.dataplane.nginx.rendered import fault_text
from serin.dataplane.nginx.trial import PLACEHOLDER
from serin.dataplane.nginx.weights_file import WeightsFile
from serin.errors import CorruptFileError, RunDirectoryError, UsageError
from serin.render.nginx import stock
from serin.render.nginx.closing import close_host
from serin.render.nginx.streams import Endpoints
from serin.render.nginx.weights import Weights, of_plan
from serin.render.rundir import RunDirectory
from serin.routing.identity import content_digest
from serin.routing.match import HostTable, host_names
from serin.routing.plan import Globals, Host, Plan, Pool

CATCH_ALL = "_"
"""How nginx's users call the host for any name."""
_NEAR = 5


@dataclass(frozen=True, slots=True)
class Shown:
    """`hosts` to be rendered. `certified`: names with a certificate, aliases too. `notes`: lines about all of it.

    `given`: the host files that nginx was given, by what it acts on in them; None where there is no nginx.
    """

    globals: Globals
    hosts: tuple[Host, ...]
    certified: frozenset[str]
    weights: Weights
    notes: tuple[str, ...] = ()
    given: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ShownStreams:
    """The stream part's endpoints, for a reader: no port is tried."""

    pools: Mapping[str, Pool]

    def endpoints(self, globals_: Globals, passed: frozenset[str]) -> Endpoints:
        return Endpoints(self.pools)


def from_plan(plan: Plan, wanted: str | None) -> Shown:
    """`wanted`: the name of one host; None: all. UsageError when nothing has this name."""
    names = host_names(plan.hosts)
    chosen = names if wanted is None else {(name := choose(names, wanted)): names[name]}
    hosts = {host.name: host for host in chosen.values()}
    certified = (n for n, h in names.items() if h.certificate is not None and n not in h.uncertified)
    return Shown(plan.globals, _ordered(hosts), frozenset(certified), of_plan(plan))


def from_run_dir(path: Path, wanted: str | None) -> Shown:
    """The plan in force. RunDirectoryError when there is none, UsageError when nothing has the name."""
    run_dir = RunDirectory(path)
    if not run_dir.read_generation():
        raise RunDirectoryError(f"run directory {path} has no plan; expected one that `serin controller` writes")
    index = run_dir.read_index()
    digests = set(index.hosts.values()) if wanted is None else {index.hosts[choose(index.hosts, wanted)]}
    hosts = {host.name: host for host in map(run_dir.read_host, sorted(digests))}
    notes = [f"generation {index.generation} of the plan in {path}"]
    try:
        weights = WeightsFile(path).current()
    except CorruptFileError as error:
        weights = Weights({}, {})
        notes.append(f"no weights: {error}")
    notes += _quarantined(run_dir.state / "quarantine.json", hosts)
    given = _given(run_dir.state / "nginx")
    return Shown(index.globals, _ordered(hosts), frozenset(index.certificates), weights, tuple(notes), given)


def choose(names: Mapping[str, object], wanted: str) -> str:
    """The name of the host that serves a name, wildcards included; UsageError, with what is near, when none does."""
    name = "" if wanted == CATCH_ALL else wanted.lower().removesuffix(".")
    if name in names:
        return name
    served = HostTable({known: known for known in names if known}).find(name)
    if served is not None:
        return served
    near = get_close_matches(name, [known for known in names if known], _NEAR)
    hint = f"did you mean {', '.join(near)}?" if near else f"{len(names)} are known"
    raise UsageError(f"--host {wanted}: no host has this name; {hint}")


def losses(shown: Shown) -> tuple[str, ...]:
    """What nginx without its Lua module does not do of what these hosts ask for."""
    found = [f"{host.name or CATCH_ALL}: {what}" for host in shown.hosts for what in stock.losses(host, shown.weights)]
    return (*stock.GENERAL, *found)


def text(shown: Shown, renderer: Renderer, *, whole: bool, head: tuple[str, ...] = ()) -> str:
    """One text: with `whole` the main file, then the host files. Each host's is as nginx would get it."""
    parts = ["".join(f"# {_line(line)}\n" for line in (*head, *shown.notes))]
    rendered = [_rendered(shown, host, renderer) for host in shown.hosts]
    if whole:
        includes = [renderer.include(host, _path(shown, file)) for host, file in rendered]
        certified = {name: link_name(name) for name in sorted(shown.certified)}
        parts.append(renderer.main(shown.globals, includes, certified, PLACEHOLDER))
    parts += [f"\n# --- {_path(shown, file)}{_standing(shown, file)}\n\n{file}" for _, file in rendered]
    return "".join(parts)


def _rendered(shown: Shown, host: Host, renderer: Renderer) -> tuple[Host, str]:
    """A host that cannot be rendered answers 503, as it does in nginx."""
    try:
        return host, renderer.host(host, shown.globals, shown.weights)
    except Exception as fault:  # our own, and this host's alone
        closed = close_host(host)
        said = f"# {_line(fault_text(fault))}\n# All requests for this host get 503.\n"
        return closed, said + renderer.host(closed, shown.globals, shown.weights)


def _path(shown: Shown, file: str) -> str:
    """Weights are comments beside a split that is drawn in Lua, so that the text is not quite the one on disk."""
    given = (shown.given or {}).get(acted_on(file))
    return host_path(given or content_digest(file.encode()))


def _standing(shown: Shown, file: str) -> str:
    if shown.given is None:
        return ""
    same = acted_on(file) in shown.given
    return ": as nginx has it" if same else ": nginx has another one (an older plan, or objects in quarantine)"


def _ordered(hosts: Mapping[str, Host]) -> tuple[Host, ...]:
    return tuple(host for _, host in sorted(hosts.items()))


def _given(prefix: Path) -> dict[str, str] | None:
    """Of the host files that nginx.conf includes, by what nginx acts on; None where there is no such file."""
    try:
        names = included((prefix / MAIN).read_text("utf-8", "replace"))
        return {acted_on((prefix / host_path(name)).read_text("utf-8", "replace")): name for name in names}
    except OSError:
        return None


def _quarantined(path: Path, hosts: Mapping[str, Host]) -> Iterator[str]:
    try:
        for one in json.loads(path.read_bytes())["objects"]:
            if one["host"] in hosts:
                what = f"{one['kind']} {one['namespace']}/{one['name']} on {one['host'] or CATCH_ALL}"
                yield f"in quarantine: {what}: {one['error']}"
    except (OSError, ValueError, KeyError, TypeError):
        return


def _line(text_: str) -> str:
    """Fit for a comment: a path or a message may hold any text of a user."""
    return "".join(character if character.isprintable() else " " for character in text_)
