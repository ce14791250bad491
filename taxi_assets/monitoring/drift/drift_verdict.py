"""The verdict on a month: stable, watch, retrain or fix data, at a stated rate of false alarms.

Each feature's distance gets the probability of as large a distance without drift. There are many features, so the
false discovery rate is controlled (Benjamini and Hochberg, 1995), with the model's importance as weights (Genovese,
Roeder and Wasserman, 2006). Without drift, any alarm then comes once in `false_alarm_months` months.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from taxi_assets.monitoring.drift.daily_counts import (
    FEATURES,
    HOUR,
    METER,
    MISSING,
    RATIO,
    REJECTED,
    DailyCounts,
    Means,
)
from taxi_assets.monitoring.drift.false_alarms import NoDrift, distance, psi

FeatureVerdict = Literal["stable", "watch", "drifted"]
DriftVerdict = Literal["stable", "watch", "retrain", "fix data"]

_WATCH_FACTOR = 4  # of the rate of false alarms: a hint comes four times as often as an alarm
_HOURS = 24
# A shift of the clock explains the hours if it at least halves their PSI and makes them e**10 times as likely. Its own
# test is sharper than the limit of the hours, since no city moves all of its trips by the same hours.
_EXPLAINED, _LOG_LIKELIHOOD = 0.5, 10.0
# Smaller changes of the recording are not a fault for a person to look into. TLC's green months of 2022 to 2025 move by
# up to 1.7 % of the trips without being wrong, and by 9 % of the metered distance when the mix of zones changes.
_MISSING_SHARE, _REJECTED_SHARE, _METER_FACTOR = 0.05, 0.02, 1.2


@dataclass(frozen=True)
class MeasuredFeature:
    """A feature's counts, its distance from the training months and the distance without drift."""

    counts: DailyCounts
    no_drift: NoDrift
    weight: float

    @property
    def name(self) -> str:
        return self.counts.name

    @property
    def distance(self) -> float:
        return distance(self.counts)

    @property
    def weighted_p_value(self) -> float:
        """The probability of the distance without drift, divided by the feature's weight."""
        return self.no_drift.p_value(self.distance) / self.weight


def flagged(features: Sequence[MeasuredFeature], rate: float) -> set[str]:
    """Names of the features that drifted, where `rate` is the chance of any false one."""
    ordered = sorted(features, key=lambda each: each.weighted_p_value)
    passed = [
        place for place, each in enumerate(ordered, start=1) if each.weighted_p_value <= rate * place / len(ordered)
    ]
    return {each.name for each in ordered[: max(passed, default=0)]}


def feature_verdicts(features: Sequence[MeasuredFeature], false_alarm_months: int) -> dict[str, FeatureVerdict]:
    """The verdict on each feature, by name."""
    drifted = flagged(features, 1 / false_alarm_months)
    watched = flagged(features, min(_WATCH_FACTOR / false_alarm_months, 0.5))
    return {
        each.name: "drifted" if each.name in drifted else "watch" if each.name in watched else "stable"
        for each in features
    }


def data_faults(features: Sequence[MeasuredFeature], verdicts: Mapping[str, FeatureVerdict], meter: Means) -> list[str]:
    """A sentence for each drifted feature whose change is one of the recording, not of the city.

    Args:
        features: The measured features.
        verdicts: Their verdicts, by name.
        meter: The mean metered distance by the straight line.
    """
    found = {each.name: each for each in features if verdicts[each.name] == "drifted"}
    faults = []
    hours_of_day = next((each.counts for each in features if each.name == HOUR), None)
    if hours_of_day and (hours := clock_shift(hours_of_day)):
        faults.append(f"the hours of the pickups are those of training with a clock {hours:+d} h off")
    if METER in found and not 1 / _METER_FACTOR < (factor := _factor(meter)) < _METER_FACTOR:
        faults.append(f"metered distances are {factor:.2f} times those of training between the same zones")
    if MISSING in found and (change := _change(found[MISSING], "0")) < -_MISSING_SHARE:
        faults.append(f"values are missing in {-change:.1%} more of the trips than in training")
    # More trips that take too long are rejected if the city is slower: then the durations tell.
    if REJECTED in found and RATIO not in found and (change := _change(found[REJECTED], "kept")) < -_REJECTED_SHARE:
        faults.append(f"cleaning rejects {-change:.1%} more of the trips than in training")
    return faults


def clock_shift(counts: DailyCounts) -> int:
    """Hours by which the month's clock is ahead; 0 if no shift explains the difference."""
    reference, month = np.zeros(_HOURS), np.zeros(_HOURS)
    for place, label in enumerate(counts.bins):
        if label.isdecimal():
            reference[int(label)] = counts.reference[:, place].sum()
            month[int(label)] = counts.month[place]
    if not reference.sum() or not month.sum():
        return 0
    chance = (_HOURS - 1) * (1 / reference.sum() + 1 / month.sum())  # the PSI of two samples without a difference
    lags = range(-_HOURS // 2 + 1, _HOURS // 2 + 1)
    remaining = {lag: max(float(psi(reference, np.roll(month, -lag))) - chance, 0) for lag in lags}
    best = min(remaining, key=lambda lag: remaining[lag])
    logarithms = np.log((reference + 1) / (reference + 1).sum())
    gain = float(month @ (np.roll(logarithms, best) - logarithms))
    return best if remaining[best] <= _EXPLAINED * remaining[0] and gain >= _LOG_LIKELIHOOD else 0


def _factor(means: Means) -> float:
    return means.month / means.reference if means.month and means.reference else 1.0


def month_verdict(verdicts: Mapping[str, FeatureVerdict], faults: Sequence[str]) -> DriftVerdict:
    """The verdict on the month: a fault of the data comes before a change of the city."""
    if faults:
        return "fix data"
    if any(verdict == "drifted" and FEATURES[name] != "recording" for name, verdict in verdicts.items()):
        return "retrain"
    return "watch" if set(verdicts.values()) - {"stable"} else "stable"


def _change(feature: MeasuredFeature, label: str) -> float:
    """The month's share of a bin minus the training months'."""
    before, now = feature.counts.shares
    return now.get(label, 0.0) - before.get(label, 0.0)
