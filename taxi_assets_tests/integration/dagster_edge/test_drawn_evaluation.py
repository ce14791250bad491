"""The second evaluation of the same inputs is read from its file; changed inputs are evaluated."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from platform_harness import MARCH, PlatformHarness

from taxi_assets.evaluation.evaluate import Evaluation, require_month_version
from taxi_assets.plots import drawn_evaluation
from taxi_assets.plots.drawn_evaluation import DrawnEvaluation, evaluate_and_draw


class Evaluations:
    """Counts the evaluations that are computed."""

    def __init__(self, platform: PlatformHarness, monkeypatch: pytest.MonkeyPatch) -> None:
        self.platform, self.count, compute = platform, 0, drawn_evaluation._evaluate_and_draw

        def counted(*arguments: object) -> DrawnEvaluation:
            self.count += 1
            return compute(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(drawn_evaluation, "_evaluate_and_draw", counted)

    def get(self) -> tuple[DrawnEvaluation, bool]:
        """The evaluation of March, and whether it was computed."""
        before = self.count
        return evaluate_and_draw(self.platform.settings, self.platform.warehouse, MARCH), self.count > before


@pytest.fixture
def evaluations(platform: PlatformHarness, monkeypatch: pytest.MonkeyPatch) -> Evaluations:
    found = Evaluations(platform, monkeypatch)
    found.get()
    return found


def figures(evaluation: Evaluation) -> list[object]:
    frames = (evaluation.slices, evaluation.extra_rows, evaluation.zones, evaluation.importance)
    return [evaluation.all_scores, evaluation.uplift_over_baseline, *(frame.to_csv() for frame in frames)]


@contextmanager
def changed_trip(platform: PlatformHarness) -> Iterator[None]:
    """Changes a trip during the block, by converted rows in place of the file's bytes."""
    march = f"month = DATE '{MARCH.first_day}'"
    with platform.warehouse.publishing("a trip has another drop-off") as connection:
        trip = f"SELECT min(source_row) FROM clean_trips WHERE {march} AND duration_minutes BETWEEN 5 AND 30"
        later = f"CASE WHEN source_row = ({trip}) THEN dropoff_at + INTERVAL 1 MINUTE ELSE dropoff_at END"
        query = f"SELECT * REPLACE ({later} AS dropoff_at) FROM raw_trips WHERE {march}"
        connection.register("changed", connection.execute(query).to_arrow_table())
        ((table,),) = connection.execute(f"SELECT raw_table FROM published_months WHERE {march}").fetchall()
        connection.execute(f"DELETE FROM {table} WHERE {march}")
        connection.execute("INSERT INTO converted_trips BY NAME FROM changed")
        connection.execute(f"UPDATE published_months SET raw_table = 'converted_trips' WHERE {march}")
        ((row,),) = connection.execute(trip).fetchall()
    yield
    with platform.warehouse.publishing("it has its drop-off again") as connection:
        earlier = "dropoff_at = dropoff_at - INTERVAL 1 MINUTE"
        connection.execute(f"UPDATE converted_trips SET {earlier} WHERE {march} AND source_row = {row}")


def stored_file(platform: PlatformHarness) -> Path:
    return drawn_evaluation._file(platform.settings, require_month_version(platform.settings, MARCH))


def test_same_inputs_are_evaluated_once(evaluations: Evaluations, platform: PlatformHarness) -> None:
    stored, is_computed = evaluations.get()
    assert not is_computed
    stored_file(platform).unlink()
    computed, is_computed = evaluations.get()
    assert is_computed
    assert figures(stored.evaluation) == figures(computed.evaluation)
    assert stored.pictures == computed.pictures
    assert stored.evaluation.snapshot == computed.evaluation.snapshot
    pd.testing.assert_frame_equal(stored.evaluation.coverage.cells, computed.evaluation.coverage.cells)


@pytest.mark.slow
def test_a_changed_trip_is_evaluated(evaluations: Evaluations, platform: PlatformHarness) -> None:
    before = evaluations.get()[0]
    with changed_trip(platform):
        after, is_computed = evaluations.get()
    assert is_computed
    assert figures(after.evaluation) != figures(before.evaluation)
    assert figures(evaluations.get()[0].evaluation) == figures(before.evaluation)


@pytest.mark.slow
def test_a_damaged_file_is_evaluated_again(evaluations: Evaluations, platform: PlatformHarness) -> None:
    file = stored_file(platform)
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    assert evaluations.get()[1]
    assert file.read_bytes() != content[:-1]


def test_changed_code_is_evaluated(evaluations: Evaluations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn_evaluation, "source_digest", lambda *_: "changed")
    assert evaluations.get()[1]


@pytest.mark.slow
def test_trips_are_counted_for_a_stored_evaluation_too(
    evaluations: Evaluations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn_evaluation, "count_unscored_trips", lambda *_: 3)
    found, is_computed = evaluations.get()
    assert (is_computed, found.evaluation.unscored_trips) == (False, 3)
