"""The duration model fitted by several processes, each to its share of the months.

Dask starts the work on the processes; XGBoost's own collective adds up their histograms. The scheduler is that of
`DASK_SCHEDULER_ADDRESS`, Dask's own variable, else two processes are started here.
"""

import logging
import uuid
from collections.abc import Iterator, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np

from taxi_assets.errors import TaxiError
from taxi_assets.training.monthly_encoding import MonthlyEncoder
from taxi_assets.training.monthly_trips import FrameTrips, MonthlyTrips, MonthReader
from taxi_assets.training.training_set import TrainingSet
from taxi_assets.training.xgboost_model import CALIBRATION_ROWS, StoredRows, XGBoostModel
from taxi_assets.training.xgboost_trees import BIN_ROWS, XGBoostTrees, import_xgboost

_LOCAL_WORKERS = 2
Share = Set[tuple[int, int]]

# In a process that trains: what deletes its folder, by training.
_folders: dict[str, ExitStack] = {}


class DistributedXGBoostModel(XGBoostModel):
    """An `XGBoostModel` whose months are encoded, stored and trained on by several processes."""

    def fit_months(self, trips: MonthlyTrips) -> Self:
        """Fits the model to trips that each process reads itself; trips in memory are fitted here."""
        if isinstance(trips, FrameTrips):
            return super().fit_months(trips)
        import_xgboost()
        training = uuid.uuid4().hex
        with _dask_client() as client, trips.reading() as reader:
            workers = sorted(client.scheduler_info(n_workers=-1)["workers"])
            shares = month_shares(reader, trips.services, self.row_months, len(workers))
            chosen = workers[: len(shares)]
            try:
                calls = [(self, trips, share, training, share is not shares[-1]) for share in shares]
                parts = _run(client, chosen, _encode_share, calls)
                fitted = self._fit_parts(client, chosen, parts)
            finally:
                client.run(_delete_folder, training, workers=chosen, on_error="ignore")
        samples = [sample for _, sample in fitted]
        return self._keep(parts[-1].encoder, fitted[0][0], _joined(samples))

    def _fit_parts(
        self, client: Any, workers: Sequence[str], parts: Sequence["_Part"]
    ) -> list[tuple[XGBoostTrees, TrainingSet]]:
        """Fits the trees on all workers at once; every worker gets the same trees."""
        count, weight = sum(part.rows.count for part in parts), sum(part.rows.weight for part in parts)
        tracker_module = import_module("xgboost.tracker")
        local = all("//127.0.0.1:" in address for address in workers)
        host = "127.0.0.1" if local else tracker_module.get_host_ip("auto")
        tracker = tracker_module.RabitTracker(n_workers=len(workers), host_ip=host, sortby="task")
        tracker.start()
        calls = [
            (
                self,
                part.rows,
                part.folder,
                weight / count,
                part.rows.count / count,
                {**tracker.worker_args(), **_task(rank)},
            )
            for rank, part in enumerate(parts)
        ]
        fitted: list[tuple[XGBoostTrees, TrainingSet]] = _run(client, workers, _fit_share, calls)
        tracker.wait_for()
        return fitted


@dataclass(frozen=True)
class _Part:
    """The stored rows of a worker and their folder; only the last one's encoder has the tables."""

    rows: StoredRows
    folder: Path
    encoder: MonthlyEncoder


def month_shares(reader: MonthReader, services: Sequence[int], row_months: int, workers: int) -> list[Share]:
    """Pairs of service and month with training rows, in runs of about equal numbers of trips."""
    counts = {(service, month): count for service in services for month, count in reader.counts(service).items()}
    if not counts:
        raise TaxiError("there is no trip to train on: ingest earlier months first")
    first = max(month for _, month in counts) - row_months + 1
    wanted = [(pair, count) for pair, count in counts.items() if pair[1] >= first]
    total, before = sum(count for _, count in wanted), 0
    shares: dict[int, set[tuple[int, int]]] = {}
    for pair, count in wanted:
        shares.setdefault(int((before + count / 2) / total * workers), set()).add(pair)
        before += count
    return list(shares.values())


def _encode_share(
    model: DistributedXGBoostModel, trips: MonthlyTrips, share: Share, training: str, rows_only: bool
) -> _Part:
    encoder = model._encoder()
    opened = _folders[training] = ExitStack()
    folder = opened.enter_context(trips.scratch_folder())
    with trips.reading() as reader:
        months = encoder.encode(reader, trips.services, share, rows_only=rows_only)
        return _Part(StoredRows.store(months, folder), folder, encoder)


def _fit_share(
    model: DistributedXGBoostModel,
    rows: StoredRows,
    folder: Path,
    weight: float,
    part: float,
    tracker: dict[str, Any],
) -> tuple[XGBoostTrees, TrainingSet]:
    """Fits the trees together with the other workers; samples `part` of the calibration rows."""
    # Threads of two processes on the same cores would wait for each other.
    threads = import_module("distributed").get_worker().state.nthreads
    with import_module("xgboost.collective").CommunicatorContext(**tracker):
        trees = model._fit_stored(rows, folder, weight, max(1, int(BIN_ROWS * part)), threads)
    return trees, rows.evenly_spaced(max(1, int(CALIBRATION_ROWS * part)))


def _delete_folder(training: str) -> None:
    if training in _folders:
        _folders.pop(training).close()


def _task(rank: int) -> dict[str, str]:
    return {"dmlc_task_id": f"{rank:06d}"}


def _joined(samples: Sequence[TrainingSet]) -> TrainingSet:
    matrix = np.asfortranarray(np.concatenate([sample.matrix for sample in samples]))
    minutes, weights, seconds = (
        np.concatenate([getattr(sample, name) for sample in samples])
        for name in ("minutes", "weights", "pickup_seconds")
    )
    return TrainingSet(matrix, minutes, weights, seconds, {}, {})


def _run(client: Any, workers: Sequence[str], function: Any, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Runs one call on each worker and returns the results in order; an error of one is raised."""
    futures = [
        client.submit(function, *call, workers=[worker], allow_other_workers=False, pure=False, retries=0)
        for worker, call in zip(workers, calls, strict=True)
    ]
    return list(client.gather(futures))


@contextmanager
def _dask_client() -> Iterator[Any]:
    """A client of the configured scheduler, or of two new processes on this machine.

    Raises:
        TaxiError: Dask is not installed.
    """
    try:
        dask, distributed = import_module("dask"), import_module("distributed")
    except ImportError as error:
        raise TaxiError(
            "the estimator 'xgboost_distributed' needs Dask, which is not installed: add the packages of the extra "
            "large by `make env-large`"
        ) from error
    address = dask.config.get("scheduler-address", None)
    if address:
        with distributed.Client(address) as client:
            yield client
        return
    local = {
        "n_workers": _LOCAL_WORKERS,
        "threads_per_worker": 1,
        "host": "127.0.0.1",
        # Dask's page cannot be turned off; any free port, as another training may have the usual one.
        "dashboard_address": "127.0.0.1:0",
    }
    with (
        distributed.LocalCluster(**local, memory_limit=0, silence_logs=logging.ERROR) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
