"""Asset metadata for Dagster's UI: schemas, counts, plots, links. Assets and rules belong elsewhere."""

import base64
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import dagster as dg

from taxi_assets.defs.checks import finish_checks, report_checks, table_metadata
from taxi_assets.defs.ingestion.source_files import data_version, file_metadata
from taxi_assets.defs.partitions import partition_months
from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.plots.report_page import write_report_page
from taxi_assets.quality.cleaning_rules import RULES, THRESHOLDS, Rule
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.schema import TABLES

if TYPE_CHECKING:
    from taxi_assets.evaluation.evaluate import Evaluation
    from taxi_assets.ingestion.published_months import Publication
    from taxi_assets.ingestion.schema_changes import ColumnChange
    from taxi_assets.promotion.paired_comparison import PairedComparison

_Shown = TypeVar("_Shown", bound=Callable[..., Any])
AssetEvent = dg.MaterializeResult | dg.AssetCheckEvaluation | dg.AssetCheckResult | dg.Output[None]


def column_schema(table: str) -> dict[str, Any]:
    """Definition metadata of an asset that is this table of the warehouse, or writes its rows."""
    columns = [dg.TableColumn(c.name, c.type, c.description) for c in TABLES[table].columns]
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/table_name": f"lake.main.{table}",
    }


def link(program: str, path: str) -> dg.MetadataValue:
    """A link to one of the platform's programs; `cli/supervisor/webserver.py` adds its current port."""
    return dg.MetadataValue.url(f"/go/{program}/{path}")


def mlflow_link(settings: Settings, url: str) -> dg.MetadataValue:
    """A link to a page of MLflow's UI."""
    return link("mlflow", url.removeprefix(f"{settings.url(settings.mlflow_port)}/"))


def float_metadata(value: float) -> dg.MetadataValue:
    """A float rounded to three decimals, which Dagster plots over the months."""
    return dg.MetadataValue.float(round(float(value), 3))


def plots_metadata(pictures: Mapping[str, bytes]) -> dg.MetadataValue:
    """All plots of a materialisation in one Markdown value, each below its name."""
    shown = [
        f"### {name.replace('_', ' ')}\n\n![{name}](data:image/png;base64,{base64.b64encode(png).decode()})"
        for name, png in pictures.items()
    ]
    return dg.MetadataValue.md("\n\n".join(shown))


def report_metadata(
    settings: Settings, asset: str, month: Month | None, facts: Mapping[str, object], pictures: Mapping[str, bytes]
) -> dict[str, dg.MetadataValue]:
    """The report page of a month, or of an asset without months, and its pictures, each one click away."""
    page = write_report_page(settings, asset, month, facts, pictures)
    return {"report": link("reports", page), "pictures": plots_metadata(pictures)}


def score_table(evaluation: "Evaluation") -> dg.MetadataValue:
    """Scores of every model by scope and condition, in minutes; the served condition first."""
    from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES

    return table_metadata(
        {
            "predicted": condition.replace("_", " "),
            "on": EVALUATION_SCOPES[scope].label,
            "model": model,
            "trips": score.trips,
            "rmse_minutes": round(score.rmse, 3),
            "mae_minutes": round(score.mae, 3),
            "bias_minutes": round(score.bias, 3),
        }
        for condition, scope, model, score in evaluation.all_scores
    )


def comparison_metadata(comparison: "PairedComparison") -> dict[str, dg.MetadataValue]:
    """The paired comparison behind a promotion decision: the interval and every slice."""
    interval = comparison.interval
    records = comparison.slices.round(3).to_dict("records")
    return {
        "difference_minutes": float_metadata(interval.difference),
        "difference_low": float_metadata(interval.low),
        "difference_high": float_metadata(interval.high),
        "trips": dg.MetadataValue.int(comparison.trips),
        "slices": table_metadata(records),
    }


def fail_in_words(function: _Shown) -> _Shown:
    """Turn a `TaxiError` into a `dagster.Failure`, so that Dagster shows its sentence without tracebacks."""

    @wraps(function)
    def run(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except TaxiError as error:
            raise dg.Failure(str(error), allow_retries=False) from None

    return cast("_Shown", run)


def report_months(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[AssetEvent]:
    """Publish the run's months and report each table's rows, checks and Data Docs.

    Raises:
        dagster.Failure: a month was refused or failed; months published before it stay.
    """
    from taxi_assets.ingestion.ingest_months import data_docs_page, ingest_months

    published: list[Publication] = []
    tables = [spec.key.to_user_string() for spec in context.assets_def.specs]
    try:
        for result in ingest_months(warehouse, partition_months(context), context.run.run_id):
            published += result.published
            for table, suite_results in result.suite_results.items():
                yield from report_checks(table, result.month, suite_results)
            if result.refusal:
                docs = link("reports", data_docs_page(warehouse.settings, result.refusal.table, result.month))
                raise dg.Failure(str(result.refusal), {"data_docs": docs}, allow_retries=False)
            for table in tables:
                docs = link("reports", data_docs_page(warehouse.settings, table, result.month))
                shown = _metadata(warehouse.settings, table, result.published, docs)
                context.add_asset_metadata(shown, asset_key=table, partition_key=str(result.month))
            for done in result.published:
                rows = ", ".join(f"{name} {table.rows:,} rows" for name, table in done.tables.items())
                context.log.info(f"{done.service} {done.month}{' is unchanged' if done.is_unchanged else ''}: {rows}")
    except TaxiError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    for table in tables:
        version = data_version(published) if table == "raw_trips" else None
        yield dg.MaterializeResult(asset_key=table, data_version=version)
        yield from finish_checks(context, table)


def _metadata(
    settings: Settings, table: str, published: Sequence["Publication"], docs: dg.MetadataValue
) -> dict[str, object]:
    counts: Counter[str] = Counter()
    for publication in published:
        counts.update(publication.tables[table].counts)
    rows = {p.service: p.tables[table].rows for p in published}
    metadata: dict[str, object] = {
        "dagster/partition_row_count": sum(rows.values()),
        "services": table_metadata({"service": service, "rows": count} for service, count in rows.items()),
        "data_docs": docs,
        "is_synthetic": settings.active_data_kind == "synthetic",
        "is_unchanged": all(p.is_unchanged for p in published),
    }
    if table == "raw_trips":
        metadata |= file_metadata(published)
    if table == "clean_trips":
        metadata |= _cleaning_metadata(settings, published[0].month, sum(rows.values()), counts)
    if counts:
        metadata["rows_counted"] = table_metadata(_count_records(table, published))
    changes = [(p.service, change) for p in published for change in p.schema_changes]
    if changes and table == "raw_trips":
        metadata["schema_changes"] = table_metadata(_change_record(*pair) for pair in changes)
    return metadata


def _cleaning_metadata(
    settings: Settings, month: Month, kept: int, counts: Counter[str]
) -> dict[str, dg.MetadataValue]:
    """A month's rejected rows: the report page, the plot, the share and the rules."""
    from taxi_assets.plots.month_plots import draw_rejections

    rows = kept + counts.total()
    shown = report_metadata(
        settings,
        "clean_trips",
        month,
        {"rows": f"{rows:,}", "kept": f"{kept:,}"},
        {"rows_by_reason": draw_rejections(counts, rows)},
    )
    return {
        **shown,
        "rejected_share": float_metadata(counts.total() / max(rows, 1)),
        "rules": table_metadata(_rule_record(rule, counts) for rule in RULES),
    }


def _change_record(service: str, change: "ColumnChange") -> dict[str, str]:
    return {
        "service": service,
        "column": change.column_name,
        "change": change.change,
        "name_before": change.name_before or "",
        "type_before": change.type_before or "",
        "type_after": change.type_after or "",
        "compared_with": f"{change.compared_with:%Y-%m}",
    }


def _rule_record(rule: Rule, counts: Mapping[str, int]) -> dict[str, Any]:
    threshold = "" if rule.threshold is None else f"{THRESHOLDS[rule.threshold]:g} ({rule.threshold})"
    rows = counts.get(rule.name, 0)
    return {"rule": rule.name, "rows": rows, "reason": rule.reason, "threshold": threshold, "why": rule.rationale}


def _count_records(table: str, published: Sequence["Publication"]) -> list[dict[str, Any]]:
    """Rows by service and rejection reason or unknown column, largest count first."""
    counted = [
        {"service": p.service, "reason_or_column": name, "rows": rows}
        for p in published
        for name, rows in p.tables[table].counts.items()
    ]
    return sorted(counted, key=lambda record: -record["rows"])
