"""A small platform: a home, its Dagster instance and code location, with small synthetic months."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleCauseCategory, StaleStatus
from dagster._core.loader import LoadingContextForTest
from table_digests import table_digests

from taxi_assets import synthetic
from taxi_assets.defs.runs import run_job
from taxi_assets.months import Month
from taxi_assets.registry import model_versions
from taxi_assets.registry.database import client
from taxi_assets.settings import Settings
from taxi_assets.synthetic import Shift
from taxi_assets.warehouse.connection import Warehouse

ROWS = 3_000
SEED = 7
JANUARY, FEBRUARY, MARCH, APRIL = (Month(2023, number) for number in range(1, 5))
# Few trees: the tests do not depend on the model's quality.
TINY = {"max_iter": 5, "min_samples_leaf": 20}


def settings_in(home: Path, source: Path) -> Settings:
    return Settings(home=home, data_kind="synthetic", tlc_source=str(source), threads=1, memory_limit="1GB")


@contextmanager
def coarse_pictures() -> Iterator[None]:
    """Renders only the titles of plots during the block, and small.

    `unit/test_plots.py` renders them in full.
    """
    from matplotlib.figure import Figure

    in_full = Figure.savefig

    def savefig(figure: Figure, *arguments: Any, **options: Any) -> None:
        figure.set_layout_engine("none")
        for axes in figure.axes:
            axes.set_visible(False)
        in_full(figure, *arguments, **options, dpi=20)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", savefig)
        yield


PUBLISHED = ("raw_trips", "clean_trips", "trip_features")  # Dagster selects them together


@dataclass(frozen=True)
class PlatformHarness:
    """A home of synthetic months, with functions that run and inspect its assets."""

    settings: Settings
    definitions: dg.Definitions
    instance: dg.DagsterInstance

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.settings)

    def run(self, job: str, months: Sequence[Month], /, **model: Any) -> dg.DagsterRun:
        """Runs a job as `taxi run` does, with small model parameters by default."""
        config = {"ops": {"duration_model": {"config": {**TINY, **model}}}} if job == "train_month" else {}
        return self.find(run_job(self.definitions, self.instance, job, months, config, lambda *_: None))

    def materialise(
        self,
        month: Month,
        *assets: str,
        promotion: Mapping[str, Any] | None = None,
        retraining: Mapping[str, Any] | None = None,
        **model: Any,
    ) -> dg.ExecuteInProcessResult:
        """Materialises some of a month's assets, as if selected in the Dagster UI."""
        configs = {
            "duration_model": {**TINY, **model},
            "champion_model": promotion or {},
            "retraining": retraining or {},
        }
        config = {"ops": {asset: {"config": configs[asset]} for asset in assets if asset in configs}}
        selected = {*assets, *PUBLISHED} if {*assets} & {*PUBLISHED} else {*assets}
        return self.definitions.resolve_job_def("train_month").execute_in_process(
            asset_selection=[dg.AssetKey(asset) for asset in sorted(selected)],
            partition_key=str(month),
            instance=self.instance,
            run_config={**config, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )

    def train(self, month: Month, **model: Any) -> model_versions.Version:
        """Trains for a month unless the same training exists, and returns its version."""
        result = self.materialise(month, "duration_model", **model)
        assert result.success
        number = self.metadata(self.find(result.run_id), "duration_model")["version"].value
        found = client(self.settings).get_model_version(model_versions.MODEL_NAME, str(number))
        return model_versions.Version.of(found)

    def find(self, run_id: str) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run
        return run

    def last_run(self) -> dg.DagsterRun:
        return self.instance.get_runs(limit=1)[0]

    def mlflow_runs(self, dagster_run_id: str) -> list[Any]:
        api = client(self.settings)
        experiments = [experiment.experiment_id for experiment in api.search_experiments()]
        return list(api.search_runs(experiments, f"tags.dagster_run_id = '{dagster_run_id}'"))

    def events(self, run: dg.DagsterRun, kind: dg.DagsterEventType) -> list[dg.DagsterEvent]:
        entries = self.instance.all_logs(run.run_id, of_type=kind)
        return [entry.dagster_event for entry in entries if entry.dagster_event]

    def metadata(self, run: dg.DagsterRun, asset: str, month: Month | None = None) -> Mapping[str, dg.MetadataValue]:
        """The metadata of the run's materialisation of an asset, for one month if given."""
        found = [
            event.materialization.metadata
            for event in self.events(run, dg.DagsterEventType.ASSET_MATERIALIZATION)
            if event.asset_key == dg.AssetKey(asset) and (month is None or event.partition == str(month))
        ]
        assert len(found) == 1, f"{len(found)} materialisations of {asset} {month}"
        return found[0]

    def last_metadata(self, asset: str, month: Month) -> Mapping[str, dg.MetadataValue]:
        """The metadata of the newest materialisation of an asset's month, from any run."""
        records = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[str(month)])
        (found,) = self.instance.fetch_materializations(records, limit=1).records
        assert found.asset_materialization
        return found.asset_materialization.metadata

    def checks(self, run: dg.DagsterRun, asset: str) -> dict[str, Any]:
        """The results of the asset's checks in the run, by check name."""
        events = self.events(run, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        results = [event.asset_check_evaluation_data for event in events]
        return {check.check_name: check for check in results if check.asset_key == dg.AssetKey(asset)}

    def is_stale(self, asset: str, month: Month | None) -> bool:
        """True if Dagster shows the asset's month as stale."""
        return self._staleness().get_status(dg.AssetKey(asset), month and str(month)) == StaleStatus.STALE

    def has_changed_code(self, asset: str, month: Month | None) -> bool:
        """True if Dagster shows the asset's month as stale because its code version changed."""
        causes = self._staleness().get_stale_causes(dg.AssetKey(asset), month and str(month))
        return StaleCauseCategory.CODE in {cause.category for cause in causes}

    def _staleness(self) -> CachingStaleStatusResolver:
        graph = self.definitions.resolve_asset_graph()
        return CachingStaleStatusResolver(self.instance, graph, LoadingContextForTest(self.instance))

    def land(self, month: Month, folder: Path, *shifts: Shift, rows: int = ROWS) -> Path:
        """Writes a month's file elsewhere and moves it into the landing folder."""
        file = synthetic.write_month(folder, "green", month, rows, SEED, None, shifts)
        self.settings.landing.mkdir(parents=True, exist_ok=True)
        return file.replace(self.settings.landing / file.name)

    def table_digests(self) -> dict[str, str]:
        """A digest of each table's rows in any order."""
        return table_digests(self.warehouse)

    @contextmanager
    def restored_champion(self) -> Iterator[None]:
        """Restores the champion and the month versions after the block."""
        api = client(self.settings)
        before = dict(api.get_registered_model(model_versions.MODEL_NAME).aliases)
        yield
        for alias, version in before.items():
            api.set_registered_model_alias(model_versions.MODEL_NAME, alias, version)


def first_run_of(platform: PlatformHarness, job: str) -> dg.DagsterRun:
    """The first run of the job, which set up the platform."""
    return platform.instance.get_runs(dg.RunsFilter(job_name=job), ascending=True)[0]


def pictures(shown: dg.MetadataValue) -> list[bytes]:
    return [base64.b64decode(part.split(")")[0]) for part in str(shown.value).split("data:image/png;base64,")[1:]]


def report_page_text(platform: PlatformHarness, link: object) -> str:
    """The text of the report that a metadata link opens."""
    return (platform.settings.reports / str(link).removeprefix("/go/reports/")).read_text()


def evidence_file(platform: PlatformHarness, shown: Mapping[str, dg.MetadataValue], name: str) -> dict[str, Any]:
    """A JSON file of the evidence pack that the asset's metadata links to."""
    pack = (platform.settings.root / str(shown["evidence_pack"].value).removeprefix("/go/reports/")).parent
    found: dict[str, Any] = json.loads((pack / name).read_text())
    return found
