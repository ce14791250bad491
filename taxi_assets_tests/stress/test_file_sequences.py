"""Files in any order, with kills between: each is ingested once; the end state is as if built anew."""

from collections import Counter

import hypothesis
import pytest
from file_sequence_machine import FileSequenceMachine
from hypothesis import HealthCheck
from hypothesis.stateful import run_state_machine_as_test
from reference_lakes import ReferenceLakes
from reported_counts import ReportCounts

PARTS, SEQUENCES, STEPS = 20, 1_000, 10


def run_sequences(reference_lakes: ReferenceLakes, sequences: int, steps: int, seed: int | None) -> Counter[str]:
    """Draws sequences and runs them; returns how many there were, and how often each action happened."""
    counts: Counter[str] = Counter()
    machine = type("Machine", (FileSequenceMachine,), {"reference_lakes": reference_lakes, "counts": counts})
    if seed is not None:
        hypothesis.seed(seed)(machine)
    wanted = hypothesis.settings(
        max_examples=sequences, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=wanted)
    return counts


@pytest.mark.slow
def test_a_few_sequences(reference_lakes: ReferenceLakes) -> None:
    assert run_sequences(reference_lakes, sequences=2, steps=3, seed=None)["sequences"] >= 2


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_sequences(reference_lakes: ReferenceLakes, report_counts: ReportCounts, part: int) -> None:
    counts = run_sequences(reference_lakes, SEQUENCES // PARTS, STEPS, seed=part)
    assert counts["sequences"] >= SEQUENCES // PARTS
    report_counts("sequences of landed files, each end state as if built anew", {"sequences": 0, **counts})
