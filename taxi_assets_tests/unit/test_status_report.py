"""The facts of a run and of a home, read from their stores, as JSON and as a table."""

import io
import json
import re
import subprocess
import sys
from datetime import date, datetime
from typing import Any

import pytest
from rich.console import Console
from score_rows import DECISION, OTHER, scored

from taxi_assets.cli.run_report import print_run, run_summary
from taxi_assets.cli.status_report import file_summaries, print_files, print_status, status_summary
from taxi_assets.cli.supervisor import processes
from taxi_assets.cli.supervisor.home import supervised_home
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.schema import TABLES

JANUARY, FEBRUARY = Month(2023, 1), Month(2023, 2)
JANUARY_1, FEBRUARY_1 = date(2023, 1, 1), date(2023, 2, 1)
RIDE, NAME = {"duration_minutes": 12.5}, "green_tripdata_2023-02.parquet"


def rows(month: date, count: int, **values: Any) -> list[dict[str, Any]]:
    return [{"service": "green", "month": month, "source_row": row, **values} for row in range(count)]


def source_file(month: date, rows: int, letter: str, state: str, **values: Any) -> dict[str, Any]:
    found = {"service": "green", "month": month, "rows": rows, "sha256": letter * 64, "state": state, "request": rows}
    name = f"green_tripdata_{month:%Y-%m}.parquet"
    return {**found, "file_name": name, "path": letter, "first_seen_at": datetime(2023, 5, 1), **values}


CONTENT = {
    "published_months": [{"service": "green", "month": month} for month in (JANUARY_1, FEBRUARY_1)],
    "converted_trips": [*rows(JANUARY_1, 4), *rows(FEBRUARY_1, 3)],
    "kept_trips": [*rows(JANUARY_1, 2), *rows(FEBRUARY_1, 2)],
    "rejections": [*rows(JANUARY_1, 2, reason="duplicate"), *rows(FEBRUARY_1, 1, reason="zone_unknown")],
    "source_files": [
        source_file(JANUARY_1, 4, "a", "ingested"),
        source_file(FEBRUARY_1, 3, "b", "ingested"),
        source_file(FEBRUARY_1, 2, "c", "superseded"),
        source_file(FEBRUARY_1, 1, "d", "quarantined", reasons=["its rows are few"]),
    ],
    "evaluations": [
        scored("duration_model", 4.0),
        scored("zone_pair_median", 5.0),
        scored("duration_model", 3.5, OTHER),
    ],
    "promotions": [DECISION],
    "drift_reports": [
        {"month": FEBRUARY_1, "feature": name, "psi": 0.2, "p_value": p, "weight": 1.0}
        for name, p in (("service", 0.5), ("pickup_zone_id", 0.01))
    ],
    "drift_verdicts": [{"month": FEBRUARY_1, "verdict": "watch", "facts": ["a fact"]}],
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A read-only home whose warehouse has these rows."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), data_kind="synthetic")
    with Warehouse(settings).publishing("a few rows") as connection:
        for table, found in CONTENT.items():
            names = [column.name for column in TABLES[table].columns]
            marks = ", ".join("?" for _ in names)
            connection.executemany(
                f"INSERT INTO {table} VALUES ({marks})", [[row.get(name) for name in names] for row in found]
            )
    return settings


@pytest.fixture
def facts(filled: Settings) -> dict[str, Any]:
    return run_summary(filled, [JANUARY, FEBRUARY], RIDE, {"fetch": 1.0, "serve": 2.0})


def printed(printer: Any, *arguments: Any) -> str:
    printer(Console(file=(file := io.StringIO()), width=200), *arguments)
    return file.getvalue()


def test_run_reports_every_required_figure(facts: dict[str, Any]) -> None:
    named = ("source", "synthetic", "months", "services", "rows", "score", "model", "bento", "prediction", "drift")
    assert {*named, "refused", "seconds", "decision"} == set(facts)
    assert facts["synthetic"] is True
    assert facts["months"] == ["2023-01", "2023-02"]
    assert facts["services"] == ["green"]
    assert facts["prediction"] == RIDE
    assert facts["seconds"] == {"fetch": 1.0, "serve": 2.0}
    assert json.loads(json.dumps(facts)) == facts


def test_rows_are_counted_by_outcome(facts: dict[str, Any]) -> None:
    assert facts["rows"] == {"raw": 7, "clean": 4, "rejected": {"duplicate": 2, "zone_unknown": 1}}


def test_only_the_months_of_the_run_count(filled: Settings) -> None:
    assert run_summary(filled, [FEBRUARY], RIDE, {})["rows"]["raw"] == 3


def test_drift_has_its_verdict_and_the_least_probable_feature_first(facts: dict[str, Any]) -> None:
    assert [*facts["drift"].values()][1:3] == ["watch", ["a fact"]]
    assert list(facts["drift"]["psi"]) == ["pickup_zone_id", "service"]


def test_a_source_is_shown_without_its_password(filled: Settings) -> None:
    secret = filled.model_copy(update={"tlc_source": "https://me:secret@example.org/tlc?token=secret"})
    assert "secret" not in json.dumps(run_summary(secret, [JANUARY, FEBRUARY], RIDE, {}))


def test_run_summary_is_printed(facts: dict[str, Any], filled: Settings) -> None:
    ran = {"prediction": {**RIDE, "interval_90": [8.24, 19.0]}, "checks": {"passed": 61, "not_passed": ["raw_trips.x"]}}
    text = printed(print_run, facts | ran, filled)
    for expected_message in (
        "synthetic months",
        "2 a copy of another trip",
        "RMSE 4.000, MAE 2.000",
        "zone_pair_median",
        "watch",
        "12.5 minutes (nine in ten: 8.2 to 19.0)",
        "61 passed",
        "not passed: raw_trips.x",
        "3 s",
        "make up",
        "http://127.0.0.1:3000",
    ):
        assert expected_message in text


def test_a_run_without_rejected_rows_shows_none(facts: dict[str, Any], filled: Settings) -> None:
    assert "none" in printed(print_run, facts | {"rows": {"raw": 1, "clean": 1, "rejected": {}}}, filled)


def test_a_version_that_is_not_champion_shows_the_reason(facts: dict[str, Any], filled: Settings) -> None:
    model = {"name": "taxi-duration", "version": 3, "alias": None, "run_id": "x", "why": "Champion 2 is better."}
    assert "(not champion): Champion 2 is better." in printed(print_run, facts | {"model": model}, filled)


def test_an_empty_home_has_a_status(settings: Settings) -> None:
    status = status_summary(settings)
    assert status["months"] == []
    assert {status[name] for name in ("champion", "bento", "last_run")} == {None}
    assert status["files"] == {"waiting": [], "unaccepted": [], "quarantined": []}
    text = printed(print_status, status)
    assert text.count("none yet") == 4
    assert not settings.home.exists()  # reading creates nothing


def test_status_lists_available_months(filled: Settings) -> None:
    status = status_summary(filled)
    available_month = {"service": "green", "month": "2023-01", "rows": 4, "sha256": "a" * 64}
    assert status["months"][0] == available_month | {"models": []}
    assert status["snapshot"] == Warehouse(filled).snapshot()
    assert "aaaaaaaaaaaaaaaa" in printed(print_status, status)


STATUS: dict[str, Any] = {
    "alerts": [{"kind": "drift", "text": "it is [drifted]", "delivery_error": "status 500"}],
    "synthetic": False,
    "months": [
        {"service": "green", "month": "2023-01", "rows": 4, "sha256": "a" * 64, "models": []},
        {"service": "green", "month": "2023-02", "rows": 3, "sha256": "b" * 64, "models": [1, 2]},
    ],
    "snapshot": 7,
    "retraining": {"month": FEBRUARY_1, "is_retraining": False, "reason": "it is stable"},
    "champion": {"name": "taxi-duration", "version": 2, "run_id": "0f3c"},
    "decision": {"version": 2, "month": "2023-02", "state": "refused", "reasons": ["It is [worse].", "In Queens."]},
    "waiting": [{"version": 3, "month": "2023-02", "reasons": ["It is better."], "next": "`taxi approve 3`"}],
    "bento": "taxi_duration:v2-abc",
    "served": None,
    "files": {"waiting": ["green_tripdata_2023-03.parquet"], "quarantined": ["[bold].txt"]},
    "unfinished": [{"sentence": "2023-02 lacks duration_bento", "next": "`make up` finishes it"}],
    "superseded_versions": {"1": ["green 2023-01 (aaa, now bbb)"]},
    "last_run": {"job": "train_month", "status": "FAILURE", "run_id": "0f3c", "why": "deleted: restore [it]"},
}


def test_status_shows_a_month_without_a_model() -> None:
    text = printed(print_status, STATUS)
    assert re.search(r"2023-01 .* none +│\n", text)
    assert re.search(r"2023-02 .* 1, 2 +│\n", text)


def test_status_lists_waiting_and_quarantined_files() -> None:
    text = printed(print_status, STATUS)
    assert "waiting     green_tripdata_2023-03.parquet: see `taxi files`" in text
    assert "quarantined [bold].txt: see" in text


def test_status_shows_whether_the_newest_month_trains_and_versions_that_wait() -> None:
    training, approval = re.findall(r"^(?:training|approval) .*", printed(print_status, STATUS), re.MULTILINE)
    assert training == "training  2023-02 trains no model: it is stable"
    assert approval == "approval  version 3 of 2023-02 waits: It is better. Decide: `taxi approve 3`"


def test_status_gives_the_reasons_of_the_last_decision(filled: Settings) -> None:
    assert "decision  version 2 on 2023-02 was refused: It is [worse]. In Queens.\n" in printed(print_status, STATUS)
    status = status_summary(filled)
    assert "decision  version 2 on 2023-02 was refused: Champion 1 is no worse.\n" in printed(print_status, status)
    waits = STATUS | {"decision": {**STATUS["decision"], "state": "waiting"}}
    assert "decision" not in printed(print_status, waits)


def test_a_run_whose_version_waits_predicts_no_ride(facts: dict[str, Any], filled: Settings) -> None:
    text = printed(print_run, facts | {"prediction": {}, "bento": None}, filled)
    assert "not predicted: there is no champion before the approval" in text


def test_status_lists_unfinished_months_superseded_versions_and_alerts() -> None:
    text = printed(print_status, STATUS)
    assert "unfinished  2023-02 lacks duration_bento; `make up` finishes it\n" in text
    assert "superseded  version 1 was trained on green 2023-01 (aaa, now bbb)\n" in text
    assert "alert     drift: it is [drifted]; not delivered: status 500\n" in text
    assert "last run  train_month FAILURE 0f3c: deleted: restore [it]\n" in text


def test_status_says_that_make_up_finishes_a_month(filled: Settings) -> None:
    assert "duration_bento, deployment; `make up` finishes it\n" in printed(print_status, status_summary(filled))
    with supervised_home(filled.home) as mark:
        program = processes.start(
            [sys.executable, "-c", "import signal; signal.pause()"], {}, f"{mark}/x", subprocess.DEVNULL
        )
        text = printed(print_status, status_summary(filled))
        processes.stop(mark)
        program.wait()
    assert "duration_bento, deployment; `make up` is finishing it: see landing_sensor in Dagster\n" in text


@pytest.mark.parametrize(
    ("served", "expected_message"),
    [
        (None, "served    nothing: the endpoint is not running; `make up` starts it"),
        ({"version": 2, "bento": "taxi_duration:v2-abc"}, "served    version 2 (taxi_duration:v2-abc)\n"),
        (
            {"version": 1, "bento": "taxi_duration:v1-abc"},
            "served    version 1 (taxi_duration:v1-abc); the champion is version 2: "
            "`taxi deploy 2 --champion` serves it",
        ),
    ],
)
def test_status_compares_the_served_version_with_the_champion(
    served: dict[str, Any] | None, expected_message: str
) -> None:
    assert expected_message in printed(print_status, STATUS | {"served": served})


def test_status_says_that_the_endpoint_waits_for_a_bento() -> None:
    text = printed(print_status, STATUS | {"served": None, "bento": None})
    assert "served    nothing: the endpoint waits for the first Bento; `make run` builds it" in text


def test_run_without_a_refused_file_reports_it(facts: dict[str, Any], filled: Settings) -> None:
    (expected_message,) = facts["refused"]
    assert expected_message == (
        f"green 2023-02 uses the earlier file {NAME} ({'b' * 16}): {NAME} ({'d' * 16}) is quarantined: its rows are few"
    )
    assert expected_message in " ".join(printed(print_run, facts, filled).replace("│", " ").split())


# File listing


def test_file_names_are_whole_in_a_terminal_of_80_columns(filled: Settings) -> None:
    facts = file_summaries(filled)
    longest = "fhvhv_tripdata_2023-02.parquet"
    facts.append(facts[-1] | {"file_name": longest, "rows": 20_159_102, "state": "quarantined"})
    console = Console(file=io.StringIO(), width=80)
    print_files(console, facts)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 80
    rows = [line for line in lines if longest in line and "20,159,102" in line]
    assert len(rows) == 1
    assert "quarantined" in rows[0]
    assert sum(NAME in line for line in lines) >= 3
