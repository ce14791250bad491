"""Writes a fitted model as a serving folder for `ServedModel`: ONNX, tables and a manifest, no code."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from taxi_assets.features.encoding import MATRIX_COLUMNS
from taxi_assets.features.trip_features import SERVICE_IDS, ZONES, row_features
from taxi_assets.files import sha256_of
from taxi_assets.serving.mapped_arrays import write_arrays
from taxi_assets.serving.served_model import COMPLETED, MODEL_INPUT, ServedModel
from taxi_assets.serving.serving_manifest import FORMAT, MANIFEST_FILE, MODEL_FILE, REQUIRED_FACTS, TABLES_FILE
from taxi_assets.training.intervals import COVERAGE

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

    from taxi_assets.training.model import DurationModel
    from taxi_assets.training.xgboost_trees import XGBoostTrees

GOLDEN_TRIPS_PER_SERVICE = 64
# Newer operator sets change nothing for trees.
_OPERATORS = {"": 18, "ai.onnx.ml": 3}


def write_serving_folder(
    model: "DurationModel", folder: Path, facts: Mapping[str, object], zone_names: Mapping[int, str]
) -> ServedModel:
    """Write the model, load it and check its predictions; the same model and facts give the same bytes.

    Args:
        model: The fitted model.
        folder: The target, replaced only after the new folder is complete and checked.
        facts: JSON values on the model and its origin, at least `REQUIRED_FACTS`.
        zone_names: The name of each zone by its id, for requests that name zones.

    Returns:
        The model as served.

    Raises:
        TaxiError: the written model predicts differently from the fitted one.
    """
    missing = [name for name in REQUIRED_FACTS if name not in facts]
    if missing:
        raise ValueError(f"facts lack {', '.join(missing)}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as draft:
        new = Path(draft, folder.name)
        new.mkdir()
        (new / MODEL_FILE).write_bytes(to_onnx(model.trees_))
        write_arrays(new / TABLES_FILE, _tables(model))
        (new / MANIFEST_FILE).write_text(json.dumps(_manifest(model, new, facts, zone_names), indent=1) + "\n")
        served_model = ServedModel.load(new)
        if folder.exists():
            shutil.rmtree(folder)
        new.rename(folder)
    return served_model


def to_onnx(trees: "HistGradientBoostingRegressor | XGBoostTrees") -> bytes:
    """The trees as an ONNX model over float32 matrices, shape (n, columns), NaN where a value is missing.

    Replaces skl2onnx, which sends some trips down the wrong branch (onnx/sklearn-onnx#1192): see `_round_down`.
    """
    from onnx import TensorProto, helper

    columns = trees.n_features_in_
    attributes = trees.onnx_attributes() if hasattr(trees, "onnx_attributes") else _tree_attributes(trees)
    node = helper.make_node("TreeEnsembleRegressor", [MODEL_INPUT], ["predictions"], domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph(
        [node],
        "taxi_duration",
        [helper.make_tensor_value_info(MODEL_INPUT, TensorProto.FLOAT, [None, columns])],
        [helper.make_tensor_value_info("predictions", TensorProto.FLOAT, [None, 1])],
    )
    operators = [helper.make_opsetid(domain, number) for domain, number in _OPERATORS.items()]
    # The format's version is pinned too: ONNX writes newer ones than ONNX Runtime reads.
    return bytes(helper.make_model(graph, opset_imports=operators, ir_version=10).SerializeToString())


def _tree_attributes(trees: "HistGradientBoostingRegressor") -> dict[str, Any]:
    """Attributes of the ONNX operator: one list over the nodes of all trees for each."""
    parts = [predictor.nodes for (predictor,) in trees._predictors]
    nodes = np.concatenate(parts)
    if nodes["is_categorical"].any():
        raise ValueError("trees with categorical splits are not supported")
    tree_ids = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    node_ids = np.concatenate([np.arange(len(part)) for part in parts])
    is_leaf = nodes["is_leaf"].astype(bool)
    lists = {
        "nodes_treeids": tree_ids,
        "nodes_nodeids": node_ids,
        "nodes_featureids": nodes["feature_idx"],
        "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ"),
        "nodes_values": _round_down(nodes["num_threshold"]),
        "nodes_truenodeids": nodes["left"],
        "nodes_falsenodeids": nodes["right"],
        "nodes_missing_value_tracks_true": nodes["missing_go_to_left"],
        "target_treeids": tree_ids[is_leaf],
        "target_nodeids": node_ids[is_leaf],
        "target_ids": np.zeros(is_leaf.sum(), np.int64),
        "target_weights": nodes["value"][is_leaf],
    }
    attributes: dict[str, Any] = {name: values.tolist() for name, values in lists.items()}
    base = trees._baseline_prediction.ravel().tolist()
    return attributes | {"n_targets": 1, "base_values": base}


def _round_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round thresholds down to float32, so that float32 values are split in the same way.

    A threshold is midway between two values, which may be neighbours in float32. Rounded to the nearest, it can equal
    the upper one, which would then go left with the lower.
    """
    nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _tables(model: "DurationModel") -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {f"zones/{name}": values for name, values in vars(model.zones).items()}
    for service, number in _services(model).items():
        arrays |= {f"{service}/{name}": table for name, table in model.encoding_tables_[number].items()}
        if model.use_recent_traffic:
            completed = model.completed_trips_[number]
            arrays |= {f"{COMPLETED}{service}/{name}": values for name, values in vars(completed).items()}
    arrays |= {f"intervals/{name}": values for name, values in vars(model.intervals_).items()}
    return arrays


def _services(model: "DurationModel") -> dict[str, int]:
    return {service: number for service, number in SERVICE_IDS.items() if number in model.encoding_tables_}


def _manifest(
    model: "DurationModel", folder: Path, facts: Mapping[str, object], zone_names: Mapping[int, str]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "columns": MATRIX_COLUMNS,
        "inputs": ["service_id", "pickup_at", "pickup_zone_id", "dropoff_zone_id", "passenger_count"],
        "interval_coverage": COVERAGE,
        "services": _services(model),
        "minutes_range": list(model.minutes_range_),
        "placed_zone_ids": np.flatnonzero(model.zone_geometry_.has_location).tolist(),
        "zone_names": {str(zone_id): name for zone_id, name in zone_names.items()},
        "facts": dict(facts),
        "golden": _golden(model),
        "sha256": {name: sha256_of(folder / name) for name in (MODEL_FILE, TABLES_FILE)},
    }


def _golden(model: "DurationModel") -> dict[str, Any]:
    """A few trips with the fitted model's predictions."""
    import pandas as pd
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    trips = _golden_trips(model)
    frame = pd.DataFrame({**trips, **row_features(trips, model.zones)})
    with threadpool_limits(1):  # on a busy machine threads wait for each other at every tree
        prediction = model.predict_interval(frame)
    listed = {name: values.tolist() for name, values in trips.items()}
    listed["pickup_at"] = trips["pickup_at"].astype(str).tolist()
    # JSON knows no NaN.
    listed["passenger_count"] = [None if np.isnan(count) else count for count in listed["passenger_count"]]
    return {"trips": listed, **{name: values.tolist() for name, values in vars(prediction).items()}}


def _golden_trips(model: "DurationModel") -> dict[str, NDArray[Any]]:
    """Trips of every service of the model, over a year and all zones, including those without a location."""
    services = list(_services(model).values())
    count, draw = GOLDEN_TRIPS_PER_SERVICE * len(services), np.random.default_rng(0)
    starts, ends = draw.integers(1, ZONES, count), draw.integers(1, ZONES, count)
    starts[:3], ends[:3] = (264, 1, 265), (1, 264, 265)
    pickup_at = np.datetime64("2023-01-01T00:00:00") + draw.integers(0, 365 * 86_400, count).astype("timedelta64[s]")
    return {
        "service_id": np.repeat(services, GOLDEN_TRIPS_PER_SERVICE),
        "pickup_at": pickup_at,
        "passenger_count": np.where(draw.random(count) < 0.5, np.nan, draw.integers(1, 7, count)),
        "pickup_zone_id": starts,
        "dropoff_zone_id": ends,
    }
