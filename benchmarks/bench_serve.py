"""Compares the served model with scikit-learn's, and the Bento with plain FastAPI.

`python -m benchmarks.bench_serve [--rows N] [--seconds N] [--times N]`; loopback, one connection, one worker each.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.harness import Comparison, Figure, Goal, Run, TimedRun, alternate, in_process, options, report
from benchmarks.http_load import RIDE, measure_latencies
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import Endpoint, Program, bento_program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.features.trip_features import MODEL_INPUTS, SERVICE_IDS, row_features
from taxi_assets.serving.endpoint.ride_fields import parse_ride
from taxi_assets.serving.packaging.bento_build import build_bento
from taxi_assets.serving.packaging.onnx_export import write_serving_folder
from taxi_assets.serving.served_model import ServedModel
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from taxi_assets.training.model import DurationModel

_HOST = "127.0.0.1"
_RIDES = 200
_FACTS = {"name": "taxi-duration", "version": 1, "run_id": "none", "data_snapshot": 0, "synthetic": True}


def compare_single_rides(
    model: "DurationModel", served: ServedModel, times: int, rides: int = _RIDES
) -> tuple[Comparison, list[Figure]]:
    """Compares `ServedModel.predict_ride` with `DurationModel.predict` of a frame of one row."""
    import pandas as pd

    request = parse_ride(RIDE, served.services, served.zone_names)
    columns = {
        "service_id": np.array([SERVICE_IDS[request.service]]),
        "pickup_at": np.array([request.pickup_at], "datetime64[s]"),
        "pickup_zone_id": np.array([request.pickup_zone_id]),
        "dropoff_zone_id": np.array([request.dropoff_zone_id]),
    }
    row = pd.DataFrame({**columns, **row_features(columns, model.zones)})[list(MODEL_INPUTS)]

    def repeat(call: Callable[[], object]) -> TimedRun:
        return in_process(lambda: [call() for _ in range(rides)])

    found = alternate(repeat(lambda: served.predict_ride(request)), repeat(lambda: model.predict(row)), times)
    meaning = "seconds of scikit-learn for a frame of one row divided by those of the served model for one request"
    return found, [found.times_better("one_ride_time", Goal("≥", 10), meaning, lambda run: run.seconds)]


def compare_endpoints(bento: str, fastapi: str, seconds: float, times: int) -> tuple[Comparison, list[Figure]]:
    """Compares both endpoints in turn, one request after the other."""
    found = alternate(_timed_requests(bento, seconds), _timed_requests(fastapi, seconds), times)
    per_second, p99 = "the Bento's requests per second divided by FastAPI's", "the Bento's p99 divided by FastAPI's"
    return found, [
        found.share("bento_throughput", Goal("≥", 0.9), per_second, lambda run: run.extra["per_second"]),
        found.share("bento_p99", Goal("≤", 3), p99, lambda run: run.extra["p99_ms"]),
    ]


@contextmanager
def serving_both(folder: Path, model: Path) -> Iterator[tuple[str, str]]:
    """Serves the model's folder by the Bento and by FastAPI, a process each; yields their URLs."""
    settings = Settings(home=folder / "home", data_kind="synthetic", bento_port=free_port(_HOST))
    build_bento(settings, model, {"version": "1"})
    with running(bento_program(settings), folder / "bento.log") as bento:
        port = free_port(_HOST)
        serve = (sys.executable, "-m", "uvicorn", "benchmarks.bare_fastapi:app", "--app-dir", str(_root()))
        program = Program(
            "fastapi",
            (*serve, "--host", _HOST, "--port", str(port), "--no-access-log", "--log-level", "warning"),
            {"BENCH_MODEL": str(model)},
            "the same model",
            Endpoint(_HOST, port, "no setting", "/readyz"),
        )
        with running(program, folder / "fastapi.log") as fastapi:
            yield bento, fastapi


def _root() -> Path:
    return Path(__file__).parents[1]


def _timed_requests(url: str, seconds: float) -> TimedRun:
    def run() -> Run:
        took = measure_latencies(url, seconds)
        p50, p99 = statistics.median(took), float(np.quantile(took, 0.99))
        per_second = len(took) / sum(took)
        return Run(sum(took), extra={"per_second": per_second, "p50_ms": 1000 * p50, "p99_ms": 1000 * p99})

    return run


def main() -> None:
    from benchmarks.training_sample import sample_trips
    from taxi_assets.training.model import DurationModel

    arguments = options("bench_serve", rows=60_000, seconds=4, times=3)
    trips, zones = sample_trips(1, arguments.rows)
    model = DurationModel(zones).fit(trips[list(MODEL_INPUTS)], trips["duration_minutes"].to_numpy())
    with tempfile.TemporaryDirectory(prefix="bench-serve-") as folder:
        served = write_serving_folder(model, Path(folder, "model"), _FACTS, {})
        single, figures = compare_single_rides(model, served, arguments.times)
        with serving_both(Path(folder), Path(folder, "model")) as (bento, fastapi):
            endpoints, more = compare_endpoints(bento, fastapi, arguments.seconds, arguments.times)
    print(f"one ride in {1e6 * min(run.seconds for run in single.ours) / _RIDES:.0f} µs, with features and interval")
    report("bench_serve", vars(arguments), {"one_ride": single, "endpoints": endpoints}, [*figures, *more])


if __name__ == "__main__":
    main()
