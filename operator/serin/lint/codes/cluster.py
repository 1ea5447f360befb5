"""Codes that only a running controller gives, and Serin's own faults."""

from serin.lint.codes.model import Code

_RUNS = "only a controller that runs gives it"

CODES = (
    Code(
        "nginx-refused",
        "nginx refuses an object",
        "nginx's test of the configuration fails because of this object: it is in quarantine, its routes get 503, and "
        "everything else is served. nginx's words are in the problem (docs/nginx.md).",
        "Change what nginx names; a changed object is tried at once, an unchanged one every ten minutes.",
        there="no further change of anybody comes into force",
        unshown=_RUNS,
    ),
    Code(
        "access-missing",
        "rights that are missing",
        "The controller lacks a right that is not needed for serving; the text says which, and what is not done.",
        "Give its ServiceAccount the right, as docs/rbac.md has it.",
        unshown=_RUNS,
    ),
    Code(
        "object-unreadable",
        "an object on which Serin failed",
        "Serin itself failed while it read the object; it is ignored, all others are served.",
        "Report it, with the object.",
        unshown=_RUNS,
    ),
    Code(
        "read-forbidden",
        "an object that may not be read",
        "The controller's rights do not cover this Secret or ConfigMap; it counts as absent.",
        "Give the controller's ServiceAccount the rights that docs/rbac.md lists.",
        unshown=_RUNS,
    ),
    Code(
        "internal-error",
        "a fault of Serin's own",
        "Serin failed on this object; its routes get 503 (of a canary: no requests), everything else is served.",
        "Report it, with the object and the text.",
        unshown="there is no known object that gives it",
    ),
)
