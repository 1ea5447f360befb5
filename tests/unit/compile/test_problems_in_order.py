"""All problems of a compile: sorted, each once, whatever was there before and however few of them are new."""

import random
from types import SimpleNamespace
from typing import Any

import pytest

from serin.compile import compiler
from serin.compile.draft import Draft
from serin.problems import Problem, Severity
from serin.refs import Ref, Source


def some_problem(dice: random.Random) -> Problem:
    """One of a few, so that several units often have the same."""
    source = Source(Ref("Ingress", "shop", f"i{dice.randrange(6)}"), f"f{dice.randrange(2)}")
    return Problem(source, "code", dice.choice(list(Severity)), f"t{dice.randrange(2)}")


@pytest.mark.parametrize("few", [0, 2, compiler.FEW])
def test_step_by_step_it_is_what_sorting_everything_gives(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "FEW", few)
    dice = random.Random(few)
    for _ in range(100):
        units: Any = {}
        previous: Any = None
        for _ in range(10):
            draft: Any = Draft(units)
            for _ in range(dice.randrange(5)):
                found = tuple(some_problem(dice) for _ in range(dice.randrange(4)))
                draft.put(("host", f"u{dice.randrange(8)}", ""), found or None)
            problems = compiler._all_problems(draft, SimpleNamespace(problems=units), previous)  # type: ignore[arg-type]
            units = draft.result()
            assert list(problems) == sorted({problem for unit in units.values() for problem in unit})
            previous = SimpleNamespace(problems=problems)
