"""Thousands of Ingresses with annotations by chance: nginx takes them all, and nobody else notices.

Ten thousand in `make soak`, three thousand in `make test`: the same ones each time.
"""

import os
import random

import pytest
from harness import planes
from harness.fuzzing import Batch
from harness.planes import NGINX
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from serin.dataplane.nginx.components import Components, find

INGRESSES = 250
BATCHES = 40 if "SOAK_SECONDS" in os.environ else 12


@pytest.fixture(scope="module")
def nginx() -> Components:
    planes.require(NGINX)
    return find()


@pytest.mark.nginx
@settings(
    max_examples=BATCHES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
)
@given(st.randoms(use_true_random=True))
def test_whatever_annotations_say_nginx_takes_it(nginx: Components, dice: random.Random) -> None:
    batch = Batch(dice, INGRESSES)
    made = batch.compiled()
    batch.put_in_force(made, nginx, lua=dice.random() < 0.5)
