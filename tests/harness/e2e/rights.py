"""Rights of an account: as docs/rbac.md lists them, and as the API server does (`kubectl auth can-i --list`)."""

import re
from collections.abc import Mapping
from pathlib import Path

from harness.e2e.site import Site

_PAGE = Path(__file__).parents[3] / "docs" / "rbac.md"
_ROW = re.compile(r"^\| (?P<what>[^|]+) \| (?P<verbs>[^|]+) \| (?P<where>[^|]+) \|", re.MULTILINE)
_WHAT = re.compile(r"^(?P<resource>\S+)(?: \((?P<group>\S+)\))?(?: `(?P<name>\S+)`)?$")

Right = tuple[str, str, str]
"""`RESOURCE.GROUP` or `RESOURCE.GROUP/PART`, the name of the one object that it is about or nothing, the verb."""


def documented(shape: str, names: Mapping[str, str]) -> dict[str, set[Right]]:
    """Rights by namespace ("": all), of a table of the page; `names`: what its namespaces are called here."""
    [(table,)] = [re.findall(rf"<!-- {shape}: .*?-->(.*?)<!-- end -->", _PAGE.read_text(), re.DOTALL)]
    found: dict[str, set[Right]] = {}
    _, *rows = _ROW.finditer(table)
    for row in rows:
        what = _WHAT.match(row["what"])
        assert what, row["what"]
        where = row["where"].removeprefix("namespace ").strip("`")
        namespace = "" if where == "cluster" else names.get(where, where)
        resource, part, sub = what["resource"].partition("/")
        resource = ".".join(filter(None, (resource, what["group"]))) + part + sub
        found.setdefault(namespace, set()).update(
            (resource, what["name"] or "", verb) for verb in row["verbs"].split(", ")
        )
    return found


def allowed(site: Site, account: str, namespace: str) -> set[Right]:
    """What the account may do in a namespace, less what Kubernetes lets every account do."""
    return _listed(site, account, namespace) - _listed(site, "system:serviceaccount:default:nobody", namespace)


def _listed(site: Site, account: str, namespace: str) -> set[Right]:
    groups = ["--as-group=system:serviceaccounts", f"--as-group=system:serviceaccounts:{account.split(':')[2]}"]
    who = [f"--as={account}", *groups, "--as-group=system:authenticated"]
    told = site.kubectl("auth", "can-i", "--list", "--no-headers", "-n", namespace, *who)
    found: set[Right] = set()
    for line in told.splitlines():
        resource, (urls, names, verbs) = line.split("[", 1)[0].strip(), re.findall(r"\[([^\]]*)\]", line)
        for verb in verbs.split():
            found |= {(resource or urls, name, verb) for name in names.split() or [""]}
    return found
