"""Compares the served model with scikit-learn's, and the Bento with other servers of a duration model.

`python -m benchmarks.bench_serve [--rows N] [--seconds N] [--times N]`; loopback, one worker each.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.harness import (
    Comparison,
    Figure,
    Goal,
    Run,
    TimedRun,
    alternate,
    in_process,
    options,
    report,
    take_turns,
)
from benchmarks.http_load import RIDE, load
from benchmarks.serving_peers import Peer, bento, course, empty_bento, fastapi, mlflow, serving
from taxi_assets.cli.supervisor.programs import Program
from taxi_assets.features.feature_names import MODEL_INPUTS
from taxi_assets.features.trip_features import SERVICE_IDS, ZONES, row_features
from taxi_assets.serving.deployments.routed_variants import RoutedVariants
from taxi_assets.serving.endpoint.answer_log import AnswerLog
from taxi_assets.serving.endpoint.batch_fields import MAX_RIDES
from taxi_assets.serving.endpoint.predict_many import respond
from taxi_assets.serving.endpoint.ride_fields import parse_ride
from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed
from taxi_assets.serving.packaging.onnx_export import write_serving_folder
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.served_model import ServedModel

if TYPE_CHECKING:
    from taxi_assets.training.model import DurationModel

CONNECTIONS = (1, 16, 64)
_RIDES, _COMPLETED_RIDES = 200, 5_000
_FACTS = {"name": "taxi-duration", "version": 1, "run_id": "none", "data_snapshot": 0, "synthetic": True}

Runs = Mapping[int, Mapping[str, list[Run]]]


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


def compare_servers(peers: Mapping[str, Peer], folder: Path, seconds: float, times: int) -> Runs:
    """Loads all servers in turn, over each number of connections.

    Returns:
        The runs of each server by number of connections.
    """
    with ExitStack() as stack:
        urls = {name: stack.enter_context(serving(peer.program, folder)) for name, peer in peers.items()}

        def turns(connections: int) -> dict[str, list[Run]]:
            ways = {name: _loaded(urls[name], peer, connections, seconds) for name, peer in peers.items()}
            return take_turns(ways, times)

        return {connections: turns(connections) for connections in CONNECTIONS}


def server_figures(runs: Runs) -> list[Figure]:
    """The Bento's throughput over that of each other server, and its own p99 over its p50."""
    figures = []
    for connections, by_name in runs.items():
        for name, other in by_name.items():
            if name != "bento":
                goal = Goal("≥", 0.9 if name == "fastapi" else 5)
                meaning = f"the Bento's requests per second divided by those of {name}, {connections} connections"
                compared = Comparison(by_name["bento"], other)
                figures.append(compared.share(f"vs_{name}_{connections}", goal, meaning, _per_second))
    ours = Comparison(runs[16]["bento"], runs[16]["bento"])
    spread = statistics.median(run.extra["p99_ms"] / run.extra["p50_ms"] for run in ours.ours)
    meaning = "the Bento's p99 divided by its p50, 16 connections"
    return [*figures, Figure("bento_p99", spread, Goal("≤", 3), meaning)]


def compare_starts(folder: Path, model: Path, times: int) -> tuple[Comparison, list[Figure]]:
    """Compares the seconds from start to readiness of the Bento and of a service that does nothing."""
    found = alternate(_timed_start(bento(folder, model), folder), _timed_start(empty_bento(folder), folder), times)
    meaning = "seconds until the Bento is ready divided by those of an empty BentoML service"
    return found, [found.share("ready_time", Goal("≤", 1.3), meaning, lambda run: run.seconds)]


def compare_batches(model: ServedModel, state: Path, times: int) -> tuple[Comparison, list[Figure]]:
    """Compares `POST /predict_many` of 10,000 rides with known traffic, in process, with 0.2 s."""
    variants = RoutedVariants.alone(model)
    draw = np.random.default_rng(0)
    times_of_day = np.datetime64("2023-03-01T00:00") + draw.integers(0, 40_000, MAX_RIDES)
    columns = {
        "pickup_zone_id": draw.integers(1, ZONES, MAX_RIDES).tolist(),
        "dropoff_zone_id": draw.integers(1, ZONES, MAX_RIDES).tolist(),
        "pickup_at": times_of_day.astype(str).tolist(),
    }
    body = json.dumps(columns).encode()
    log, traffic = AnswerLog(state), TrafficFeed(state)
    for number in range(_COMPLETED_RIDES):
        at, zones = datetime(2023, 2, 28, 22) + timedelta(seconds=number), draw.integers(1, ZONES, 2).tolist()
        traffic.of(variants.champion).add(RideRequest(model.services[0], at, *zones), 10)
    found = alternate(in_process(lambda: respond(variants, log, traffic, body)), lambda: Run(MAX_RIDES / 50_000), times)
    log.close()
    traffic.close()
    meaning = "rides a second of POST /predict_many in process, divided by 50,000"
    return found, [found.times_better("predict_many", Goal("≥", 1), meaning, lambda run: run.seconds)]


def _per_second(run: Run) -> float:
    return run.extra["per_second"]


def _loaded(url: str, peer: Peer, connections: int, seconds: float) -> TimedRun:
    def run() -> Run:
        found = load(url, connections, seconds, peer.path, peer.body).require_success()
        p50, p99 = found.quantile_ms(0.5), found.quantile_ms(0.99)
        return Run(found.seconds, extra={"per_second": found.per_second, "p50_ms": p50, "p99_ms": p99})

    return run


def _timed_start(program: Program, folder: Path) -> TimedRun:
    def run() -> Run:
        start = time.perf_counter()
        with serving(program, folder):
            return Run(time.perf_counter() - start)

    return run


def main() -> None:
    from benchmarks.training_sample import sample_trips
    from taxi_assets.training.model import DurationModel

    arguments = options("bench_serve", rows=60_000, seconds=4, times=3)
    trips, zones = sample_trips(1, arguments.rows)
    inputs = trips[list(MODEL_INPUTS)]
    model = DurationModel(zones).fit(inputs, trips["duration_minutes"].to_numpy())
    with tempfile.TemporaryDirectory(prefix="bench-serve-") as name:
        folder = Path(name)
        served = write_serving_folder(model, folder / "model", _FACTS, {})
        single, figures = compare_single_rides(model, served, arguments.times)
        many, more = compare_batches(served, folder / "state", arguments.times)
        starts, of_starts = compare_starts(folder, folder / "model", arguments.times)
        peers = {
            "bento": Peer(bento(folder, folder / "model"), "/predict", RIDE),
            "fastapi": Peer(fastapi(folder / "model"), "/predict", RIDE),
            "course": Peer(course(folder, trips), "/predict", RIDE),
            "mlflow": mlflow(folder, model, inputs),
        }
        runs = compare_servers(peers, folder, arguments.seconds, arguments.times)
    print(f"one ride in {1e6 * min(run.seconds for run in single.ours) / _RIDES:.0f} µs, with features and interval")
    servers = {f"{name}_{number}": Comparison(of["bento"], of[name]) for number, of in runs.items() for name in of}
    comparisons = {"one_ride": single, "predict_many": many, "starts": starts, **servers}
    report("bench_serve", vars(arguments), comparisons, [*figures, *more, *of_starts, *server_figures(runs)])


if __name__ == "__main__":
    main()
