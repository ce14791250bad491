"""Whatever comes in whatever order, with kills between: each file is ingested once, and nothing else tells of it."""

from collections import Counter

import hypothesis
import pytest
from arrival_machine import ArrivalMachine
from fresh_lakes import Fresh
from hypothesis import HealthCheck
from hypothesis.stateful import run_state_machine_as_test
from little_months import Shelf
from thrift import Tell

PARTS, SEQUENCES, STEPS = 20, 1_000, 10

pytestmark = pytest.mark.usefixtures("thrift")


@pytest.fixture(scope="module")
def fresh(shelf: Shelf, thrift: None, tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    return Fresh(shelf, tmp_path_factory.mktemp("fresh"))


def run_sequences(fresh: Fresh, sequences: int, steps: int, seed: int | None) -> Counter[str]:
    """Draw sequences and go through them; how many there were, and how often each thing happened."""
    counts: Counter[str] = Counter()
    machine = type("Machine", (ArrivalMachine,), {"fresh": fresh, "counts": counts})
    if seed is not None:
        hypothesis.seed(seed)(machine)
    wanted = hypothesis.settings(
        max_examples=sequences, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=wanted)
    return counts


def test_a_few_sequences(fresh: Fresh) -> None:
    assert run_sequences(fresh, sequences=2, steps=5, seed=None)["sequences"] >= 2


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_sequences(fresh: Fresh, tell: Tell, part: int) -> None:
    counts = run_sequences(fresh, SEQUENCES // PARTS, STEPS, seed=part)
    assert counts["sequences"] >= SEQUENCES // PARTS
    tell("sequences of arrivals, each in the end as if built anew", {"sequences": 0, **counts})
