"""As drills/test_planes_alike.py, for as long as SOAK_SECONDS says; what is found is shown in its smallest form."""

import itertools
import os
import pathlib
import random
import time

import pytest
from harness import planes
from harness.alike import Alike, text_of
from harness.planes import NGINX
from harness.wild_manifests import settings, wild

SECONDS = float(os.environ.get("SOAK_SECONDS", "8"))
SEED = None if "SOAK_SECONDS" in os.environ else 40
"""None: another one each time, for `make soak`. `make test` asks the same of the same code."""
ASKS = 30


@pytest.mark.nginx
def test_the_planes_stay_alike(tmp_path: pathlib.Path) -> None:
    planes.require(NGINX)
    started = time.monotonic()
    first = random.randrange(2**32) if SEED is None else SEED
    with Alike(tmp_path) as alike:
        for seed in itertools.count(first):
            dice = random.Random(seed)
            sets = [wild(dice, asks=ASKS, everywhere=slot == 0) for slot in range(alike.slots)]
            alike.serve(sets, settings(dice))
            found = list(alike.compare(sets))
            assert not alike.refused(), f"seed {seed}"
            assert not found, f"seed {seed}\n" + text_of([alike.smallest(found[0])])
            if time.monotonic() - started > SECONDS:
                break
