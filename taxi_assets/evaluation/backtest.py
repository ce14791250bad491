"""Month after month, each scored by a model of the months before it only, beside the baselines.

Window, training, prediction and baselines are those of the assets: `window_of_held`, `fit` and `score_month`. So a
month has the figures here that `model_evaluation` finds. A month's result is kept, and found again while trips,
parameters, code and libraries are the same.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.conditions import CONDITIONS
from taxi_assets.evaluation.coverage import measure_coverage
from taxi_assets.evaluation.diagnostics import FLOOR, score_twins
from taxi_assets.evaluation.month_scores import MODEL, PredictedMonth, ScoredMonth, score_month
from taxi_assets.months import Month
from taxi_assets.training.dataset import TRAINING_SCOPE, WINDOW_MONTHS, read_training, read_zones, window_of_held
from taxi_assets.training.evaluation_scope import CONVENTIONS, HEADLINE
from taxi_assets.training.train import fit, libraries
from taxi_assets.warehouse.available_months import held_months
from taxi_assets.warehouse.connection import Warehouse, month_key, sql

__all__ = ["Backtest", "backtest", "summarise"]

Facts = dict[str, Any]

_CODE = ("features", "training", "evaluation")
_LEAST_RIDES = 500  # of a borough and part of the day, for its coverage to say something


@dataclass(frozen=True)
class Backtest:
    """What is asked: the lake, where results are kept, who is told, the parameters of the model."""

    warehouse: Warehouse
    keep: Path
    told: Callable[[str], None]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def services(self) -> tuple[str, ...]:
        """Those a training learns from."""
        return self.warehouse.settings.services

    @property
    def served(self) -> str:
        """The name of the served condition."""
        return self.warehouse.settings.served_condition


def backtest(asked: Backtest, months: Sequence[Month]) -> Facts:
    """Score each of the months the lake holds; the others are named under `missing`.

    Raises:
        TaxiError: the lake holds none of them, or nothing before the first.
    """
    with asked.warehouse.reading() as connection:
        held = held_months(connection, asked.services)
    scored = [month for month in months if month in held]
    if not scored:
        raise TaxiError(f"the lake holds none of {months[0]}..{months[-1]}: add --source, or ingest these months first")
    if scored[0] == held[0]:
        raise TaxiError(f"nothing is held before {scored[0]}, the first month to score: ingest earlier months first")
    results = [_month(asked, month, window_of_held(held, month)) for month in scored]
    return {
        "condition": asked.served,
        "conditions": {name: each.description for name, each in CONDITIONS.items()},
        "convention": HEADLINE.name,
        "conventions": {name: each.description for name, each in CONVENTIONS.items()},
        "services": list(asked.services),
        "learned_from": f"the months held of the {WINDOW_MONTHS} before each month; {TRAINING_SCOPE.description}",
        "months": results,
        "missing": [str(month) for month in months if month not in held],
        **summarise(results),
    }


def _month(asked: Backtest, month: Month, window: Sequence[Month]) -> Facts:
    kept = asked.keep / f"{'-'.join(asked.services)}_{month}_{_key(asked, month, window)}.json"
    if kept.is_file():
        asked.told(f"{month}: found, scored before")
        found: Facts = json.loads(kept.read_text())
        return found
    facts = _score_month(asked, month, window)
    asked.keep.mkdir(parents=True, exist_ok=True)
    draft = kept.with_suffix(".draft")
    draft.write_text(json.dumps(facts))
    draft.replace(kept)
    return facts


def _score_month(asked: Backtest, month: Month, window: Sequence[Month]) -> Facts:
    asked.told(f"{month}: learn from {window[0]}..{window[-1]}")
    data = read_training(asked.warehouse, asked.services, window, TRAINING_SCOPE)
    model = fit(data, asked.parameters)
    del data
    scored = score_month(asked.warehouse, model, asked.services, window, month, asked.served)
    zones = read_zones(asked.warehouse)
    by_condition = {name: _of_condition(scored.predicted, name, zones) for name in scored.predicted.predictions}
    served, *others = by_condition
    scores = scored.scores(HEADLINE)
    ours, baselines = by_condition[served], {name: asdict(each) for name, each in scores.items() if name != MODEL}
    return {
        "month": str(month),
        "rides": scores[MODEL].rides,
        "learned_from": [str(window[0]), str(window[-1])],
        "months_learned_from": len(window),
        "condition": served,
        "model": ours.pop("model"),
        "baselines": baselines,
        "share_below": {name: 1 - scores[MODEL].rmse / each["rmse"] for name, each in baselines.items()},
        "other_conditions": {name: by_condition[name]["model"] for name in others},
        "conventions": {name: _all_models(scored, name, others) for name in CONVENTIONS},
        "twins": _twins(scored),
        **ours,
    }


def _of_condition(predicted: PredictedMonth, condition: str, zones: Any) -> Facts:
    """The model's errors under a condition, and who ended inside the interval, on the headline's trips."""
    own = HEADLINE.covers(predicted.actual)
    predictions = predicted.predictions[condition].subset(own)
    coverage = measure_coverage(predictions, predicted.trips[own], zones)
    ours = {**asdict(predicted.score(HEADLINE, condition)), "coverage_90": coverage.share}
    if predictions.low is not None and predictions.high is not None:
        ours["interval_minutes"] = float(np.mean(predictions.high - predictions.low))
    return {"model": ours, "coverage": coverage.cells.to_dict("records")}


def _all_models(scored: ScoredMonth, convention: str, others: Sequence[str]) -> Facts:
    """Every model's errors on the trips of a convention, the model's under each condition."""
    found = {name: asdict(each) for name, each in scored.scores(CONVENTIONS[convention]).items()}
    elsewhere = {name: asdict(scored.predicted.score(CONVENTIONS[convention], name)) for name in others}
    return found | ({"other_conditions": elsewhere} if elsewhere else {})


def _twins(scored: ScoredMonth) -> Facts | None:
    trips = HEADLINE.admitted(scored.predicted.trips)
    rows = score_twins(trips, {MODEL: scored.minutes(HEADLINE)[MODEL]})
    if rows.empty:
        return None
    rmse = rows.set_index("model")["rmse"]
    floor, ours = float(rmse[FLOOR]), float(rmse[MODEL])
    return {"rides": int(rows["rides"].iloc[0]), "noise_floor": floor, "rmse": ours, "ratio": ours / floor}


def summarise(months: Sequence[Facts]) -> Facts:
    """Means over the months by condition, the smallest margins, and coverage where there are rides enough."""
    names = ("rmse", "mae", "bias", "coverage_90")
    others = {name: [month["other_conditions"][name] for month in months] for name in months[0]["other_conditions"]}
    baselines = {name: [month["baselines"][name] for month in months] for name in months[0]["baselines"]}
    least = {name: min(month["share_below"][name] for month in months) for name in baselines}
    cells: dict[tuple[str, str], list[int]] = {}
    for cell in (cell for month in months for cell in month["coverage"]):
        counts = cells.setdefault((cell["pickup_borough"], cell["hour_band"]), [0, 0])
        counts[0] += cell["rides"]
        counts[1] += cell["inside"]
    shares = [inside / rides for rides, inside in cells.values() if rides >= _LEAST_RIDES]
    return {
        "mean": _means([month["model"] for month in months], names),
        "mean_other_conditions": {name: _means(each, names) for name, each in others.items()},
        "mean_baselines": {name: _means(each, ("rmse", "mae", "bias")) for name, each in baselines.items()},
        "least_share_below": least,
        "coverage_by_borough_and_band": [min(shares), max(shares)] if shares else [],
    }


def _means(found: Sequence[Facts], names: Sequence[str]) -> Facts:
    return {name: float(np.mean([each[name] for each in found])) for name in names}


def _key(asked: Backtest, month: Month, window: Sequence[Month]) -> str:
    """Digest of all a month's result hangs on: the trips learned from and scored, the parameters, the code."""
    looked_at = {each.first_day for each in (*window, month)}
    with asked.warehouse.reading() as connection:
        held = [
            [service, *row]
            for service in asked.services
            for row in connection.execute(sql("rides_digest"), month_key(service, month)).fetchall()
            if row[0] in looked_at
        ]
    package = Path(str(files("taxi_assets")))
    code = [path for name in _CODE for path in sorted((package / name).glob("*.py"))]
    code += [package / "tlc" / "local_time.py", *sorted(package.rglob("*.sql"))]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in code]
    asked_for = [asked.served, sorted(asked.parameters.items()), sorted(libraries().items())]
    parts = [[str(each) for each in window], held, asked_for, digests]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]
