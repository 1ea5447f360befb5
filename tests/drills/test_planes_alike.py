"""Both planes answer every request alike: wild manifests, wild requests, and nothing that nginx refuses."""

import pathlib
import random

import pytest
from harness import planes
from harness.alike import Alike, text_of
from harness.planes import NGINX
from harness.wild_manifests import settings, wild

SEEDS = (32, 63)
ASKS = 12


@pytest.mark.nginx
def test_both_planes_answer_alike(tmp_path: pathlib.Path) -> None:
    planes.require(NGINX)
    with Alike(tmp_path) as alike:
        for seed in SEEDS:
            dice = random.Random(seed)
            sets = [wild(dice, asks=ASKS, everywhere=slot == 0) for slot in range(alike.slots)]
            alike.serve(sets, settings(dice))
            found = list(alike.compare(sets))
            assert not alike.refused()
            assert not found, text_of(found[:3])
            assert alike.answered > ASKS * alike.slots / 5, (
                "most requests have to reach a backend for this to mean much"
            )
