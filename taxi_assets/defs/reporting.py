"""What an asset tells Dagster: schemas, checks, counts, pictures. No asset and no rule belongs here."""

import base64
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from taxi_assets.defs.ingestion.arrivals import data_version, file_metadata
from taxi_assets.defs.partitions import chosen_months
from taxi_assets.expectations import SUITES, Expectation, Finding
from taxi_assets.lake.cleaning import RULES, THRESHOLDS, Rule
from taxi_assets.lake.tables import TABLES
from taxi_assets.months import Month
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from taxi_assets.lake.column_changes import ColumnChange
    from taxi_assets.lake.publishing import Publication
    from taxi_assets.quality import Outcome, Verdict
    from taxi_assets.scoring.comparison import Comparison
    from taxi_assets.scoring.judging import Evaluation

__all__ = ["column_schema", "comparison_shown", "picture", "publish_months", "score_table", "suite_checks"]

Publish = Callable[[str, Month], "Publication"]


def column_schema(table: str) -> dict[str, Any]:
    """Definition metadata of an asset that is this table of the warehouse, or takes or gives such rows."""
    columns = [dg.TableColumn(c.name, c.type, c.description) for c in TABLES[table].columns]
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/table_name": f"lake.main.{table}",
    }


def suite_checks(table: str) -> list[dg.AssetCheckSpec]:
    """One asset check for each expectation and each finding of the table's suite."""
    checked: tuple[Expectation | Finding, ...] = (*SUITES[table].expectations, *SUITES[table].findings)
    return [
        dg.AssetCheckSpec(e.name, asset=table, description=e.description, metadata={"severity": e.severity})
        for e in checked
    ]


def picture(png: bytes, text: str) -> dg.MetadataValue:
    """A plot, shown in the Dagster UI with the materialisation."""
    return dg.MetadataValue.md(f"![{text}](data:image/png;base64,{base64.b64encode(png).decode()})")


def score_table(evaluation: "Evaluation") -> dg.MetadataValue:
    """Every model under every convention and condition, one a row; errors in minutes, the served condition first."""
    served = evaluation.condition.name
    scores = [
        (served, convention, model, score)
        for convention, models in evaluation.scores.items()
        for model, score in models.items()
    ]
    scores += [
        (condition, convention, "duration_model", score)
        for condition, found in evaluation.elsewhere.items()
        for convention, score in found.items()
    ]
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "condition": condition,
                    "convention": convention,
                    "model": model,
                    "rides": score.rides,
                    "rmse": round(score.rmse, 4),
                    "mae": round(score.mae, 4),
                    "bias": round(score.bias, 4),
                }
            )
            for condition, convention, model, score in scores
        ]
    )


def comparison_shown(comparison: "Comparison") -> dict[str, dg.MetadataValue]:
    """What a decision on the champion rests on: the interval, its picture, every slice."""
    from taxi_assets import plots

    interval = comparison.interval
    records = comparison.slices.round(4).to_dict("records")
    return {
        "difference_minutes": dg.MetadataValue.float(interval.difference),
        "interval_minutes": dg.MetadataValue.text(f"{interval.low:+.4f} to {interval.high:+.4f}"),
        "rides": dg.MetadataValue.int(comparison.rides),
        "bootstrap": picture(plots.draw_bootstrap(comparison), "Difference of RMSE, resampled by day"),
        "slices_picture": picture(plots.draw_slices_compared(comparison), "Change of RMSE by slice"),
        "slices": dg.MetadataValue.table([dg.TableRecord(record) for record in records]),
    }


def publish_months(
    context: dg.AssetExecutionContext, settings: Settings, table: str, publish: Publish
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Publish every chosen month of every service, oldest first; report rows, checks and Data Docs.

    Raises:
        dagster.Failure: a month was refused; those published before it stay.
    """
    from taxi_assets.lake.publishing import MonthRefused

    published: list[Publication] = []
    for month in chosen_months(context):
        for service in settings.services:
            try:
                done = publish(service, month)
            except MonthRefused as refusal:
                docs = _write_docs(settings, table, service, month, refusal.verdict)
                yield from _check_results(table, [*_verdicts(published), (f"{service} {month}", refusal.verdict)])
                raise dg.Failure(str(refusal), metadata={"data_docs": docs}, allow_retries=False) from refusal
            published.append(done)
            docs = _write_docs(settings, table, service, month, done.verdict)
            context.log.info(f"{table} {service} {month}: {done.rows:,} rows")
        ours = [p for p in published if p.month == month]
        shown = _metadata(ours, docs) | {"is_synthetic": settings.data_kind == "synthetic"}
        context.add_asset_metadata(shown, partition_key=str(month))
    results = list(_check_results(table, _verdicts(published)))
    yield dg.MaterializeResult(asset_key=table, check_results=results, data_version=data_version(published))


def _metadata(published: Sequence["Publication"], docs: dg.MetadataValue) -> dict[str, object]:
    counts: Counter[str] = Counter()
    for publication in published:
        counts.update(publication.counts)
    services = [
        dg.TableRecord({"service": p.service, "rows": p.rows, "counted": str(p.counts or "")}) for p in published
    ]
    metadata: dict[str, object] = {
        "dagster/partition_row_count": sum(p.rows for p in published),
        "services": dg.MetadataValue.table(services),
        "data_docs": docs,
    }
    metadata |= file_metadata(published)
    if counts:
        metadata["rows_counted"] = dg.MetadataValue.md(_markdown_table(counts))
    changes = [(p.service, change) for p in published for change in p.column_changes]
    if changes:
        metadata["column_changes"] = dg.MetadataValue.table([_change_record(*pair) for pair in changes])
    if published[0].verdict.table == "clean_trips":
        from taxi_assets import plots

        metadata["rules"] = dg.MetadataValue.table([_rule_record(rule, counts) for rule in RULES])
        rows = sum(p.rows for p in published) + counts.total()
        metadata["rows_by_reason"] = picture(plots.draw_rejections(counts, rows), "rejected rows")
    return metadata


def _change_record(service: str, change: "ColumnChange") -> dg.TableRecord:
    return dg.TableRecord(
        {
            "service": service,
            "column": change.column_name,
            "change": change.change,
            "name_before": change.name_before or "",
            "type_before": change.type_before or "",
            "type_after": change.type_after or "",
            "compared_with": f"{change.compared_with:%Y-%m}",
        }
    )


def _rule_record(rule: Rule, counts: Mapping[str, int]) -> dg.TableRecord:
    threshold = "" if rule.threshold is None else f"{THRESHOLDS[rule.threshold]:g} ({rule.threshold})"
    return dg.TableRecord(
        {
            "rule": rule.name,
            "rows": counts.get(rule.name, 0),
            "reason": rule.reason,
            "threshold": threshold,
            "why": rule.why,
        }
    )


def _markdown_table(counts: Counter[str]) -> str:
    lines = [f"| {name} | {rows:,} |" for name, rows in counts.most_common()]
    return "\n".join(["| reason or column | rows |", "|---|---:|", *lines])


def _verdicts(published: Sequence["Publication"]) -> list[tuple[str, "Verdict"]]:
    return [(f"{p.service} {p.month}", p.verdict) for p in published]


def _check_results(table: str, verdicts: Sequence[tuple[str, "Verdict"]]) -> Iterator[dg.AssetCheckResult]:
    by_name: dict[str, list[tuple[str, Outcome]]] = defaultdict(list)
    for label, verdict in verdicts:
        for outcome in verdict.outcomes:
            by_name[outcome.name].append((label, outcome))
    for name, outcomes in by_name.items():
        failed = [outcome for _, outcome in outcomes if not outcome.passed]
        is_error = outcomes[0][1].severity == "error"
        yield dg.AssetCheckResult(
            asset_key=table,
            check_name=name,
            passed=not failed,
            severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
            description=outcomes[0][1].description,
            metadata={"months": dg.MetadataValue.table([_record(*pair) for pair in outcomes])},
        )


def _record(label: str, outcome: "Outcome") -> dg.TableRecord:
    return dg.TableRecord(
        {
            "month": label,
            "passed": outcome.passed,
            "observed": str(outcome.observed),
            "unexpected_rows": outcome.unexpected_count or 0,
        }
    )


def _write_docs(settings: Settings, table: str, service: str, month: Month, verdict: "Verdict") -> dg.MetadataValue:
    from taxi_assets.quality import write_data_docs

    page = write_data_docs(verdict, table, service, month, settings.reports / "data_docs")
    return dg.MetadataValue.url(f"{settings.url(settings.reports_port)}/{page.relative_to(settings.reports)}")
