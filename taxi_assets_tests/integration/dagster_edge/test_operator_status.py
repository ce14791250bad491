"""The operator's page agrees with lake, registry, Dagster and endpoint in planted situations."""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest
from platform_harness import APRIL, MARCH, PlatformHarness

from taxi_assets.cli.operator_status.operator_status import OperatorStatus
from taxi_assets.cli.operator_status.status_section import Figure, Section
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.defs.instance import open_instance
from taxi_assets.defs.run_processes import PROCESS_TAG
from taxi_assets.ingestion.file_stability import IMMEDIATE
from taxi_assets.ingestion.scan_landing import scan_landing
from taxi_assets.promotion.champion_history import ChampionChange, record_change
from taxi_assets.registry import model_versions
from taxi_assets.registry.database import client
from taxi_assets.settings import Settings
from taxi_assets.tlc.month_file import file_name
from taxi_assets.warehouse.connection import Warehouse

_PATHS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
Plant = Callable[[Settings, Path], None]
HOSTILE_NAME = "<script>window.planted=1<script>.parquet"
NEVER = datetime(2023, 5, 1)  # the lake's times are UTC without a zone


@pytest.fixture
def home(
    shared_platform: PlatformHarness, untouched_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """A copy of the small platform's home before any test, with ports that nothing listens to."""
    shutil.copytree(untouched_home, tmp_path / "home", symlinks=True)
    original = shared_platform.settings
    monkeypatch.setenv("DAGSTER_HOME", str(original.dagster_home))  # restored after an instance of the copy was opened
    copied = original.model_copy(update={"home": tmp_path / "home"})
    with closing(sqlite3.connect(copied.mlflow_home / "mlflow.db")) as database:  # it has its own path
        for table, column in _PATHS:
            moved = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
            database.execute(moved, [str(original.mlflow_home), str(copied.mlflow_home)])
        database.commit()
    return copied.model_copy(update={"bento_port": free_port()})


def execute(settings: Settings, statement: str, *values: object) -> None:
    with Warehouse(settings).publishing("planted") as connection:
        connection.execute(statement, list(values))


def land(settings: Settings, months: Path, name: str = "") -> None:
    settings.landing.mkdir(parents=True, exist_ok=True)
    shutil.copy(months / file_name("green", APRIL), settings.landing / name)
    scan_landing(Warehouse(settings), IMMEDIATE)


quarantine = partial(land, name=HOSTILE_NAME)


def fail_a_run(settings: Settings, _: Path) -> None:
    add_run(settings, dg.DagsterRunStatus.FAILURE, "2023-04")


def add_run(settings: Settings, status: dg.DagsterRunStatus, month: str, **tags: str) -> None:
    from dagster._core.test_utils import create_run_for_test

    with open_instance(settings) as instance:
        create_run_for_test(instance, "train_month", status=status, tags={"dagster/partition": month, **tags})


def drift(settings: Settings, _: Path) -> None:
    execute(settings, "UPDATE drift_verdicts SET verdict = 'fix data' WHERE month = ?", MARCH.first_day)


def forget_drift(settings: Settings, _: Path) -> None:
    execute(settings, "DELETE FROM drift_reports WHERE month = ?", MARCH.first_day)


def work_on_it(settings: Settings, months: Path, **tags: str) -> None:
    forget_drift(settings, months)
    add_run(settings, dg.DagsterRunStatus.STARTED, str(MARCH), **tags)


interrupt = partial(work_on_it, **{PROCESS_TAG: "1@1.0"})  # by a process that had the id before


def refuse(settings: Settings, _: Path) -> None:
    execute(
        settings,
        "UPDATE promotions SET state = 'refused', is_promoted = false, reasons = ['It is worse in Queens.'] "
        "WHERE month = ?",
        MARCH.first_day,
    )


def wait(settings: Settings, _: Path) -> None:
    execute(settings, "UPDATE promotions SET state = 'waiting', champion_version = 1 WHERE month = ?", MARCH.first_day)


def roll_back(settings: Settings, _: Path) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    with Warehouse(settings).publishing("planted") as connection:
        record_change(connection, ChampionChange(now, 1, 2, "rolled_back", None, "asset rollback", "worse live"))


def alias_by_hand(settings: Settings, _: Path) -> None:
    first = model_versions.require(settings, 1)
    api = client(settings)
    api.create_model_version(first.name, first.source, first.run_id)
    api.set_registered_model_alias(first.name, "champion", "2")


def narrow_intervals(settings: Settings, _: Path) -> None:
    execute(
        settings,
        "INSERT INTO champion_performance (month, model_version, scope, condition, slice, value, trips, rmse, inside) "
        "VALUES (?, 1, '1_to_60_minutes', ?, 'overall', 'all', 1000, 5.25, 800)",
        APRIL.first_day,
        settings.served_condition,
    )


def flag_live_error(settings: Settings, _: Path) -> None:
    execute(
        settings,
        "INSERT INTO live_performance "
        "(day, variant, model_version, slice, value, predictions, rides, rmse, is_flagged) "
        "VALUES ('2023-04-02', 'champion', 1, 'overall', 'all', 500, 400, 7.5, true)",
    )


def open_alert(settings: Settings, _: Path, error: str | None = None) -> None:
    execute(
        settings,
        "INSERT INTO alerts (key, kind, subject, text, first_seen_at, last_seen_at, times, delivery_error, attempts) "
        "VALUES ('k', 'month overdue', 'green', 'green 2023-04 is overdue.', now(), now(), 1, ?, 1)",
        error,
    )


def undelivered_alert(settings: Settings, months: Path) -> None:
    open_alert(settings, months, "503 of the webhook")


def overdue(settings: Settings, _: Path) -> None:
    execute(settings, "UPDATE source_files SET first_seen_at = ? WHERE month = ?", NEVER, MARCH.first_day)


def damage(*parts: str) -> Plant:
    def damaged(settings: Settings, _: Path) -> None:
        for file in settings.root.joinpath(*parts[:-1]).glob(parts[-1]):
            file.write_bytes(b"damaged " * 100)

    return damaged


def remove_everything(settings: Settings, _: Path) -> None:
    shutil.rmtree(settings.root)


# The planted situation; the section, the label, a part of the value, and the state that the page shows.
SITUATIONS: dict[str, tuple[Plant, str, str, str, str]] = {
    "quarantine": (quarantine, "data", "files quarantined", HOSTILE_NAME, "bad"),
    "waiting file": (land, "data", "files waiting", "green_tripdata_2023-04.parquet", "watch"),
    "overdue month": (overdue, "data", "next month", "green 2023-04 is overdue since", "bad"),
    "unfinished month": (forget_drift, "data", "unfinished", "2023-03 lacks drift_report", "watch"),
    "month in work": (work_on_it, "data", "in work", "2023-03: a run has begun", "ok"),
    "interrupted run": (
        interrupt,
        "runs",
        "last run",
        "2023-03 INTERRUPTED: its process ended",
        "bad",
    ),
    "its month": (interrupt, "data", "unfinished", "2023-03 lacks drift_report", "watch"),
    "failed run": (fail_a_run, "runs", "last run", "train_month 2023-04 FAILURE", "bad"),
    "drift": (drift, "model", "drift, 2023-03", "fix data", "bad"),
    "refusal": (refuse, "model", "last decision", "version 1 on 2023-03 was refused: It is worse in Queens.", "ok"),
    "approval": (wait, "model", "waits for a person", "taxi approve 1", "watch"),
    "rollback": (roll_back, "model", "champion", "rolled_back by asset rollback", "ok"),
    "alias by hand": (alias_by_hand, "model", "champion", "version 2, set by hand", "ok"),
    "narrow intervals": (narrow_intervals, "model", "in the interval, 2023-04", "80.0%", "watch"),
    "error of the champion": (narrow_intervals, "model", "champion's RMSE, 2023-04", "5.25 minutes", "ok"),
    "live error": (flag_live_error, "endpoint", "live error", "7.50 minutes on 2023-04-02", "bad"),
    "endpoint down": (lambda *_: None, "endpoint", "endpoint", "does not answer", "bad"),
    "alert": (open_alert, "alerts", "month overdue", "green 2023-04 is overdue.", "bad"),
    "undelivered alert": (undelivered_alert, "alerts", "month overdue", "Not delivered: 503 of the webhook", "bad"),
}
# The planted damage, and the sections that cannot be read; all others can.
DAMAGE: dict[str, tuple[Plant, set[str]]] = {
    "lake": (damage("warehouse", "catalog.sqlite"), {"data", "model", "endpoint", "alerts"}),
    "registry": (damage("mlflow", "mlflow.db"), {"data", "model"}),
    "dagster": (damage("dagster", "dagster.yaml"), {"runs"}),
    "empty home": (remove_everything, {"data", "runs", "model", "endpoint", "alerts"}),
}


def sections(settings: Settings) -> dict[str, Section]:
    return {section.name: section for section in OperatorStatus(settings).sections()}


def figure(settings: Settings, section: str, label: str) -> Figure:
    found = sections(settings)[section]
    assert not found.problem, found.problem
    (shown,) = [each for each in found.figures if each.label == label]
    return shown


def test_a_healthy_platform_agrees_with_its_stores(home: Settings) -> None:
    found = sections(home)
    assert {name: section.state for name, section in found.items()} == {
        **dict.fromkeys(("data", "runs", "model", "alerts"), "ok"),
        "endpoint": "bad",
    }
    assert figure(home, "data", "green months").value == "3: 2023-01 to 2023-03"
    champion = figure(home, "model", "champion")
    assert champion.value.startswith("version 1 since ")
    assert champion.url == model_versions.version_url(home, 1)
    with open_instance(home) as instance:
        assert figure(home, "runs", "last run").url == home.dagster_run_url(instance.get_runs(limit=1)[0].run_id)
    history = found["model"].table
    assert history
    with Warehouse(home).reading() as connection:
        query = (
            "SELECT rmse FROM evaluations WHERE month = ? AND model = 'duration_model' AND slice = 'overall' "
            "AND scope = '1_to_60_minutes' AND condition = ?"
        )
        ((rmse,),) = connection.execute(query, [MARCH.first_day, home.served_condition]).fetchall()
    assert [each.value for each in history.rows[0]][4:6] == ["1", f"{rmse:.2f} minutes"]


@pytest.mark.slow
@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_situation_is_shown(home: Settings, months_folder: Path, situation: str) -> None:
    plant, section, label, value, state = SITUATIONS[situation]
    plant(home, months_folder)
    shown = figure(home, section, label)
    assert (value in shown.value, shown.state) == (True, state), shown
    if state == "bad":
        assert sections(home)[section].state == "bad"
        assert OperatorStatus(home).as_json()["state"] == "bad"


@pytest.mark.slow
@pytest.mark.parametrize("damaged", DAMAGE)
def test_a_part_that_is_down_says_so_and_hides_no_other(home: Settings, months_folder: Path, damaged: str) -> None:
    plant, unreadable = DAMAGE[damaged]
    plant(home, months_folder)
    found = sections(home)
    assert {name for name, section in found.items() if section.problem} == unreadable
    assert all(found[name].state == "unknown" for name in unreadable)
    assert home.root.exists() == (damaged != "empty home")


@pytest.mark.slow
def test_a_locked_lake_is_read(home: Settings) -> None:
    with Warehouse(home).exclusive_connection():
        assert {name for name, section in sections(home).items() if section.problem} == set()


@contextmanager
def server(body: bytes) -> Iterator[int]:
    """Another program at the endpoint's port."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as running:
        threading.Thread(target=running.serve_forever, args=[0.01], daemon=True).start()
        yield running.server_port
        running.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("body", [b"hello", b"[]", b'{"variants": 3}'])
def test_another_program_at_the_port_is_no_endpoint(home: Settings, body: bytes) -> None:
    with server(body) as port:
        shown = figure(home.model_copy(update={"bento_port": port}), "endpoint", "endpoint")
    assert ("does not answer" in shown.value, shown.state) == (True, "bad")
