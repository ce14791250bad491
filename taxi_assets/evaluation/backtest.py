"""Back-test: scores each month with a model trained on earlier months only, beside the baselines.

It uses the functions of the assets (`available_window`, `fit`, `score_month`), so its figures equal those of
`model_evaluation`. Each month's result is cached until trips, parameters, code or libraries change.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.coverage import measure_coverage
from taxi_assets.evaluation.diagnostics import NOISE_FLOOR, score_matched_pairs
from taxi_assets.evaluation.metrics import MODEL
from taxi_assets.evaluation.month_scores import PredictedMonth, ScoredMonth, score_month
from taxi_assets.files import write_atomically
from taxi_assets.months import Month
from taxi_assets.registry.code_revision import source_digest
from taxi_assets.settings import Settings
from taxi_assets.training.conditions import CONDITIONS
from taxi_assets.training.dataset import TRAINING_SCOPE, read_training_data, read_zones
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES, PRIMARY_SCOPE
from taxi_assets.training.train import fit, library_versions
from taxi_assets.training.training_window import WINDOW_MONTHS, available_window
from taxi_assets.warehouse.available_months import available_months, require_earlier_month
from taxi_assets.warehouse.connection import Warehouse, month_key
from taxi_assets.warehouse.queries import sql

Facts = dict[str, Any]

_CODE = ("features/*.py", "training/*.py", "evaluation/*.py", "tlc/local_time.py", "*/*.sql")
_MIN_TRIPS = 500  # for a borough and part of the day: with fewer, its coverage is noise


@dataclass(frozen=True)
class BacktestSpec:
    """Settings of a back-test.

    Attributes:
        warehouse: The warehouse.
        results_folder: Folder of the cached results.
        on_progress: Receives a line for each month.
        parameters: Parameters of the model.
    """

    warehouse: Warehouse
    results_folder: Path
    on_progress: Callable[[str], None]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """The settings, with the services to train on and the served condition."""
        return self.warehouse.settings


def backtest(spec: BacktestSpec, months: Sequence[Month]) -> Facts:
    """Scores each available month; the result lists the others under `missing`.

    Raises:
        TaxiError: None of the months is in the warehouse, or none before the first of them.
    """
    with spec.warehouse.reading() as connection:
        available = available_months(connection, spec.settings.services)
    scored = [month for month in months if month in available]
    if not scored:
        raise TaxiError(
            f"no month of {months[0]}..{months[-1]} is in the warehouse: add --source, or ingest these months first"
        )
    require_earlier_month(available, scored[0])
    results = [_load_or_score(spec, month, available_window(available, month)) for month in scored]
    return {
        "condition": spec.settings.served_condition,
        "conditions": {name: each.description for name, each in CONDITIONS.items()},
        "scope": PRIMARY_SCOPE.name,
        "scopes": {name: each.description for name, each in EVALUATION_SCOPES.items()},
        "services": list(spec.settings.services),
        "trained_on": f"the available months of the {WINDOW_MONTHS} before each month; {TRAINING_SCOPE.description}",
        "months": results,
        "missing": [str(month) for month in months if month not in available],
        **summarise(results),
    }


def _load_or_score(spec: BacktestSpec, month: Month, window: Sequence[Month]) -> Facts:
    cached = spec.results_folder / f"{'-'.join(spec.settings.services)}_{month}_{_key(spec, month, window)}.json"
    with suppress(FileNotFoundError, ValueError):  # a damaged result is computed again
        found: Facts = json.loads(cached.read_text())
        spec.on_progress(f"{month}: cached result")
        return found
    facts = _score_month(spec, month, window)
    spec.results_folder.mkdir(parents=True, exist_ok=True)
    write_atomically(cached, json.dumps(facts))
    return facts


def _score_month(spec: BacktestSpec, month: Month, window: Sequence[Month]) -> Facts:
    spec.on_progress(f"{month}: train on {window[0]}..{window[-1]}")
    data = read_training_data(spec.warehouse, spec.settings.services, window, TRAINING_SCOPE)
    model = fit(data, spec.parameters)
    del data
    scored = score_month(spec.warehouse, model, spec.settings.services, window, month, spec.settings.served_condition)
    zones = read_zones(spec.warehouse)
    by_condition = {name: _of_condition(scored.predicted, name, zones) for name in scored.predicted.predictions}
    served_condition, *others = by_condition
    scores = scored.scores(PRIMARY_SCOPE)
    ours, baselines = (
        by_condition[served_condition],
        {name: asdict(each) for name, each in scores.items() if name != MODEL},
    )
    return {
        "month": str(month),
        "trips": scores[MODEL].trips,
        "trained_on": [str(window[0]), str(window[-1])],
        "training_months": len(window),
        "condition": served_condition,
        "model": ours.pop("model"),
        "baselines": baselines,
        "relative_improvement": {name: 1 - scores[MODEL].rmse / each["rmse"] for name, each in baselines.items()},
        "other_conditions": {name: by_condition[name]["model"] for name in others},
        "scopes": {name: _all_models(scored, name, others) for name in EVALUATION_SCOPES},
        "matched_pairs": _matched_pairs(scored),
        **ours,
    }


def _of_condition(predicted: PredictedMonth, condition: str, zones: Any) -> Facts:
    """The model's errors and interval coverage under a condition, on trips of the primary scope."""
    in_scope = PRIMARY_SCOPE.contains(predicted.actual)
    predictions = predicted.predictions[condition].subset(in_scope)
    coverage = measure_coverage(predictions, predicted.trips[in_scope], zones)
    ours = {**asdict(predicted.score(PRIMARY_SCOPE, condition)), "coverage_90": coverage.share}
    if predictions.low is not None and predictions.high is not None:
        ours["interval_minutes"] = float(np.mean(predictions.high - predictions.low))
    return {"model": ours, "coverage": coverage.cells.to_dict("records")}


def _all_models(scored: ScoredMonth, scope: str, others: Sequence[str]) -> Facts:
    """Errors of the model and the baselines in a scope, and the model's errors under other conditions."""
    found = {name: asdict(each) for name, each in scored.scores(EVALUATION_SCOPES[scope]).items()}
    elsewhere = {name: asdict(scored.predicted.score(EVALUATION_SCOPES[scope], name)) for name in others}
    return found | ({"other_conditions": elsewhere} if elsewhere else {})


def _matched_pairs(scored: ScoredMonth) -> Facts | None:
    trips = PRIMARY_SCOPE.in_scope(scored.predicted.trips)
    rows = score_matched_pairs(trips, {MODEL: scored.minutes(PRIMARY_SCOPE)[MODEL]})
    if rows.empty:
        return None
    rmse = rows.set_index("model")["rmse"]
    floor, ours = float(rmse[NOISE_FLOOR]), float(rmse[MODEL])
    return {"trips": int(rows["trips"].iloc[0]), "noise_floor": floor, "rmse": ours, "ratio": ours / floor}


def summarise(months: Sequence[Facts]) -> Facts:
    """Summarises the months: mean errors by condition, smallest improvements, and the range of coverage.

    Coverage counts only boroughs and parts of the day with 500 trips.
    """
    names = ("rmse", "mae", "bias", "coverage_90")
    others = {name: [month["other_conditions"][name] for month in months] for name in months[0]["other_conditions"]}
    baselines = {name: [month["baselines"][name] for month in months] for name in months[0]["baselines"]}
    least = {name: min(month["relative_improvement"][name] for month in months) for name in baselines}
    cells: dict[tuple[str, str], list[int]] = {}
    for cell in (cell for month in months for cell in month["coverage"]):
        counts = cells.setdefault((cell["pickup_borough"], cell["hour_band"]), [0, 0])
        counts[0] += cell["trips"]
        counts[1] += cell["inside"]
    shares = [inside / trips for trips, inside in cells.values() if trips >= _MIN_TRIPS]
    return {
        "mean": _means([month["model"] for month in months], names),
        "mean_other_conditions": {name: _means(each, names) for name, each in others.items()},
        "mean_baselines": {name: _means(each, ("rmse", "mae", "bias")) for name, each in baselines.items()},
        "min_relative_improvement": least,
        "coverage_range": [min(shares), max(shares)] if shares else [],
    }


def _means(found: Sequence[Facts], names: Sequence[str]) -> Facts:
    return {name: float(np.mean([each[name] for each in found])) for name in names}


def _key(spec: BacktestSpec, month: Month, window: Sequence[Month]) -> str:
    """Digest of a month's inputs: training and scored trips, parameters, code, libraries."""
    months_used = {each.first_day for each in (*window, month)}
    with spec.warehouse.reading() as connection:
        available = [
            [service, *row]
            for service in spec.settings.services
            for row in connection.execute(sql("month_checksums"), month_key(service, month)).fetchall()
            if row[0] in months_used
        ]
    settings_used = [
        spec.settings.served_condition,
        sorted(spec.parameters.items()),
        sorted(library_versions().items()),
    ]
    parts = [[str(each) for each in window], available, settings_used, source_digest(*_CODE)]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]
