"""`taxi replay`: the months as the platform would have lived them, under several retraining policies."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from taxi_assets.cli.model_commands import Source, chart_file, source_settings
from taxi_assets.cli.terminal import Json, console, error_console, load_settings, progress, say, warn, write_json
from taxi_assets.errors import TaxiError
from taxi_assets.months import Month, month_range
from taxi_assets.settings import Settings


def replay(  # noqa: PLR0913, PLR0917 - each is an option of the command
    first: Annotated[str, typer.Option("--from", help="First month to replay, such as 2023-01.")],
    last: Annotated[str, typer.Option("--to", help="Last month to replay.")],
    policy: Annotated[
        list[str] | None, typer.Option(help="never, monthly or drift; repeat it to compare; unset, drift.")
    ] = None,
    source: Source = None,
    record: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Live through the months in this home: registry, decisions, evidence, serving log; unset, in memory.",
        ),
    ] = None,
    picture: Annotated[str | None, typer.Option(help="PNG of the chart; unset, beside the JSON file.")] = None,
    to_json: Json = None,
) -> None:
    """Replay history month by month with only what was known then: drift, trainings, promotions, errors.

    Each month is predicted by the champion before it. `never` trains once, `monthly` each month, `drift` when the
    drift report and the champion's error ask for it, or the model is three months old. With `--record` the platform's
    own jobs do the work in a home that `taxi audit` and `taxi lineage` read afterwards.
    """
    from taxi_assets.cli.recorded_replay import record_replay
    from taxi_assets.plots.replay_plot import draw_replay

    modes = _modes(policy or ["drift"], is_recorded=record is not None)
    months = month_range(Month.parse(first), Month.parse(last))
    settings = source_settings(source) if record is None else _own_home(record, modes[0], months, source)
    png = chart_file(picture, to_json, settings.root / "replay.json")
    with progress() as show:
        if record is None:
            found = _compare(settings, months, modes, source, show)
        else:
            found = [record_replay(settings, months, show)]
    png.write_bytes(draw_replay(found))
    if to_json != "-":
        _print_policies(found)
        say(f"chart: {png}")
    write_json(found[0] if len(found) == 1 else {"policies": found}, to_json)


def _modes(policies: Sequence[str], *, is_recorded: bool) -> list[Any]:
    from taxi_assets.monitoring.retraining import RETRAINING_MODES

    modes = list(dict.fromkeys(policies))
    unknown = [each for each in modes if each not in RETRAINING_MODES]
    if unknown:
        raise TaxiError(f"there is no policy '{unknown[0]}': choose {', '.join(RETRAINING_MODES)}")
    if is_recorded and len(modes) > 1:
        raise TaxiError("--record is the home of one policy: name one --policy")
    return modes


def _compare(
    settings: Settings,
    months: Sequence[Month],
    modes: list[Any],
    source: str | None,
    on_progress: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Replay in memory; only months that are missing are ingested."""
    from taxi_assets.ingestion.ensure_months import ensure_months
    from taxi_assets.monitoring.replay import replay as history
    from taxi_assets.training.training_window import WINDOW_MONTHS
    from taxi_assets.warehouse.connection import Warehouse

    warehouse = Warehouse(settings)
    if source:
        before = [months[0].plus(-number) for number in range(1, WINDOW_MONTHS + 1)]
        for sentence in ensure_months(warehouse, settings.services, months, on_progress, before):
            error_console.print(f"[yellow]note:[/] {sentence}", soft_wrap=True, highlight=False)
    return history.replay(warehouse, months, modes, on_progress)


def _own_home(record: str, mode: str, months: Sequence[Month], source: str | None) -> Settings:
    """The settings of a recorded replay's home, for the source of its months."""
    from taxi_assets.cli.recorded_replay import replay_settings, require_own_home

    settings = load_settings(home=Path(record), retrain=mode, tlc_source=source)
    require_own_home(settings.home, mode, months[0])
    settings, notice = replay_settings(settings, months)
    if notice:
        warn(notice)
    return settings


def _print_policies(policies: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table("month", title="RMSE in minutes; + trained, ! promoted, * alarm", title_justify="left")
    for each in policies:
        table.add_column(each["policy"], justify="right")
    for rows in zip(*(each["months"] for each in policies), strict=True):
        table.add_row(rows[0]["month"], *map(_cell, rows))
    for name in ("mean_rmse", "retrains", "promotions", "alarms", "seconds"):
        figures = [f"{each[name]:.3f}" if name == "mean_rmse" else f"{each[name]:g}" for each in policies]
        table.add_row(name.replace("_", " "), *figures)
    console.print(table)


def _cell(row: dict[str, Any]) -> str:
    marks = [mark for fact, mark in (("retrained", "+"), ("promoted", "!"), ("is_alarm", "*")) if row[fact]]
    error = f"{row['rmse']:.3f}" if "rmse" in row else "no model"
    return f"{''.join(marks)} {error}".strip()
