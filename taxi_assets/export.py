"""Writes a fitted model as the folder that `serving.ServedModel` reads: ONNX, tables, a manifest; no code."""

import copy
import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from taxi_assets.encoding import MATRIX_COLUMNS
from taxi_assets.features import MODEL_INPUTS, SERVICE_IDS, ZONES, row_features
from taxi_assets.serving import MODEL_INPUT, ServedModel
from taxi_assets.serving_manifest import FORMAT, MANIFEST_FILE, MODEL_FILE, REQUIRED_FACTS, TABLES_FILE

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

    from taxi_assets.model import DurationModel

__all__ = ["to_onnx", "write_serving_folder"]

GOLDEN_RIDES_PER_SERVICE = 64
# Newer operator sets bring the trees nothing.
_OPERATORS = {"": 18, "ai.onnx.ml": 3}


def write_serving_folder(model: "DurationModel", folder: Path, facts: Mapping[str, object]) -> ServedModel:
    """Write the model, read it back and check its answers; the same model and facts give the same bytes.

    Args:
        model: The fitted model.
        folder: Where to put it; what is there is replaced, and only by a folder that is whole and checked.
        facts: JSON values that say what the model is and was made from: at least `REQUIRED_FACTS`, which
            every answer carries.

    Returns:
        The model as it will be served.

    Raises:
        TaxiError: what was written does not answer as the model does.
    """
    missing = [name for name in REQUIRED_FACTS if name not in facts]
    if missing:
        raise ValueError(f"facts lack {', '.join(missing)}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as draft:
        whole = Path(draft, folder.name)
        whole.mkdir()
        (whole / MODEL_FILE).write_bytes(to_onnx(model.trees_))
        np.savez(whole / TABLES_FILE, **_tables(model))  # type: ignore[arg-type]  # no table is named allow_pickle
        (whole / MANIFEST_FILE).write_text(json.dumps(_manifest(model, whole, facts), indent=1) + "\n")
        served = ServedModel.load(whole)
        if folder.exists():
            shutil.rmtree(folder)
        whole.rename(folder)
    return served


def to_onnx(trees: "HistGradientBoostingRegressor") -> bytes:
    """The trees as an ONNX model over float32 matrices, shape (n, len(MATRIX_COLUMNS)), NaN where unknown."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    return convert_sklearn(  # type: ignore[no-any-return]
        _with_float32_thresholds(trees),
        name="taxi_duration",  # left out, it is a random one
        initial_types=[(MODEL_INPUT, FloatTensorType([None, trees.n_features_in_]))],
        target_opset=_OPERATORS,
    ).SerializeToString()


def _with_float32_thresholds(trees: "HistGradientBoostingRegressor") -> "HistGradientBoostingRegressor":
    """A copy that splits float32 values at the same places, by thresholds that are float32 themselves.

    A threshold lies midway between two values, which in float32 may be neighbours. Rounded to the nearest,
    as the converter does, it can land on the upper one, which then goes left: so thresholds are rounded down.
    """
    rounded = copy.deepcopy(trees)
    for (predictor,) in rounded._predictors:
        thresholds = predictor.nodes["num_threshold"]
        nearest = thresholds.astype(np.float32)
        below = np.nextafter(nearest, np.float32(-np.inf))
        predictor.nodes["num_threshold"] = np.where(nearest > thresholds, below, nearest)
    return rounded


def _tables(model: "DurationModel") -> dict[str, NDArray[Any]]:
    # Left as they are: compressed they are half as large and take fifty times as long to write.
    arrays: dict[str, NDArray[Any]] = {f"zones/{name}": values for name, values in vars(model.zones).items()}
    for service, number in _services(model).items():
        arrays |= {f"{service}/{name}": table for name, table in model.tables_[number].items()}
    return arrays


def _services(model: "DurationModel") -> dict[str, int]:
    return {service: number for service, number in SERVICE_IDS.items() if number in model.tables_}


def _manifest(model: "DurationModel", folder: Path, facts: Mapping[str, object]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "columns": MATRIX_COLUMNS,
        "inputs": MODEL_INPUTS,
        "services": _services(model),
        "placed_zone_ids": np.flatnonzero(model.places_.is_placed).tolist(),
        "facts": dict(facts),
        "golden": _golden(model),
        "sha256": {name: _sha256(folder / name) for name in (MODEL_FILE, TABLES_FILE)},
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _golden(model: "DurationModel") -> dict[str, Any]:
    """A few rides and what the fitted model says of them."""
    import pandas as pd
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    rides = _golden_rides(model)
    frame = pd.DataFrame({**rides, **row_features(rides, model.zones)})
    with threadpool_limits(1):  # on a busy machine the trees' threads wait for each other at every tree
        minutes = model.predict(frame[list(MODEL_INPUTS)])
    rides["pickup_at"] = rides["pickup_at"].astype(str)
    return {"rides": {name: values.tolist() for name, values in rides.items()}, "minutes": minutes.tolist()}


def _golden_rides(model: "DurationModel") -> dict[str, NDArray[Any]]:
    """Rides of every service the model knows, over a year and all zones, those without a place included."""
    services = list(_services(model).values())
    count, draw = GOLDEN_RIDES_PER_SERVICE * len(services), np.random.default_rng(0)
    starts, ends = draw.integers(1, ZONES, count), draw.integers(1, ZONES, count)
    starts[:3], ends[:3] = (264, 1, 265), (1, 264, 265)
    seconds = draw.integers(0, 365 * 86_400, count).astype("timedelta64[s]")
    return {
        "service_id": np.repeat(services, GOLDEN_RIDES_PER_SERVICE),
        "pickup_at": np.datetime64("2023-01-01T00:00:00") + seconds,
        "pickup_zone_id": starts,
        "dropoff_zone_id": ends,
    }
