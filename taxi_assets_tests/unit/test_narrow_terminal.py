"""In a terminal of 80 columns each name, path, hash, address and command stays whole on one line."""

import io
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from rich.console import Console

from taxi_assets.cli import lineage_commands, model_commands, status_report, terminal
from taxi_assets.cli.supervisor.programs import programs
from taxi_assets.cli.supervisor.supervisor import _address_line
from taxi_assets.monitoring.reproduce import ComparedValue
from taxi_assets.settings import Settings

FILE = "fhvhv_tripdata_2023-02.parquet"
DIGEST, RUN, BENTO = "0123456789abcdef" * 4, "ce71958d-b2ab-464f-a8c7-7daf57619520", "taxi_duration:v1-28e1f042eb29"
COMMAND = f"taxi files accept {FILE} --sha256 {DIGEST}"
SCORE = {"rmse": 10.4737, "mae": 7.5696, "bias": -0.25, "coverage_90": 0.9}
BASELINES = dict.fromkeys(("zone_pair_median", "one_hot_linear_regression", "zone_pair_hour_median"), SCORE)
OTHERS = {"with_recent_traffic": SCORE}


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console(file=io.StringIO(), width=80)
    for module in (terminal, model_commands):
        monkeypatch.setattr(module, "console", console)
    return console


def print_lineage(_: Console) -> None:
    checks = {"raw_trips": {"run_id": RUN, "failed": [], "warned": [], "passed": 40}}
    version = {
        "version": 1,
        "is_champion": True,
        "git_commit": DIGEST[:40],
        "dagster_run_id": RUN,
        "mlflow_run_id": RUN,
    }
    lineage_commands._print_lineage(
        {
            "months": [{"service": "fhvhv", "month": "2023-02", "file": FILE, "sha256": DIGEST, "checks": checks}],
            "features": {"window": "2023-01..2023-01", "snapshot": 14, "digest": DIGEST},
            "version": version,
            "superseded_files": [],
            "decision": None,
            "bentos": [BENTO],
        }
    )


def print_files(console: Console) -> None:
    file = {"file_name": FILE, "state": "unaccepted", "rows": 20_159_102, "sha256": DIGEST}
    status_report.print_files(
        console, [{**file, "reasons": ["much of its month is missing", f"to take it: {COMMAND}"]}]
    )


def print_status(console: Console) -> None:
    month = {"service": "fhvhv", "month": "2023-02", "rows": 20_159_102, "sha256": DIGEST, "models": list(range(30))}
    status_report.print_status(
        console,
        {
            "synthetic": True,
            "months": [month],
            "snapshot": 7,
            "champion": None,
            "decision": None,
            "waiting": [],
            "alerts": [],
            "bento": BENTO,
            "served": {"version": 1, "bento": BENTO},
            "files": {"waiting": [FILE]},
            "unfinished": [],
            "superseded_versions": {"1": [f"{FILE} ({DIGEST})"]},
            "retraining": None,
            "last_run": {"job": "month", "status": "FAILURE", "run_id": RUN},
        },
    )


def print_months(_: Console) -> None:
    month = {"month": "2023-02", "model": SCORE, "other_conditions": OTHERS, "baselines": BASELINES}
    model_commands._print_months(
        {
            "months": [month],
            "mean": SCORE,
            "mean_other_conditions": OTHERS,
            "mean_baselines": BASELINES,
            "condition": "without_recent_traffic",
            "scope": "1_to_60_minutes",
            "scopes": {"1_to_60_minutes": "trips of 1-60 minutes"},
            "trained_on": "2023-01",
            "missing": [],
        }
    )


def print_rows(_: Console) -> None:
    found = {"train_month": "2023-01", "test_month": "2023-02", "score": SimpleNamespace(rmse=10.4737, mae=7.5696)}
    model_commands._print_rows(
        [SimpleNamespace(model="linear regression PU_DO + distance", published=(9.1, 5.2), **found)]
    )


@pytest.mark.parametrize(
    ("printer", "whole"),
    [
        (print_lineage, {FILE, DIGEST, DIGEST[:40], RUN, BENTO}),
        (print_files, {FILE, DIGEST[:12], COMMAND}),
        (print_status, {FILE, "20,159,102", DIGEST[:16], DIGEST, RUN, BENTO}),
        (print_months, {"2023-02", "10.474"}),
        (print_rows, {"2023-01", "2023-02", "10.4737"}),
    ],
)
def test_nothing_is_cut_at_80_columns(narrow: Console, printer: Callable[[Console], None], whole: set[str]) -> None:
    printer(narrow)
    text = narrow.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert {each for each in whole if not any(each in line for line in text.splitlines())} == set()


def test_reproduction_prints_whole_digests(narrow: Console) -> None:
    lineage_commands._print_compared(
        [ComparedValue("data digest", DIGEST, DIGEST[::-1], is_same=False), ComparedValue("x", RUN, RUN, True)]
    )
    assert narrow.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        f"data digest  {DIGEST}, rebuilt {DIGEST[::-1]}: it differs",
        f"x  {RUN}, same",
    ]


def test_addresses_of_the_programs_are_whole(settings: Settings) -> None:
    found = programs(settings)
    lines = [_address_line(program, width=7) for program in found]
    for program, line in zip(found, lines, strict=True):
        assert program.missing or not program.endpoint or f"  {program.endpoint.url}{program.endpoint.page}  " in line
    assert "no Bento yet: starts after the first `make run`" in lines[3]
