"""Drift of a month's trips against a model's training months. Uses no model.

Drift is the population stability index (PSI): the sum over bins of (q - p) ln(q / p), where p and q are a bin's
shares of the two samples. The limit of each feature comes from the training months themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from duckdb import DuckDBPyConnection

from taxi_assets.errors import TaxiError
from taxi_assets.monitoring.drift.daily_counts import FEATURES, METER, TARGET, FeatureRole, Means, read_daily_counts
from taxi_assets.monitoring.drift.drift_verdict import (
    DriftVerdict,
    FeatureVerdict,
    MeasuredFeature,
    data_faults,
    feature_verdicts,
    month_verdict,
)
from taxi_assets.monitoring.drift.false_alarms import distance_without_drift

FALSE_ALARM_MONTHS = 24
_NO_MEANS = Means(None, None)


@dataclass(frozen=True)
class FeatureDrift:
    """Drift of one feature.

    Attributes:
        name: The feature, a key of `FEATURES`.
        role: Whether it is an input, the target, or shows how trips are recorded.
        psi: Population stability index against the training months.
        limit: The PSI that it reaches without drift once in so many months that all features together give one alarm
            in `false_alarm_months`.
        p_value: The probability of the PSI without drift.
        weight: The weight of the feature among all; the mean weight is 1.
        verdict: The verdict on the feature.
        reference_mean: Mean over the training months; None for categories.
        month_mean: Mean over the month; None for categories.
    """

    name: str
    role: FeatureRole
    psi: float
    limit: float
    p_value: float
    weight: float
    verdict: FeatureVerdict
    reference_mean: float | None
    month_mean: float | None


@dataclass(frozen=True)
class DriftReport:
    """Drift of a month against the training months.

    Attributes:
        month: First day of the month.
        reference_months: First days of the training months.
        reference_trips: Kept trips of the training months.
        month_trips: Kept trips of the month.
        false_alarm_months: Expected months between two false alarms.
        verdict: The verdict on the month.
        facts: Three sentences that decided it.
        features: The features, the least probable first.
    """

    month: date
    reference_months: tuple[date, ...]
    reference_trips: int
    month_trips: int
    false_alarm_months: int
    verdict: DriftVerdict
    facts: tuple[str, ...]
    features: tuple[FeatureDrift, ...]

    @property
    def target(self) -> FeatureDrift:
        """Drift of the trip duration."""
        return next(feature for feature in self.features if feature.name == TARGET)

    @property
    def is_alarm(self) -> bool:
        """True if the verdict asks for something to be done."""
        return self.verdict in {"retrain", "fix data"}


def measure_drift(
    connection: DuckDBPyConnection,
    services: Sequence[str],
    reference_months: Sequence[date],
    month: date,
    false_alarm_months: int = FALSE_ALARM_MONTHS,
    importance: Mapping[str, float] = MappingProxyType({}),
) -> DriftReport:
    """Compares a month's trips with those of the training months, feature by feature.

    Args:
        connection: A connection to the warehouse.
        services: TLC's services whose trips count, in the training months and in the month.
        reference_months: First days of the months the model was trained on.
        month: First day of the month to measure.
        false_alarm_months: Expected months between two false alarms.
        importance: Growth of the model's RMSE without an input, minutes, by input; empty if unknown.

    Raises:
        TaxiError: The month is a training month, or either side has no trips.
    """
    if month in reference_months:
        raise TaxiError(f"{month:%Y-%m} is a training month of the model: measure the drift of a later one")
    counts, means = read_daily_counts(connection, services, reference_months, month)
    target = next((each for each in counts if each.name == TARGET), None)
    if target is None:
        raise TaxiError(f"no trip of {', '.join(services)} {_side_without_trips(connection, services, month)}")
    weights = feature_weights(importance, [each.name for each in counts])
    measured = [MeasuredFeature(each, distance_without_drift(each, month), weights[each.name]) for each in counts]
    verdicts = feature_verdicts(measured, false_alarm_months)
    faults = data_faults(measured, verdicts, means[METER])
    features = [
        _feature_drift(each, verdicts[each.name], means.get(each.name, _NO_MEANS), false_alarm_months * len(measured))
        for each in sorted(measured, key=lambda each: each.weighted_p_value)
    ]
    return DriftReport(
        month=month,
        reference_months=tuple(reference_months),
        reference_trips=int(target.reference.sum()),
        month_trips=int(target.month.sum()),
        false_alarm_months=false_alarm_months,
        verdict=month_verdict(verdicts, faults),
        facts=_facts(features, faults, len(reference_months), false_alarm_months),
        features=tuple(features),
    )


def _feature_drift(each: MeasuredFeature, verdict: FeatureVerdict, means: Means, comparisons: int) -> FeatureDrift:
    return FeatureDrift(
        name=each.name,
        role=FEATURES[each.name],
        psi=each.distance**2,
        limit=each.no_drift.limit(each.weight / comparisons) ** 2,
        p_value=each.no_drift.p_value(each.distance),
        weight=each.weight,
        verdict=verdict,
        reference_mean=means.reference,
        month_mean=means.month,
    )


def feature_weights(importance: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Weights of the features, of mean 1: inputs by the model's importance.

    An input that the model hardly uses keeps half of the average weight, since its drift may be the first sign.
    """
    inputs = [name for name in names if FEATURES[name] == "input"]
    known = {name: max(importance.get(_IMPORTANCE_OF.get(name, name), 0.0), 0.0) for name in inputs}
    total = sum(known.values())
    weights = dict.fromkeys(names, 1.0)
    if total:
        weights |= {name: 0.5 + 0.5 * len(inputs) * share / total for name, share in known.items()}
    mean = sum(weights.values()) / len(weights)
    return {name: weight / mean for name, weight in weights.items()}


# The evaluation shuffles related inputs together.
_IMPORTANCE_OF: Mapping[str, str] = MappingProxyType(
    {"hour_of_day": "time_of_day", "zone_distance_miles": "zone_distance", "is_same_zone": "zone_distance"}
)


def _facts(
    features: Sequence[FeatureDrift], faults: Sequence[str], months: int, false_alarm_months: int
) -> tuple[str, ...]:
    """The strongest change, its explanation, and the rate of false alarms."""
    first = features[0]
    strongest = f"{first.name} has a PSI of {first.psi:.4f}, and {first.limit:.4f} is its limit"
    means = [each for each in features if each.reference_mean is not None and each.verdict != "stable"]
    if faults:
        explained = "; ".join(faults)
    elif means:
        each = means[0]
        explained = f"the mean of {each.name} is {each.month_mean:.2f}, in training {each.reference_mean:.2f}"
    else:
        drifted = [each.name for each in features if each.verdict == "drifted"]
        explained = f"drifted: {', '.join(drifted)}" if drifted else "no feature drifted"
    calibrated = (
        f"limits come from {months} training month{'s' if months > 1 else ''}: an alarm without cause in about "
        f"{false_alarm_months} months"
    )
    return strongest, explained, calibrated


def _side_without_trips(connection: DuckDBPyConnection, services: Sequence[str], month: date) -> str:
    query = "SELECT count(*) FROM kept_trips WHERE month = $month AND service IN (SELECT unnest($services))"
    ((trips,),) = connection.execute(query, {"month": month, "services": list(services)}).fetchall()
    return "in its training months: ingest them first" if trips else f"in {month:%Y-%m}: ingest it first"
