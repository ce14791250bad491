"""The duration model with trees by XGBoost, fitted to more trips than fit into memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError
from taxi_assets.features.encoding import expected_minutes
from taxi_assets.features.target_encoding import Smoothing
from taxi_assets.features.zone_geometry import ZoneGeometry
from taxi_assets.training.model import DurationModel
from taxi_assets.training.monthly_encoding import EncodedMonth, MonthlyEncoder
from taxi_assets.training.monthly_trips import FrameTrips, MonthlyTrips
from taxi_assets.training.training_set import TrainingSet
from taxi_assets.training.xgboost_trees import BIN_ROWS, Batch, XGBoostTrees, fit_trees, import_xgboost, without_nan

# Intervals are calibrated on the last third: as many as the model in memory takes.
CALIBRATION_ROWS = 300_000


class XGBoostModel(DurationModel):
    """A `DurationModel` that reads a month of trips at a time and keeps their matrix in files.

    Features, encoding, intervals and parameters are those of `DurationModel`. Trees grow level by level, up to
    `max_leaf_nodes` leaves. The masked rows are drawn month by month.
    """

    def fit(self, X: pd.DataFrame, y: NDArray[np.float64]) -> Self:  # noqa: N803 - scikit-learn's name
        """Fits the model to trips in memory, as `fit_months` does."""
        return self.fit_months(FrameTrips(X.assign(duration_minutes=np.asarray(y, np.float64))))

    def fit_months(self, trips: MonthlyTrips) -> Self:
        """Fits the model to trips that are read month by month."""
        import_xgboost()  # before hours of work
        encoder = self._encoder()
        with trips.scratch_folder() as folder:
            with trips.reading() as reader:
                rows = StoredRows.store(encoder.encode(reader, trips.services), folder)
            trees = self._fit_stored(rows, folder, rows.weight / rows.count, BIN_ROWS)
            return self._keep(encoder, trees, rows.evenly_spaced(CALIBRATION_ROWS))

    def _fit_stored(
        self, rows: "StoredRows", folder: Path, weight: float, bin_rows: int, threads: int = 0
    ) -> XGBoostTrees:
        """Fits the trees to stored rows, whose weights are divided by `weight`; 0 threads mean all cores."""
        sample = without_nan(rows.evenly_spaced(bin_rows).matrix)
        return fit_trees(rows.batches(weight), sample, self._tree_parameters(weight) | {"threads": threads}, folder)

    def _keep(self, encoder: MonthlyEncoder, trees: XGBoostTrees, sample: TrainingSet) -> Self:
        """Keeps the results, and calibrates the intervals on a sample of the rows."""
        self.zone_geometry_, self.minutes_range_ = encoder.geometry, encoder.minutes_range
        self.encoding_tables_, self.completed_trips_ = encoder.tables, encoder.completed
        self.trees_, self.intervals_ = trees, self._calibration(sample)()
        return self

    def _encoder(self) -> MonthlyEncoder:
        return MonthlyEncoder(
            ZoneGeometry(self.zones),
            self.smoothing or Smoothing(),
            self.row_months,
            self._excluded(),
            self.random_state,
        )

    def _tree_parameters(self, weight: float) -> dict[str, float]:
        """The parameters of the trees for weights that are divided by their mean."""
        names = ("learning_rate", "max_iter", "max_leaf_nodes", "min_samples_leaf", "l2_regularization", "random_state")
        found = {name: getattr(self, name) for name in names}
        return found | {"l2_regularization": self.l2_regularization / weight}


@dataclass(frozen=True)
class StoredRows:
    """Encoded training rows in files, one for each service and month, and the sum of their weights."""

    files: Sequence[Path]
    counts: Sequence[int]
    weight: float

    @classmethod
    def store(cls, months: Iterator[EncodedMonth], folder: Path) -> "StoredRows":
        """Writes the months' rows to the folder.

        Raises:
            TaxiError: there is no room for them.
        """
        files, counts, weight = list[Path](), list[int](), 0.0
        for each in months:
            path = folder / f"rows-{len(files)}.npz"
            try:
                np.savez(
                    path,
                    matrix=np.ascontiguousarray(each.matrix),
                    minutes=each.minutes,
                    weights=each.weights,
                    pickup_seconds=each.pickup_seconds,
                )
            except OSError as error:
                raise TaxiError(
                    f"cannot write encoded trips to {folder} ({error.strerror}): make room there"
                ) from error
            files.append(path)
            counts.append(len(each.minutes))
            weight += float(each.weights.sum())
            del each  # while the next month is encoded
        return cls(files, counts, weight)

    @property
    def count(self) -> int:
        return sum(self.counts)

    def batches(self, weight: float) -> list[partial[Batch]]:
        """Functions that read the files; weights are divided by `weight`."""
        return [
            partial(_read_batch, path, weight) for path, count in zip(self.files, self.counts, strict=True) if count
        ]

    def evenly_spaced(self, limit: int) -> TrainingSet:
        """At most `limit` of the rows, evenly spaced, without tables and completed trips."""
        step, before = max(1, -(-self.count // limit)), 0
        parts: dict[str, list[NDArray[np.generic]]] = {}
        for path, count in zip(self.files, self.counts, strict=True):
            with np.load(path) as stored:
                for name in stored.files:
                    own = parts.setdefault(name, [])
                    own.append(stored[name][-before % step :: step].copy())  # a view would keep the whole month
            before += count
        matrix, minutes, weights, seconds = (np.concatenate(each) for each in parts.values())
        return TrainingSet(np.asfortranarray(matrix), minutes, weights, seconds, {}, {})


def _read_batch(path: Path, weight: float) -> Batch:
    with np.load(path) as stored:
        matrix = stored["matrix"]
        target = stored["minutes"] / expected_minutes(matrix)
        return Batch(without_nan(matrix), target.astype(np.float32), (stored["weights"] / weight).astype(np.float32))
