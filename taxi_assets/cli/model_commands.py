"""Commands that compare models: the reference figures and the back-test."""

from pathlib import Path
from typing import Annotated, Any

import typer

from taxi_assets.cli.terminal import (
    Json,
    console,
    error_console,
    load_home_settings,
    load_settings,
    progress,
    require_writable_file,
    say,
    write_json,
)
from taxi_assets.errors import TaxiError
from taxi_assets.months import Month, month_range
from taxi_assets.settings import Settings

Source = Annotated[
    str | None,
    typer.Option(help="TLC's site, or a folder that mirrors it, for missing months; unset, none is fetched."),
]


def baselines(source: Source = None, to_json: Json = None) -> None:
    """Recompute the reference figures of 2021 and 2023, and show the published ones and the model's.

    The model's first row is under the served condition (`TAXI_SERVED_CONDITION`).
    """
    from taxi_assets.evaluation.course_reference import TRAIN_TEST_MONTHS, course_reference_rows
    from taxi_assets.ingestion.ensure_months import ensure_months
    from taxi_assets.warehouse.available_months import available_months
    from taxi_assets.warehouse.connection import Warehouse

    warehouse, months = (
        Warehouse(source_settings(source)),
        sorted({month for pair in TRAIN_TEST_MONTHS for month in pair}),
    )
    rows = []
    with progress() as show:
        if source:
            ensure_months(warehouse, ["green"], months, show)
        with warehouse.reading() as connection:
            missing = sorted({*months} - {*available_months(connection, ["green"])})
        if missing:
            named = ", ".join(map(str, missing))
            raise TaxiError(f"the warehouse lacks {named} of green: add --source, or ingest these months first")
        for train_month, test_month in TRAIN_TEST_MONTHS:
            rows += course_reference_rows(warehouse, "green", train_month, test_month, show)
    if to_json != "-":
        _print_rows(rows)
    facts = {"scope": "1_to_60_minutes", "condition": warehouse.settings.served_condition}
    write_json({**facts, "rows": [_row_facts(row) for row in rows]}, to_json)


def source_settings(source: str | None) -> Settings:
    """The settings; without a source of missing months, the home must exist."""
    return load_home_settings("add --source") if source is None else load_settings(tlc_source=source)


def _row_facts(row: Any) -> dict[str, Any]:
    published = dict(zip(("rmse", "mae"), row.published, strict=True)) if row.published else None
    ours = {"rmse": row.score.rmse, "mae": row.score.mae, "trips": row.score.trips}
    spec = {
        "train_month": str(row.train_month),
        "test_month": str(row.test_month),
        "model": row.model,
        "condition": row.condition,
    }
    return {**spec, **ours, "published": published}


def _print_rows(rows: list[Any]) -> None:
    from rich.table import Table

    table = Table(
        "trained", "scored", "model", title="Trips of 1-60 minutes (1_to_60_minutes); minutes", title_justify="left"
    )
    for name in ("RMSE", "MAE", "published RMSE", "published MAE"):
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        published = [f"{value:.4f}" for value in row.published or ()] or ["", ""]
        figures = [f"{row.score.rmse:.4f}", f"{row.score.mae:.4f}", *published]
        table.add_row(str(row.train_month), str(row.test_month), row.model, *figures)
    console.print(table)


def backtest(
    first: Annotated[str, typer.Option("--from", help="First month to score, such as 2023-07.")],
    last: Annotated[str, typer.Option("--to", help="Last month to score.")],
    source: Source = None,
    picture: Annotated[str | None, typer.Option(help="PNG of the chart; unset, beside the JSON file.")] = None,
    to_json: Json = None,
) -> None:
    """Score each month with a model trained only on the months before it, beside the baselines.

    A month's figures equal those of the asset `model_evaluation`. The headline is the served condition
    (`TAXI_SERVED_CONDITION`); other conditions have their own columns.
    """
    from taxi_assets.evaluation import backtest as scoring
    from taxi_assets.ingestion.ensure_months import ensure_months
    from taxi_assets.plots.backtest_plot import draw_backtest
    from taxi_assets.training.training_window import WINDOW_MONTHS
    from taxi_assets.warehouse.connection import Warehouse

    settings = source_settings(source)
    months = month_range(Month.parse(first), Month.parse(last))
    png = chart_file(picture, to_json, settings.root / "backtest.json")
    with progress() as show:
        if source:
            before = [months[0].plus(-number) for number in range(1, WINDOW_MONTHS + 1)]
            for sentence in ensure_months(Warehouse(settings), settings.services, months, show, before):
                error_console.print(f"[yellow]note:[/] {sentence}", soft_wrap=True, highlight=False)
        spec = scoring.BacktestSpec(Warehouse(settings), settings.root / "backtest", show)
        facts = scoring.backtest(spec, months)
    png.write_bytes(draw_backtest(facts))
    if to_json != "-":
        _print_months(facts)
        say(f"chart: {png}")
    write_json(facts, to_json)


def chart_file(picture: str | None, to_json: str | None, default: Path) -> Path:
    """The chart's file: `picture`, otherwise beside the JSON file, otherwise beside `default`."""
    if picture is not None:
        require_writable_file(picture, "the chart")
    name = picture or (to_json if to_json and to_json != "-" else None)
    png = Path(name or default).with_suffix(".png")
    require_writable_file(str(png), "the chart")
    return png


def _print_months(facts: dict[str, Any]) -> None:
    from rich.table import Table

    others, baselines = list(facts["mean_other_conditions"]), list(facts["mean_baselines"])
    condition = facts["condition"].replace("_", " ")
    title = f"{facts['scopes'][facts['scope']]}; minutes; the model {condition}"
    table = Table(title=title, title_justify="left")
    table.add_column("month", no_wrap=True, min_width=len("2023-07"))
    names = ["RMSE", "MAE", "bias", "in 90 %", *(f"RMSE {name}" for name in (*others, *baselines))]
    for name in names:
        table.add_column(name.replace("_", " "), justify="right", overflow="fold")
    for month in facts["months"]:
        table.add_row(month["month"], *_figures(month["model"], month["other_conditions"], month["baselines"]))
    table.add_row("mean", *_figures(facts["mean"], facts["mean_other_conditions"], facts["mean_baselines"]))
    console.print(table)
    say(f"trained on {facts['trained_on']}")
    for month in facts["missing"]:
        say(f"{month} is not in the warehouse: add --source, or ingest it")


def _figures(ours: dict[str, Any], *beside: dict[str, dict[str, Any]]) -> list[str]:
    figures = [f"{ours['rmse']:.3f}", f"{ours['mae']:.3f}", f"{ours['bias']:+.2f}", f"{ours['coverage_90']:.1%}"]
    return figures + [f"{each['rmse']:.3f}" for found in beside for each in found.values()]
