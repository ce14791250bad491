"""`taxi run` before its work begins: refusals, and the division of the months."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from taxi_assets.cli import run_pipeline
from taxi_assets.cli.run_pipeline import PipelineResult, contiguous_ranges, run
from taxi_assets.cli.supervisor import supervisor
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import Program
from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.serving import client
from taxi_assets.serving.packaging import bento_build
from taxi_assets.settings import Settings

MONTHS = (Month(2023, 1), Month(2023, 2))
months = st.builds(Month, st.integers(2009, 2030), st.integers(1, 12))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", data_kind="synthetic", bento_port=free_port("127.0.0.1"))


def refusal(settings: Settings, months: tuple[Month, ...] = MONTHS) -> str:
    with pytest.raises(TaxiError) as error:
        run(settings, months, Console(quiet=True))
    return str(error.value)


def test_one_month_is_refused(settings: Settings) -> None:
    assert refusal(settings, MONTHS[:1]) == (
        "2023-01 is a single month: name two or more, as the last is scored and the others train"
    )
    assert not settings.home.exists()


def test_a_home_marked_read_only_is_not_changed(settings: Settings) -> None:
    settings.home.mkdir()
    settings.home.chmod(0o555)
    assert "set TAXI_HOME to a folder that is" in refusal(settings)
    assert list(settings.home.iterdir()) == []


def test_two_runs_in_one_home_are_refused(settings: Settings) -> None:
    settings.home.mkdir()
    with FileLock(settings.home / "run.lock"):
        said = refusal(settings)
    assert said == f"another `taxi run` of dev is using {settings.home}: wait for it, or set TAXI_HOME"
    assert not settings.root.exists()


@given(st.sets(months, min_size=1, max_size=30))
def test_contiguous_ranges_split_at_calendar_gaps(chosen: set[Month]) -> None:
    ordered = sorted(chosen)
    ranges = contiguous_ranges(ordered)
    assert [month for months in ranges for month in months] == ordered
    for months in ranges:
        assert all(earlier.plus(1) == later for earlier, later in pairwise(months))
    for earlier, later in pairwise(ranges):
        assert earlier[-1].plus(1) != later[0]


def test_a_failed_step_has_no_time(settings: Settings) -> None:
    outcome = PipelineResult(settings, MONTHS)
    with outcome.timed("first"):
        pass
    with pytest.raises(TaxiError), outcome.timed("second"):
        raise TaxiError("no")
    assert set(outcome.seconds) == {"first"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("v1", "v1", ["start v1", "predict v1", "stop v1"]),
        ("v1", "v2", ["start v1", "stop v1", "start v2", "predict v2", "stop v2"]),
        (None, "v2", ["start v2", "predict v2", "stop v2"]),
    ],
)
def test_the_ride_is_predicted_by_the_runs_own_bento(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, before: str | None, after: str, expected: list[str]
) -> None:
    steps: list[str] = []

    @contextmanager
    def starting(program: Program, _log: Path) -> Iterator[Callable[[], str]]:
        tag = program.description.rpartition(" ")[2]
        steps.append(f"start {tag}")
        yield lambda: tag
        steps.append(f"stop {tag}")

    def build(tag: str | None) -> None:
        bento = bento_build.BuiltBento(f"taxi_duration:{tag}", {}) if tag else None
        monkeypatch.setattr(bento_build, "latest", lambda _: bento)

    monkeypatch.setattr(supervisor, "starting", starting)
    monkeypatch.setattr(client, "predict", lambda tag, _: steps.append(f"predict {tag}"))
    with ExitStack() as endpoints:
        build(before)
        endpoint = run_pipeline._Endpoint(settings, endpoints)
        endpoint.start_newest()
        build(after)
        endpoint.start_early()
        run_pipeline._serve_one_ride(PipelineResult(settings, MONTHS), endpoint)
    assert steps == expected


def test_a_bento_that_cannot_start_early_fails_after_the_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def starting(_program: Program, _log: Path) -> NoReturn:
        raise TaxiError("port 3009 is taken")

    monkeypatch.setattr(bento_build, "latest", lambda _: bento_build.BuiltBento("taxi_duration:v1", {}))
    monkeypatch.setattr(supervisor, "starting", starting)
    with ExitStack() as endpoints:
        endpoint = run_pipeline._Endpoint(settings, endpoints)
        endpoint.start_early()
        with pytest.raises(TaxiError, match="port 3009 is taken"):
            run_pipeline._serve_one_ride(PipelineResult(settings, MONTHS), endpoint)
        with pytest.raises(TaxiError, match="no Bento was built"):
            endpoint.wait_for_url()
