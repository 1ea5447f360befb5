"""Rights: what the chart's roles grant, with the reasons beside them, and what an audit log shows as used. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import yaml
from localkube.audit import Entry

# What every account may do by Kubernetes' own roles.
_EVERYBODY = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")
_REASON = "# why: "
PEOPLE = "people"
"""The component of roles that are for the cluster's users, not for the controller's account."""


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One request: `ingresses/status` is a resource; `namespace` and `name` are empty where a request has none."""

    group: str
    resource: str
    verb: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        of = f" in {self.namespace}" if self.namespace else " in all namespaces"
        return f"{self.verb} {self.resource}{'.' + self.group if self.group else ''} {self.name}{of}"


@dataclass(frozen=True, slots=True)
class Grant:
    """A rule of a role. `namespace` is that of the Role, empty for a ClusterRole; `names` empty for all."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...]
    namespace: str
    why: str

    def covers(self, right: Right) -> bool:
        return (
            right.group in self.groups
            and right.resource in self.resources
            and right.verb in self.verbs
            and self.namespace in ("", right.namespace)
            and (not self.names or (right.name in self.names and right.verb != "create"))
        )


def grants(text: str) -> list[Grant]:
    """Of all roles among rendered manifests but those for people.

    A reason is the comment right above a rule that begins with `why:`.
    """
    found = []
    for document in re.split(r"^---$", text, flags=re.MULTILINE):
        role = yaml.safe_load(document)
        if role is None or role["kind"] not in ("Role", "ClusterRole"):
            continue
        if role["metadata"].get("labels", {}).get("app.kubernetes.io/component") == PEOPLE:
            continue
        namespace = role["metadata"].get("namespace", "")
        for rule, why in zip(role["rules"], _reasons(document), strict=True):
            groups, resources, verbs = tuple(rule["apiGroups"]), tuple(rule["resources"]), tuple(rule["verbs"])
            found.append(Grant(groups, resources, verbs, tuple(rule.get("resourceNames", ())), namespace, why))
    return found


def used(entries: Iterable[Entry]) -> list[Right]:
    """Each right that a request asked for, granted or not, once."""
    return sorted(
        {
            Right(entry.group, entry.resource, entry.verb, entry.namespace, entry.name)
            for entry in entries
            if entry.resource and entry.resource not in _EVERYBODY
        }
    )


def missing(granted: Sequence[Grant], rights: Iterable[Right]) -> list[str]:
    return [str(right) for right in rights if not any(grant.covers(right) for grant in granted)]


def surplus(granted: Sequence[Grant], rights: Sequence[Right]) -> list[str]:
    """Verbs that nobody used and whose reason does not name them: `(get)` in a reason says what that verb is for.

    A rule of which nothing was used needs a reason at all.
    """
    found = []
    for grant in granted:
        unused = [verb for verb in grant.verbs if not any(grant.covers(r) for r in rights if r.verb == verb)]
        if len(unused) == len(grant.verbs):
            unused = [] if grant.why else unused
        else:
            unused = [verb for verb in unused if not re.search(rf"\b{verb}\b", grant.why)]
        found += [f"{verb} {', '.join(grant.resources)} in {grant.namespace or 'all namespaces'}" for verb in unused]
    return found


def _reasons(document: str) -> list[str]:
    """One for each rule of a role's text, empty where there is none."""
    found: list[str] = []
    comment: list[str] = []
    for line in document.splitlines():
        if line.startswith("#"):
            comment.append(line)
        else:
            if line.startswith("- apiGroups:"):
                text = " ".join(part.lstrip("# ") if at else part for at, part in enumerate(comment))
                found.append(text.removeprefix(_REASON).strip() if text.startswith(_REASON) else "")
            comment = []
    return found
