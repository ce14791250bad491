"""Compares challengers and shadows with the champion on rides of known duration."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from taxi_assets.monitoring.confidence_sequence import confidence_sequence
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.queries import sql

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Verdict = Literal["better", "worse", "undecided"]

ALPHA = 0.05


@dataclass(frozen=True)
class VariantComparison:
    """A variant's squared errors against the champion's.

    Attributes:
        variant: Its role in the routing, `challenger` or `shadow`.
        model_version: The variant's version.
        champion_versions: Versions of the champion on the compared rides.
        is_paired: Both predicted the same rides, as for a shadow.
        rides: Number of the variant's rides.
        champion_rides: Number of the champion's rides.
        rmse: The variant's root mean squared error, minutes.
        champion_rmse: The champion's, minutes.
        difference: Mean squared error of the variant minus the champion's, minutes², after each ride, shape (n,).
        half_width: Half-width of its confidence sequence, minutes², shape (n,).
    """

    variant: str
    model_version: int
    champion_versions: tuple[int, ...]
    is_paired: bool
    rides: int
    champion_rides: int
    rmse: float
    champion_rmse: float
    difference: Floats
    half_width: Floats

    @property
    def verdict(self) -> Verdict:
        """`better` or `worse` once the interval excludes zero: then one may stop, whenever that is."""
        if not len(self.difference) or not abs(self.difference[-1]) > self.half_width[-1]:
            return "undecided"
        return "better" if self.difference[-1] < 0 else "worse"


@dataclass(frozen=True)
class _Errors:
    """Squared errors of both sides by time of feedback; NaN where a side has no ride."""

    variant: str
    model_version: int
    champion_versions: tuple[int, ...]
    own: Floats
    champion: Floats


def compare_variants(warehouse: Warehouse) -> tuple[VariantComparison, ...]:
    """Compare every challenger and shadow of the prediction log with the champion.

    Only rides within the primary evaluation scope count.
    """
    found = [_compare(errors) for errors in _read_errors(warehouse)]
    return tuple(each for each in found if each.rides and each.champion_rides)


def compare_pair(warehouse: Warehouse, champion: int, shadow: int, since: datetime) -> VariantComparison | None:
    """Compare a shadow with one champion on rides answered since a time, UTC; None without rides."""
    frame = _read_frame(warehouse)
    is_pair = (frame["champion_version"] == champion) & (frame["model_version"] == shadow)
    own = frame[is_pair & frame["squared_error"].notna() & (frame["answered_at"] >= since)]
    return _compare(_errors_of("shadow", shadow, own)) if len(own) else None


def record_comparisons(
    warehouse: Warehouse, comparisons: Sequence[VariantComparison], run_id: str | None = None
) -> None:
    """Replace the rows of `variant_comparisons`."""
    compared_at = datetime.now(UTC).replace(tzinfo=None)
    with warehouse.publishing("variant_comparisons", run_id) as connection:
        connection.execute("DELETE FROM variant_comparisons")
        for each in comparisons:
            low, high = (each.difference[-1] + side * each.half_width[-1] for side in (-1, 1))
            values = (each.variant, each.model_version, each.is_paired, each.rides, each.champion_rides)
            measured = (each.rmse, each.champion_rmse, float(each.difference[-1]), _finite(low), _finite(high))
            connection.execute(
                "INSERT INTO variant_comparisons VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, *measured, each.verdict, compared_at, run_id),
            )


def _read_frame(warehouse: Warehouse) -> "pd.DataFrame":
    limits = {"shortest": PRIMARY_SCOPE.shortest_minutes, "longest": PRIMARY_SCOPE.longest_minutes}
    with warehouse.reading() as connection:
        return connection.execute(sql("variant_errors"), limits).df()


def _read_errors(warehouse: Warehouse) -> list[_Errors]:
    groups = _read_frame(warehouse).groupby(["variant", "model_version"], sort=True)
    return [_errors_of(str(variant), int(version), rows) for (variant, version), rows in groups]


def _errors_of(variant: str, version: int, rows: "pd.DataFrame") -> _Errors:
    champions = tuple(sorted({int(each) for each in rows["champion_version"].dropna()}))
    own, champion = (rows[name].to_numpy(np.float64) for name in ("squared_error", "champion_squared_error"))
    return _Errors(variant, version, champions, own, champion)


def _compare(errors: _Errors) -> VariantComparison:
    own, champion = ~np.isnan(errors.own), ~np.isnan(errors.champion)
    is_paired = bool((own & champion).any())
    if is_paired:
        difference, half_width = confidence_sequence((errors.own - errors.champion)[own & champion], ALPHA)
    else:
        difference, half_width = _difference_of_means(errors, own, champion)
    return VariantComparison(
        errors.variant,
        errors.model_version,
        errors.champion_versions,
        is_paired,
        int(own.sum()),
        int(champion.sum()),
        _rmse(errors.own[own]),
        _rmse(errors.champion[champion]),
        difference,
        half_width,
    )


def _difference_of_means(errors: _Errors, own: NDArray[np.bool_], champion: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The difference of two groups' means, where each group's interval misses with half the probability."""
    sides = []
    for values, mine in ((errors.own, own), (errors.champion, champion)):
        mean, half_width = confidence_sequence(values[mine], ALPHA / 2)
        seen = np.cumsum(mine) - 1  # the group's last ride after each row
        known = seen >= 0
        sides.append((np.where(known, mean[seen], np.nan), np.where(known, half_width[seen], np.inf)))
    (own_mean, own_half), (champion_mean, champion_half) = sides
    both = ~np.isnan(own_mean) & ~np.isnan(champion_mean)
    return (own_mean - champion_mean)[both], (own_half + champion_half)[both]


def _rmse(squared_errors: Floats) -> float:
    return float(np.sqrt(squared_errors.mean())) if len(squared_errors) else float("nan")


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
