"""Whatever comes in whatever order, with kills between: each file is ingested once, and the lake is as if built anew."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
from arrival_machine import ArrivalMachine, Fresh
from hypothesis import HealthCheck
from hypothesis.stateful import run_state_machine_as_test
from little_months import Shelf

PARTS, SEQUENCES, STEPS = 4, 1_000, 10

pytestmark = pytest.mark.usefixtures("thrift")


def run_sequences(shelf: Shelf, folder: Path, sequences: int, seed: int | None) -> Counter[str]:
    machine = type("Machine", (ArrivalMachine,), {"fresh": Fresh(shelf, folder), "counts": Counter()})
    if seed is not None:
        hypothesis.seed(seed)(machine)
    wanted = hypothesis.settings(
        max_examples=sequences, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=wanted)
    counts: Counter[str] = machine.counts
    return counts


def test_a_few_sequences(shelf: Shelf, scratch: Path) -> None:
    assert run_sequences(shelf, scratch, sequences=6, seed=None)["sequences"] >= 6


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_sequences(shelf: Shelf, scratch: Path, tell: Callable[[str], None], part: int) -> None:
    counts = run_sequences(shelf, scratch, SEQUENCES // PARTS, seed=part)
    assert counts["sequences"] >= SEQUENCES // PARTS
    tell(f"{counts['sequences']} sequences ({', '.join(f'{n} {what}' for what, n in sorted(counts.items()))})")
