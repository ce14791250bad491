"""The champion's errors on each new month. They are measured in `monitoring`."""

from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.defs.asset_metadata import column_schema, fail_in_words, float_metadata, report_metadata
from taxi_assets.defs.checks import check_spec
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.partitions import MONTHS, earlier_months_and_own
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.monitoring.champion_performance import ChampionPerformance, NotMeasured

_SCORED, _COVERED = "every_trip_in_scope_is_scored", "nine_trips_in_ten_end_inside_their_interval"


@dg.asset(
    partitions_def=MONTHS,
    group_name="monitoring",
    owners=["team:ml"],
    code_version=code_version("champion_performance"),
    kinds={"duckdb", "python"},
    deps=[dg.AssetDep("trip_features", partition_mapping=earlier_months_and_own()), "raw_trips"],
    metadata=column_schema("champion_performance"),
    check_specs=[
        check_spec(
            _SCORED,
            "champion_performance",
            "Every raw trip picked up in the month whose duration is in scope has a prediction of the champion",
        ),
        check_spec(
            _COVERED,
            "champion_performance",
            "87 to 93 % of all trips of the new month end inside the champion's 90 % interval; 85 to 95 % in each "
            "borough and part of the day with at least 500 trips",
            "warning",
        ),
    ],
)
@fail_in_words
def champion_performance(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.MaterializeResult:
    """Errors and interval coverage of the champion on the new month, before the month's decision.

    By scope, borough, airport, part of the day and frequency of the pair of zones in training. Without a champion, or
    if it may have seen the month, nothing is measured and the run goes on.
    """
    from taxi_assets.monitoring.champion_performance import NotMeasured, measure_champion, record_champion_performance

    measured = measure_champion(settings, warehouse, Month.parse(context.partition_key))
    if isinstance(measured, NotMeasured):
        context.log.info(f"nothing is measured: {measured.reason}")
        return _not_measured(measured)
    record_champion_performance(warehouse, measured, context.run.run_id)
    return _measured(settings, warehouse, measured)


def _not_measured(found: "NotMeasured") -> dg.MaterializeResult:
    checks = [
        dg.AssetCheckResult(check_name=name, passed=True, metadata={"not_measured": found.reason})
        for name in (_SCORED, _COVERED)
    ]
    return dg.MaterializeResult(metadata={"not_measured": found.reason, "dagster/row_count": 0}, check_results=checks)


def _measured(settings: Settings, warehouse: Warehouse, found: "ChampionPerformance") -> dg.MaterializeResult:
    from taxi_assets.monitoring.champion_performance import read_champion_performance
    from taxi_assets.plots.performance_plots import draw_months, draw_pair_frequency
    from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE

    score, coverage = found.scores[PRIMARY_SCOPE.name], found.coverage
    with warehouse.reading() as connection:
        months = read_champion_performance(connection, found.month)
    figures = {"rmse_minutes": score.rmse, "mae_minutes": score.mae, "bias_minutes": score.bias}
    figures |= {"interval_coverage": coverage.share} if len(coverage.cells) else {}
    facts = {"version": found.version, "trips": f"{score.trips:,}", **{n: f"{v:.3f}" for n, v in figures.items()}}
    pictures = {
        "error_by_frequency_of_the_pair": draw_pair_frequency(found.rows, found.month),
        "error_by_month": draw_months(months),
    }
    return dg.MaterializeResult(
        metadata={
            **report_metadata(settings, "champion_performance", found.month, facts, pictures),
            "version": found.version,
            "predicted": found.condition.replace("_", " "),
            "dagster/row_count": len(found.rows),
            **{name: float_metadata(value) for name, value in figures.items()},
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=_SCORED,
                passed=found.unscored_trips == 0,
                metadata={"unscored_trips": found.unscored_trips},
            ),
            dg.AssetCheckResult(
                check_name=_COVERED,
                passed=coverage.is_within_tolerance,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"share_inside": float_metadata(coverage.share)},
            ),
        ],
    )
