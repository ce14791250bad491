"""OpenLineage: each run becomes events, in order and without loss, and no run waits for them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import dagster as dg
import pytest
from platform_harness import FEBRUARY, JANUARY, MARCH, PlatformHarness
from pydantic import PostgresDsn, Secret
from webhook_server import Webhook, serving, status

from taxi_assets.definitions import build
from taxi_assets.defs.monitoring import run_lineage
from taxi_assets.errors import TaxiError
from taxi_assets.monitoring.openlineage_events import file_store_name, lake_namespace
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.schema import TABLES

openlineage = pytest.importorskip("openlineage.client", reason="openlineage is not installed: `make env-scale` does it")
pytestmark = pytest.mark.slow
SEPTEMBER = Month(2023, 9)  # the source has no such month
KEY = "a-key-of-the-endpoint"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    monkeypatch.setenv("NO_PROXY", "*")
    with serving() as server:
        yield server


class Daemon:
    """Ticks of the sensor with the cursor that the last tick left."""

    def __init__(self, platform: PlatformHarness, address: str) -> None:
        settings = platform.settings.model_copy(update={"openlineage_url": Secret(address)})
        self.instance, self.settings, self.cursor = platform.instance, settings, None
        self.repository = build(settings).get_repository_def()

    cursor: str | None

    def tick(self) -> str:
        with dg.build_sensor_context(
            instance=self.instance,
            resources={"settings": self.settings},
            repository_def=self.repository,
            sensor_name="openlineage_sensor",
            cursor=self.cursor,
        ) as context:
            result = self.repository.get_sensor_def("openlineage_sensor").evaluate_tick(context)
        self.cursor = result.cursor
        assert not result.run_requests
        return str(result.skip_message)


def require_valid(event: dict[str, Any]) -> None:
    """The standard's own classes know every field, and check times, ids and addresses."""
    from openlineage.client import event_v2
    from openlineage.client.generated import base

    UUID(event["run"]["runId"])
    assert datetime.fromisoformat(event["eventTime"]).tzinfo
    event_v2.RunState(event["eventType"])
    assert urlsplit(event["schemaURL"]).path.endswith("OpenLineage.json")
    assert {*event} == {"eventType", "eventTime", "run", "job", "inputs", "outputs", "producer", "schemaURL"}
    parts = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
    kinds = (
        base.Run,
        base.Job,
        *[base.InputDataset] * len(event["inputs"]),
        *[base.OutputDataset] * len(event["outputs"]),
    )
    for part, kind in zip(parts, kinds, strict=True):
        kind(**part)
        facets = {**part.get("facets", {}), **part.get("inputFacets", {}), **part.get("outputFacets", {})}
        for facet in facets.values():
            require_valid_facet(facet)


def require_valid_facet(facet: dict[str, Any]) -> None:
    """A facet names its schema, and has the fields of the class of that schema."""
    from openlineage.client import facet_v2

    name = urlsplit(facet["_schemaURL"]).fragment.rpartition("/")[2]
    modules = [getattr(facet_v2, each) for each in dir(facet_v2) if hasattr(getattr(facet_v2, each), name)]
    assert len(modules) == 1, name
    kind = getattr(modules[0], name)
    assert facet["_schemaURL"] == kind._get_schema()
    assert facet["_producer"].startswith("urn:taxi-assets:")
    kind(**{key: value for key, value in facet.items() if not key.startswith("_")})


def of_run(endpoint: Webhook, run: dg.DagsterRun) -> list[dict[str, Any]]:
    return [event for event in endpoint.accepted if event["run"]["runId"] == run.run_id]


def names(datasets: list[dict[str, Any]]) -> set[str]:
    return {each["name"] for each in datasets}


def drain(daemon: Daemon) -> None:
    """Ticks until there is nothing to send."""
    while daemon.tick() != "0 events sent":
        pass


def test_each_run_becomes_valid_events_in_order(platform: PlatformHarness, endpoint: Webhook) -> None:
    daemon = Daemon(platform, endpoint.url.removesuffix(urlsplit(endpoint.url).path))
    drain(daemon)
    assert {*endpoint.paths} == {"/api/v1/lineage"}
    for event in endpoint.accepted:
        require_valid(event)
    # Runs that other tests only wrote down have no start.
    runs = [each.dagster_run for each in platform.instance.get_run_records() if each.start_time and each.end_time]
    assert len(runs) >= 2
    ends = {"SUCCESS": "COMPLETE", "FAILURE": "FAIL", "CANCELED": "ABORT"}
    for run in runs:
        assert [event["eventType"] for event in of_run(endpoint, run)] == ["START", ends[run.status.value]]
    assert KEY not in json.dumps(endpoint.accepted)


def test_an_event_has_months_tables_columns_and_rows(platform: PlatformHarness, endpoint: Webhook) -> None:
    drain(Daemon(platform, endpoint.url))
    assert {*endpoint.paths} == {urlsplit(endpoint.url).path}
    run = platform.instance.get_runs(dg.RunsFilter(job_name="ingest_months"), ascending=True)[0]
    start, end = of_run(endpoint, run)
    assert (start["job"]["namespace"], start["job"]["name"]) == ("taxi_assets.synthetic", "ingest_months")
    nominal = end["run"]["facets"]["nominalTime"]
    assert nominal["nominalStartTime"] == f"{JANUARY.first_day}T00:00:00Z"
    assert nominal["nominalEndTime"] == f"{MARCH.first_day}T00:00:00Z"
    assert {"main.raw_trips", "main.clean_trips", "main.trip_features"} <= names(start["outputs"])
    outputs = {each["name"]: each for each in end["outputs"]}
    assert outputs["main.raw_trips"]["namespace"] == f"ducklake:{platform.settings.warehouse}"
    fields = outputs["main.clean_trips"]["facets"]["schema"]["fields"]
    assert [each["name"] for each in fields] == [column.name for column in TABLES["clean_trips"].columns]
    with platform.warehouse.reading() as connection:
        rows = connection.execute(
            "SELECT count(*) FROM clean_trips WHERE month BETWEEN ? AND ?", [JANUARY.first_day, FEBRUARY.first_day]
        ).fetchone()
    assert rows == (outputs["main.clean_trips"]["outputFacets"]["outputStatistics"]["rowCount"],)
    (files,) = (each for each in end["inputs"] if each["namespace"] == "file")
    assert files["name"] == str(platform.settings.file_store / "green")
    trained = platform.instance.get_runs(dg.RunsFilter(job_name="train_month"), ascending=True)[0]
    shown = of_run(endpoint, trained)[1]
    assert "duration_model" in names(shown["outputs"])
    assert "main.trip_features" in names(shown["inputs"]) | names(shown["outputs"])


def test_a_failed_run_is_a_fail_event_with_its_error(platform: PlatformHarness, endpoint: Webhook) -> None:
    daemon = Daemon(platform, endpoint.url)
    drain(daemon)
    endpoint.accepted.clear()
    with pytest.raises(TaxiError) as refused:
        platform.run("ingest_months", [SEPTEMBER])
    assert daemon.tick() == "2 events sent"
    start, end = endpoint.accepted
    require_valid(end)
    assert (start["eventType"], end["eventType"]) == ("START", "FAIL")
    assert str(refused.value) in end["run"]["facets"]["errorMessage"]["message"]
    assert "main.raw_trips" in names(start["outputs"])
    assert names(end["outputs"]) == {"main.taxi_zones"}  # the month was refused after it


def test_nothing_is_lost_while_the_endpoint_fails(platform: PlatformHarness, endpoint: Webhook) -> None:
    """The next tick goes on at the event that was not accepted; the address is in no message."""
    daemon = Daemon(platform, endpoint.url)
    drain(daemon)
    wanted = list(endpoint.accepted)
    endpoint.accepted.clear()
    endpoint.faults.extend([status(503), status(302, Location="/elsewhere"), status(401)])
    again = Daemon(platform, endpoint.url)
    for reason in ("status 503", "status 302", "status 401"):
        message = again.tick()
        assert message.startswith("0 events sent; the next one is tried again: ")
        assert reason in message
        assert urlsplit(endpoint.url).path not in message
    drain(again)
    assert endpoint.accepted == wanted


@pytest.mark.parametrize(("name", "value"), [("_BATCH", 1), ("_SECONDS", -1.0)])
def test_a_long_log_is_sent_in_parts(
    platform: PlatformHarness, endpoint: Webhook, monkeypatch: pytest.MonkeyPatch, name: str, value: float
) -> None:
    """Parts that end within a run change neither the order of its events nor their number."""
    drain(Daemon(platform, endpoint.url))
    wanted = [(event["run"]["runId"], event["eventType"]) for event in endpoint.accepted]
    endpoint.accepted.clear()
    monkeypatch.setattr(run_lineage, name, value)
    drain(Daemon(platform, endpoint.url))
    assert [(event["run"]["runId"], event["eventType"]) for event in endpoint.accepted] == wanted


def test_without_the_setting_there_is_no_sensor_and_no_import(platform: PlatformHarness) -> None:
    assert "openlineage_sensor" not in {sensor.name for sensor in platform.definitions.sensors or ()}
    script = "import sys, taxi_assets.definitions; print([name for name in sys.modules if name.startswith('openlin')])"
    environment = {"PATH": os.environ["PATH"], "TAXI_HOME": str(platform.settings.home), "DAGSTER_HOME": ""}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_run_does_not_wait_for_an_unreachable_endpoint(
    platform: PlatformHarness, endpoint: Webhook, tmp_path: Path
) -> None:
    """Nothing listens at the address; a file at another gets the same events later."""
    daemon = Daemon(platform, "http://127.0.0.1:9/")
    assert "ConnectionError" in daemon.tick()
    file = tmp_path / "new folder" / "events.jsonl"
    later = Daemon(platform, str(file))
    later.cursor = daemon.cursor
    drain(later)
    events = [json.loads(line) for line in file.read_text().splitlines()]
    drain(Daemon(platform, endpoint.url))
    assert events == endpoint.accepted


def test_the_key_is_sent_as_the_standard_says(
    platform: PlatformHarness, endpoint: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", KEY)
    seen = []
    endpoint.faults.append(lambda handler: (seen.append(handler.headers["Authorization"]), handler.respond(503))[0])
    Daemon(platform, endpoint.url).tick()
    assert seen == [f"Bearer {KEY}"]


def test_a_run_canceled_before_its_start_has_a_start(platform: PlatformHarness, endpoint: Webhook) -> None:
    daemon = Daemon(platform, endpoint.url)
    drain(daemon)
    endpoint.accepted.clear()
    run = platform.instance.create_run_for_job(platform.definitions.resolve_job_def("maintain_warehouse"))
    platform.instance.report_run_canceled(run)
    assert daemon.tick() == "2 events sent"
    assert [event["eventType"] for event in endpoint.accepted] == ["START", "ABORT"]
    for event in endpoint.accepted:
        require_valid(event)


@pytest.mark.parametrize("partition", ["north", "2023-13", "9999-01"])
def test_a_run_of_no_month_does_not_hold_back_others(
    platform: PlatformHarness, endpoint: Webhook, partition: str
) -> None:
    daemon = Daemon(platform, endpoint.url)
    drain(daemon)
    job = platform.definitions.resolve_job_def("maintain_warehouse")
    run = platform.instance.create_run_for_job(job, tags={"dagster/partition": partition})
    platform.instance.report_run_canceled(run)
    assert daemon.tick() == "2 events sent"
    assert "nominalTime" not in of_run(endpoint, run)[1]["run"]["facets"]


def test_data_that_machines_share_is_named_by_its_place_without_a_password(tmp_path: Path) -> None:
    dsn = PostgresDsn("postgres://taxi:a-password@db.test/lake")
    settings = Settings(home=tmp_path, data_kind="real", catalog=Secret(dsn))
    assert lake_namespace(settings) == "ducklake://db.test:5432/lake/real"
    assert file_store_name(settings) == ("file", str(settings.file_store))
    shared = settings.model_copy(update={"shared_files": "s3://trips.test/sources"})
    assert file_store_name(shared) == ("s3://trips.test", "sources/real/files")
    assert file_store_name(settings.model_copy(update={"shared_files": "/mnt/s"})) == ("file", "/mnt/s/real/files")
