"""Month after month, each scored by a model that learned from the months before it only, beside the baselines.

The convention is the course's: rides of 1-60 minutes. Baselines learn from the twelve months before, as the project's
reference figures do. A month's result is kept, and found again while rides, parameters and code are the same.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError
from taxi_assets.lake.held import held_months
from taxi_assets.lake.warehouse import Warehouse, month_key, sql
from taxi_assets.months import Month
from taxi_assets.rides.intervals import BANDS, bands
from taxi_assets.scoring.baselines import PAIR, Baseline, fit_medians, fit_one_hot_linear_regression
from taxi_assets.scoring.evaluation import COURSE, noise_floor, score, twin_rmse

if TYPE_CHECKING:
    import pandas as pd

    from taxi_assets.learning.model import DurationModel

__all__ = ["BASELINE_NAMES", "Backtest", "backtest", "summarise"]

Floats = NDArray[np.float64]
Facts = dict[str, Any]

BASELINE_NAMES = ("linear_pu_do", "pair_median")
_BASELINE_MONTHS = 12
_CODE = ("rides", "learning", "scoring")
_LEAST_RIDES = 500  # of a borough and part of the day, for its coverage to say something


@dataclass
class Backtest:
    """What is asked: the lake, the service, the parameters of the model, where results are kept, who is told."""

    warehouse: Warehouse
    service: str
    keep: Path
    told: Callable[[str], None]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    _raw: dict[Month, "pd.DataFrame"] = field(default_factory=dict)


def backtest(asked: Backtest, months: Sequence[Month]) -> Facts:
    """Score each of the months the lake holds; the others are named under `missing`.

    Raises:
        TaxiError: the lake holds none of them, or nothing before the first.
    """
    with asked.warehouse.reading() as connection:
        held = held_months(connection, [asked.service])
    scored = [month for month in months if month in held]
    if not scored:
        raise TaxiError(f"the lake holds none of {months[0]}..{months[-1]}: add --source, or ingest these months first")
    if scored[0] == held[0]:
        raise TaxiError(f"nothing is held before {scored[0]}, the first month to score: ingest earlier months first")
    results = [_month(asked, month, [each for each in held if each < month]) for month in scored]
    missing = [str(month) for month in months if month not in held]
    return {"convention": COURSE.name, "service": asked.service, "months": results, "missing": missing} | summarise(
        results
    )


def _month(asked: Backtest, month: Month, before: Sequence[Month]) -> Facts:
    kept = asked.keep / f"{asked.service}_{month}_{_key(asked, month, before)}.json"
    if kept.is_file():
        asked.told(f"{month}: found, scored before")
        found: Facts = json.loads(kept.read_text())
        return found
    facts = _score_month(asked, month, before)
    asked.keep.mkdir(parents=True, exist_ok=True)
    draft = kept.with_suffix(".draft")
    draft.write_text(json.dumps(facts))
    draft.replace(kept)
    return facts


def _score_month(asked: Backtest, month: Month, before: Sequence[Month]) -> Facts:
    asked.told(f"{month}: learn from {before[0]}..{before[-1]}")
    model = _learn(asked, before)
    rides = _raw_rides(asked, month)
    told = model.answer(model.tell_now(rides))
    actual = rides["duration_minutes"].to_numpy(np.float64)
    inside = (actual >= told.low) & (actual <= told.high)
    ours = {**_errors(actual, told.minutes), "coverage_90": float(inside.mean())}
    ours["interval_minutes"] = float(np.mean(told.high - told.low))
    baselines = {name: _errors(actual, each.predict(rides)) for name, each in _baselines(asked, month).items()}
    return {
        "month": str(month),
        "rides": len(rides),
        "learned_from": [str(before[0]), str(before[-1])],
        "model": ours,
        "baselines": baselines,
        "share_below": {name: 1 - ours["rmse"] / each["rmse"] for name, each in baselines.items()},
        "nothing_known_of_now": _errors(actual, model.predict(rides)),
        "twins": _twins(rides, told.minutes),
        "coverage": _coverage(model, rides, inside),
    }


def _learn(asked: Backtest, months: Sequence[Month]) -> "DurationModel":
    from taxi_assets.learning.model import DurationModel
    from taxi_assets.learning.training_data import read_training

    data = read_training(asked.warehouse, [asked.service], months, COURSE)
    return DurationModel(data.zones, **asked.parameters).fit(data.trips, data.trips["duration_minutes"].to_numpy())


def _baselines(asked: Backtest, month: Month) -> dict[str, Baseline]:
    import pandas as pd

    with asked.warehouse.reading() as connection:
        held = held_months(connection, [asked.service])
    year = [each for each in held if month.plus(-_BASELINE_MONTHS) <= each < month]
    if not year:
        raise TaxiError(f"no month of the year before {month} is held, for the baselines: ingest earlier months first")
    for old in [each for each in asked._raw if each not in (*year, month)]:
        del asked._raw[old]
    past = pd.concat([_raw_rides(asked, each) for each in year], ignore_index=True)
    return dict(zip(BASELINE_NAMES, (fit_one_hot_linear_regression(past), fit_medians(past, PAIR)), strict=True))


def _raw_rides(asked: Backtest, month: Month) -> "pd.DataFrame":
    from taxi_assets.learning.training_data import read_scored

    if month not in asked._raw:
        asked._raw[month] = read_scored(asked.warehouse, [asked.service], month, COURSE)
    return asked._raw[month]


def _errors(actual: Floats, predicted: Floats) -> Facts:
    found = score(actual, predicted)
    return {"rmse": found.rmse, "mae": found.mae, "bias": found.bias}


def _twins(rides: "pd.DataFrame", predicted: Floats) -> Facts | None:
    floor = noise_floor(rides)
    if floor is None:
        return None
    ours = twin_rmse(rides, predicted)
    return {"pairs": floor.pairs, "noise_floor": floor.rmse, "rmse": ours, "ratio": ours / floor.rmse}


def _coverage(model: "DurationModel", rides: "pd.DataFrame", inside: NDArray[np.bool_]) -> list[Facts]:
    """Rides and those inside their interval, by number of the pickup's borough and part of the day."""
    borough = model.zones.borough[rides["pickup_zone_id"].to_numpy(np.int64)]
    band = bands(rides["minute_of_day"].to_numpy(np.int64))
    cells = np.unique(np.column_stack([borough, band]), axis=0).tolist()
    found = [((borough == place) & (band == part), place, part) for place, part in cells]
    return [
        {"borough": place, "band": BANDS[part], "rides": int(own.sum()), "inside": int(inside[own].sum())}
        for own, place, part in found
    ]


def summarise(months: Sequence[Facts]) -> Facts:
    """Means over the months, the smallest margins, and coverage where there are rides enough."""
    mean = {name: float(np.mean([month["model"][name] for month in months])) for name in ("rmse", "mae", "coverage_90")}
    mean["rmse_nothing_known_of_now"] = float(np.mean([month["nothing_known_of_now"]["rmse"] for month in months]))
    least = {name: min(month["share_below"][name] for month in months) for name in BASELINE_NAMES}
    cells: dict[tuple[int, str], list[int]] = {}
    for cell in (cell for month in months for cell in month["coverage"]):
        counts = cells.setdefault((cell["borough"], cell["band"]), [0, 0])
        counts[0] += cell["rides"]
        counts[1] += cell["inside"]
    shares = [inside / rides for rides, inside in cells.values() if rides >= _LEAST_RIDES]
    span = [min(shares), max(shares)] if shares else []
    return {"mean": mean, "least_share_below": least, "coverage_by_borough_and_band": span}


def _key(asked: Backtest, month: Month, before: Sequence[Month]) -> str:
    """Digest of all a month's result hangs on: the rides, the parameters, the code."""
    with asked.warehouse.reading() as connection:
        held = connection.execute(sql("rides_digest"), month_key(asked.service, month)).fetchall()
    package = Path(str(files("taxi_assets")))
    code = [path for name in _CODE for path in sorted((package / name).glob("*.py"))]
    code += [package / "local_time.py", *sorted((package / "sql").glob("*.sql"))]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in code]
    parts = [[str(each) for each in before], str(held), sorted(asked.parameters.items()), digests]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]
