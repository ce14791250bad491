"""Loads a model version and checks it before it may answer: files, golden trips, probe rides, time."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np

from taxi_assets.errors import TaxiError, describe_error
from taxi_assets.features.trip_features import ZONES
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.served_model import MODEL_INPUT, ServedModel

# Of the processor. A sound model takes 0.1 ms.
MAX_MILLISECONDS = 10.0
PROBE_RIDES = 64
# Enough for a median that one interruption does not change; a slow model is refused after so many.
_MIN_PROBE_RIDES = 5
_PROBE_SECONDS = 0.5
_REMEDY = "train and package it again, or deploy another version"


@dataclass(frozen=True)
class CheckedModel:
    """A model that passed every check.

    Attributes:
        model: The model, warmed up.
        load_seconds: Time to load and check it.
        median_milliseconds: Median processor time of one prediction.
    """

    model: ServedModel
    load_seconds: float
    median_milliseconds: float


def load_checked(folder: Path, version: int, max_milliseconds: float = MAX_MILLISECONDS) -> CheckedModel:
    """Load a version, check it and warm it up.

    Args:
        folder: Its serving folder.
        version: The version that the folder must contain.
        max_milliseconds: The longest accepted median processor time of one prediction.

    Raises:
        TaxiError: a file is missing or changed, the format is unknown, a prediction is wrong, not finite or of another
            shape, or predictions take too long.
    """
    started = time.perf_counter()
    try:
        model = ServedModel.load(folder)
        _check_version(model, version)
        _check_shape(model)
        milliseconds = warm_up(model, max_milliseconds)
    except TaxiError as error:
        raise TaxiError(f"version {version} is refused: {error}") from error
    except Exception as error:  # ONNX Runtime has no common class of errors
        raise TaxiError(f"version {version} is refused, loading fails ({describe_error(error)}): {_REMEDY}") from error
    return CheckedModel(model, time.perf_counter() - started, milliseconds)


def probe_rides(services: tuple[str, ...]) -> Iterator[RideRequest]:
    """Rides over every service, all zones and a week, for a warm-up."""
    draw = np.random.default_rng(0)
    start = datetime(2024, 1, 1)
    for index in range(PROBE_RIDES):
        pickup, dropoff = (int(zone) for zone in draw.integers(1, ZONES, 2))
        at = start + timedelta(minutes=int(draw.integers(0, 7 * 24 * 60)))
        yield RideRequest(services[index % len(services)], at, pickup, dropoff, index % 3 or None)


def _check_version(model: ServedModel, version: int) -> None:
    found = model.facts["version"]
    if found != version:
        raise TaxiError(f"its folder contains version {found}: {_REMEDY}")


def _check_shape(model: ServedModel) -> None:
    columns = model.session.get_inputs()[0].shape[1]
    shapes = [np.shape(each) for each in model.session.run(None, {MODEL_INPUT: np.zeros((2, columns), np.float32)})]
    if shapes != [(2, 1)]:
        raise TaxiError(f"its output for 2 trips has the shape {shapes}, not [(2, 1)]: {_REMEDY}")


def warm_up(model: ServedModel, max_milliseconds: float) -> float:
    """Predict rides until the model is warm and return the median processor time of one, in milliseconds.

    Raises:
        TaxiError: a prediction is wrong, or they take too long.
    """
    times: list[float] = []
    deadline = time.perf_counter() + _PROBE_SECONDS
    rides = probe_rides(model.services)
    for ride in islice(rides, 1):  # the first prediction also builds lookup tables
        _check_prediction(model, ride)
    for ride in rides:
        started = time.thread_time()  # a busy machine must not refuse a sound model
        _check_prediction(model, ride)
        times.append(time.thread_time() - started)
        if len(times) >= _MIN_PROBE_RIDES and time.perf_counter() > deadline:
            break
    milliseconds = 1000 * median(times)
    if milliseconds > max_milliseconds:
        fault = f"a prediction takes {milliseconds:.1f} ms of a processor, above the limit of {max_milliseconds:g}"
        raise TaxiError(f"{fault}: {_REMEDY}")
    return milliseconds


def _check_prediction(model: ServedModel, ride: RideRequest) -> None:
    prediction = model.predict_ride(ride)
    parts = (prediction.minutes, prediction.low, prediction.high)
    minutes, low, high = (np.nan if values is None else float(values[0]) for values in parts)
    if not 0 < low <= minutes <= high < np.inf:
        zones = f"{ride.pickup_zone_id} to {ride.dropoff_zone_id}"
        raise TaxiError(f"it predicts {minutes:.3g} minutes ({low:.3g} to {high:.3g}) from zone {zones}: {_REMEDY}")
