"""OpenLineage events of a run: its job, its months, its inputs and outputs, its error.

Names follow OpenLineage's rules. A table of the warehouse is in the namespace of its catalogue, a file in `file`.
Assets that are neither are in the namespace of the jobs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.schema import TABLES

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent
    from openlineage.client.facet_v2 import DatasetFacet, OutputDatasetFacet

Change = Literal["START", "COMPLETE", "FAIL", "ABORT"]
PRODUCER = f"urn:taxi-assets:{version('taxi-assets')}"


@dataclass(frozen=True)
class Written:
    """An asset that a run writes: the rows of all its months, and the newest data version."""

    asset: str
    rows: int | None = None
    data_version: str | None = None


@dataclass(frozen=True)
class RunChange:
    """A change of a run's state, with what is known of its data then.

    Attributes:
        kind: The event's type.
        at: Seconds since 1970.
        run_id: Dagster's run, a UUID.
        job: Dagster's job.
        months: Consecutive months of the run; empty without any.
        inputs: Assets that the run reads and does not write.
        outputs: Assets that the run writes: planned at its start, done at its end.
        files: The SHA-256 of the source files, by service.
        error: The reason of a failure.
    """

    kind: Change
    at: float
    run_id: str
    job: str
    months: tuple[Month, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[Written, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None


def job_namespace(settings: Settings) -> str:
    return f"taxi_assets.{settings.space}"


def lake_namespace(settings: Settings) -> str:
    """The namespace of the warehouse's tables: their catalogue, without its password."""
    if settings.catalog is None:
        return f"ducklake:{settings.warehouse}"
    address = settings.catalog.get_secret_value()
    host = address.hosts()[0]
    return f"ducklake://{host['host']}:{host['port'] or 5432}{address.path or ''}/{settings.space}"


def file_store_name(settings: Settings) -> tuple[str, str]:
    """Namespace and name of the folder of source files: in the home, or in the store that machines share."""
    shared = f"{settings.shared_files}/{settings.space}/files"
    folder = shared if settings.shared_files else str(settings.file_store)
    if not folder.startswith("s3://"):
        return "file", folder
    bucket, _, key = folder.removeprefix("s3://").partition("/")
    return f"s3://{bucket}", key


def build_event(settings: Settings, change: RunChange) -> "RunEvent":
    """The event of a run's change, by the standard's classes."""
    from openlineage.client import event_v2

    event_v2.set_producer(PRODUCER)
    return event_v2.RunEvent(
        eventType=event_v2.RunState(change.kind),
        eventTime=datetime.fromtimestamp(change.at, UTC).isoformat(),
        run=_run(change),
        job=_job(settings, change),
        inputs=[*(_input(settings, asset) for asset in change.inputs), *_files(settings, change)],
        outputs=[_output(settings, written) for written in change.outputs],
    )


def _run(change: RunChange) -> "Run":
    from openlineage.client.event_v2 import Run
    from openlineage.client.facet_v2 import RunFacet, error_message_run, nominal_time_run, processing_engine_run

    facets: dict[str, RunFacet] = {
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
            version=version("dagster"), name="Dagster", openlineageAdapterVersion=version("taxi-assets")
        )
    }
    if change.months:
        facets["nominalTime"] = nominal_time_run.NominalTimeRunFacet(
            f"{change.months[0].first_day}T00:00:00Z", f"{change.months[-1].plus(1).first_day}T00:00:00Z"
        )
    if change.error:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(change.error, "python")
    return Run(change.run_id, facets)


def _job(settings: Settings, change: RunChange) -> "Job":
    from openlineage.client.event_v2 import Job
    from openlineage.client.facet_v2 import job_type_job

    kind = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="DAGSTER", jobType="JOB")
    return Job(job_namespace(settings), change.job, {"jobType": kind})


def _input(settings: Settings, asset: str) -> "InputDataset":
    from openlineage.client.event_v2 import InputDataset

    return InputDataset(*_name(settings, asset), facets=_schema(asset))


def _output(settings: Settings, written: Written) -> "OutputDataset":
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset

    facets = _schema(written.asset) | _version(written.data_version)
    shown: dict[str, OutputDatasetFacet] = {}
    if written.rows is not None:
        shown["outputStatistics"] = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(written.rows)
    return OutputDataset(*_name(settings, written.asset), facets=facets, outputFacets=shown)


def _files(settings: Settings, change: RunChange) -> "list[InputDataset]":
    """The folders of the file store that the run's source files are in."""
    from openlineage.client.event_v2 import InputDataset

    namespace, folder = file_store_name(settings)
    return [
        InputDataset(namespace, f"{folder}/{service}", facets=_version(sha256))
        for service, sha256 in sorted(change.files.items())
    ]


def _name(settings: Settings, asset: str) -> tuple[str, str]:
    return (lake_namespace(settings), f"main.{asset}") if asset in TABLES else (job_namespace(settings), asset)


def _schema(asset: str) -> "dict[str, DatasetFacet]":
    from openlineage.client.facet_v2 import schema_dataset

    if asset not in TABLES:
        return {}
    fields = [
        schema_dataset.SchemaDatasetFacetFields(column.name, column.type, column.description, position)
        for position, column in enumerate(TABLES[asset].columns, 1)
    ]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields)}


def _version(data_version: str | None) -> "dict[str, DatasetFacet]":
    from openlineage.client.facet_v2 import dataset_version_dataset

    if data_version is None:
        return {}
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(data_version)}
