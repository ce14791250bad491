"""Trees fitted by XGBoost to batches of rows that need not fit into memory.

XGBoost is in the extra `large` and is imported only here, when it is used.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_assets.errors import TaxiError

Floats32 = NDArray[np.float32]

# A matrix without NaN takes one byte a value, with NaN four. So a missing value is lower than every other one.
MISSING = np.float32(-1e6)
# The target is a ratio of actual to expected minutes.
_BASE = 1.0
_MAX_BINS = 255
_MAX_DEPTH = 8
# Rows on which the bins of a column are found; scikit-learn takes as many.
BIN_ROWS = 200_000


@dataclass(frozen=True)
class Batch:
    """Rows in memory: matrix without NaN, target and weights."""

    matrix: Floats32
    target: Floats32
    weights: Floats32


@dataclass(frozen=True)
class XGBoostTrees:
    """Fitted trees.

    Attributes:
        model: The trees as XGBoost's JSON.
        n_features_in_: Number of columns.
    """

    model: bytes
    n_features_in_: int

    def predict(self, matrix: Floats32) -> NDArray[np.float64]:
        """The trees' output for each row, shape (n,); NaN is a missing value."""
        return np.asarray(self._booster.inplace_predict(without_nan(matrix)), np.float64)

    def onnx_attributes(self) -> dict[str, Any]:
        """Attributes of the ONNX operator: one list over the nodes of all trees for each."""
        trees = json.loads(self.model)["learner"]["gradient_booster"]["model"]["trees"]

        def joined(name: str, dtype: type) -> NDArray[Any]:
            return np.concatenate([np.asarray(tree[name], dtype) for tree in trees])

        sizes = [len(tree["left_children"]) for tree in trees]
        tree_ids, node_ids = np.repeat(np.arange(len(trees)), sizes), np.concatenate([np.arange(n) for n in sizes])
        left, values = joined("left_children", np.int64), joined("split_conditions", np.float32)
        is_leaf = left < 0
        lists = {
            "nodes_treeids": tree_ids,
            "nodes_nodeids": node_ids,
            "nodes_featureids": joined("split_indices", np.int64),
            "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LT"),
            "nodes_values": values,
            "nodes_truenodeids": np.where(is_leaf, 0, left),
            "nodes_falsenodeids": np.where(is_leaf, 0, joined("right_children", np.int64)),
            "nodes_missing_value_tracks_true": (values > MISSING).astype(np.int64),
            "target_treeids": tree_ids[is_leaf],
            "target_nodeids": node_ids[is_leaf],
            "target_ids": np.zeros(is_leaf.sum(), np.int64),
            "target_weights": values[is_leaf],
        }
        return {name: each.tolist() for name, each in lists.items()} | {"n_targets": 1, "base_values": [_BASE]}

    @cached_property
    def _booster(self) -> Any:
        return import_xgboost().Booster(model_file=bytearray(self.model))

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model, "n_features_in_": self.n_features_in_}


def fit_trees(
    batches: Sequence[Callable[[], Batch]], sample: Floats32, parameters: Mapping[str, Any], folder: Path
) -> XGBoostTrees:
    """Fits trees; in memory are one batch and some bytes a row, while the binned rows are in files.

    Args:
        batches: Functions that read the batches, called several times.
        sample: Rows on which the bins are found, without NaN.
        parameters: `learning_rate`, `max_iter`, `max_leaf_nodes`, `min_samples_leaf`, `l2_regularization`,
            `random_state`, as scikit-learn's; weights with a mean of one are expected. `threads`: 0 means all cores.
        folder: For XGBoost's files, one for each batch.
    """
    xgboost, threads = import_xgboost(), parameters.get("threads", 0)
    bins = xgboost.QuantileDMatrix(sample, max_bin=_MAX_BINS, nthread=threads)
    iterator = _iterator(xgboost, batches, folder)
    rows = xgboost.ExtMemQuantileDMatrix(iterator, max_bin=_MAX_BINS, ref=bins, nthread=threads)
    given = {
        "objective": "reg:squarederror",
        "base_score": _BASE,
        "tree_method": "hist",
        # A level at a time: trees grown a leaf at a time would read the files for every leaf.
        "grow_policy": "depthwise",
        "max_depth": _MAX_DEPTH,
        "max_bin": _MAX_BINS,
        "max_leaves": parameters["max_leaf_nodes"],
        "learning_rate": parameters["learning_rate"],
        "min_child_weight": parameters["min_samples_leaf"],
        "reg_lambda": parameters["l2_regularization"],
        "seed": parameters["random_state"],
        "nthread": threads,
        "verbosity": 0,
    }
    booster = xgboost.train(given, rows, num_boost_round=parameters["max_iter"])
    return XGBoostTrees(bytes(booster.save_raw("json")), sample.shape[1])


def without_nan(matrix: Floats32) -> Floats32:
    """A copy in which missing values are `MISSING`, row after row in memory."""
    filled = np.array(matrix, np.float32, order="C")
    filled[np.isnan(filled)] = MISSING
    return filled


def import_xgboost() -> Any:
    """XGBoost.

    Raises:
        TaxiError: it is not installed.
    """
    try:
        return import_module("xgboost")
    except ImportError as error:
        raise TaxiError(
            "the estimator 'xgboost' needs XGBoost, which is not installed: add the packages of the extra large by "
            "`make env-large`"
        ) from error


def _iterator(xgboost: Any, batches: Sequence[Callable[[], Batch]], folder: Path) -> Any:
    class Batches(xgboost.DataIter):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(cache_prefix=str(folder / "binned"), release_data=True)
            self.position = 0

        def reset(self) -> None:
            self.position = 0

        def next(self, input_data: Callable[..., Any]) -> bool:
            if self.position == len(batches):
                return False
            batch = batches[self.position]()
            self.position += 1
            input_data(data=batch.matrix, label=batch.target, weight=batch.weights)
            return True

    return Batches()
