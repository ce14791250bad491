"""Model stores of small models, sound and broken in the ways that a deployment must refuse."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import onnx
import small_model
from onnx import TensorProto, helper, numpy_helper

from taxi_assets.files import sha256_of
from taxi_assets.serving.deployments.routed_variants import RoutedVariants
from taxi_assets.serving.served_model import ServedModel

# Multiplications of square matrices in the slow model, and their size: tens of milliseconds a prediction.
_PRODUCTS, _SIZE = 2, 1000


@dataclass
class FixedModel:
    """One model for an endpoint that follows no routing."""

    variants: RoutedVariants
    routing_problems: Sequence[str] = ()

    @classmethod
    def of(cls, model: ServedModel) -> "FixedModel":
        return cls(RoutedVariants.alone(model))


@cache
def _sound() -> Path:
    return small_model.write_one_service(Path(mkdtemp(prefix="taxi-model-")) / "model")


def add_version(store: Path, version: int, damage: Callable[[Path], object] | None = None) -> Path:
    """Add a Bento's folder with a version of the small model, of one service, to the store, and damage it.

    Returns:
        The serving folder.
    """
    folder = store / f"v{version}-{version:012x}" / "src" / "model"
    shutil.copytree(_sound(), folder, copy_function=os.link)
    edit_manifest(folder, lambda manifest: manifest["facts"].update(version=version))
    if damage:
        damage(folder)
    return folder


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    _replace(folder / "manifest.json", json.dumps(manifest).encode())


def damage_file(folder: Path) -> None:
    """Change one byte of the trees."""
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    _replace(folder / "model.onnx", bytes(content))


def predict_nan(folder: Path) -> None:
    """Replace every value of the leaves by NaN."""

    def change(model: onnx.ModelProto) -> None:
        (weights,) = (each for each in model.graph.node[0].attribute if each.name == "target_weights")
        weights.floats[:] = [float("nan")] * len(weights.floats)

    _edit_onnx(folder, change)


def predict_two_columns(folder: Path) -> None:
    """Give the trees a second, equal column of output."""

    def change(model: onnx.ModelProto) -> None:
        model.graph.node[0].output[0] = "column"
        model.graph.node.append(helper.make_node("Concat", ["column", "column"], ["predictions"], axis=1))
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("predictions", TensorProto.FLOAT, [None, 2]))

    _edit_onnx(folder, change)


def predict_slowly(folder: Path) -> None:
    """Multiply large matrices in each prediction, which stays as it is."""

    def change(model: onnx.ModelProto) -> None:
        graph = model.graph
        graph.node[0].output[0] = "fast"
        for name, value in (("size", [_SIZE, _SIZE]), ("first", [0])):
            graph.initializer.append(numpy_helper.from_array(np.array(value, "int64"), name))
        graph.initializer.append(numpy_helper.from_array(np.zeros(1, "float32"), "zero"))
        # From the shape of the input, so that ONNX Runtime cannot compute it once and for all.
        steps = [
            ("Shape", ["trips"], "shape"),
            ("Gather", ["shape", "first"], "rows"),
            ("Cast", ["rows"], "count"),
            ("Mul", ["count", "zero"], "nothing"),
            ("Expand", ["nothing", "size"], "product0"),
            *(("MatMul", [f"product{at}", f"product{at}"], f"product{at + 1}") for at in range(_PRODUCTS)),
            ("ReduceMin", [f"product{_PRODUCTS}"], "least"),
            ("Add", ["fast", "least"], "predictions"),
        ]
        for operator, inputs, output in steps:
            options = {"Cast": {"to": TensorProto.FLOAT}, "ReduceMin": {"keepdims": 0}}.get(operator, {})
            graph.node.append(helper.make_node(operator, inputs, [output], **options))

    _edit_onnx(folder, change)


def change_golden_predictions(folder: Path) -> None:
    """Make the recorded predictions of the golden trips a minute longer."""
    edit_manifest(
        folder, lambda manifest: manifest["golden"].update(minutes=[m + 1 for m in manifest["golden"]["minutes"]])
    )


def predict_negative_outside_golden_trips(folder: Path) -> None:
    """Predict negative minutes for a single trip; the golden trips come together."""

    def change(model: onnx.ModelProto) -> None:
        graph = model.graph
        graph.node[0].output[0] = "sound"
        graph.initializer.append(numpy_helper.from_array(np.array([0], "int64"), "first"))
        graph.initializer.append(numpy_helper.from_array(np.array([1], "int64"), "one"))
        graph.initializer.append(numpy_helper.from_array(np.array([0.5], "float32"), "half"))
        for operator, inputs, output in (
            ("Shape", ["trips"], "shape"),
            ("Gather", ["shape", "first"], "rows"),
            ("Greater", ["rows", "one"], "are_several"),
            ("Cast", ["are_several"], "step"),
            ("Sub", ["step", "half"], "half_sign"),
            ("Mul", ["sound", "half_sign"], "half_of_it"),
            ("Add", ["half_of_it", "half_of_it"], "predictions"),
        ):
            options = {"Cast": {"to": TensorProto.FLOAT}}.get(operator, {})
            graph.node.append(helper.make_node(operator, inputs, [output], **options))

    _edit_onnx(folder, change)


def replace_trees_by_text(folder: Path) -> None:
    """Replace the trees by a text with the right checksum."""
    _replace(folder / "model.onnx", b"no model")
    _record_checksum(folder)


# Each with a part of the reason that a refusal must give.
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "bad checksum": (damage_file, "is damaged, its SHA-256 is"),
    "NaN": (predict_nan, "minutes off the model"),
    "wrong shape": (predict_two_columns, "has the shape"),
    "slow": (predict_slowly, "above the limit of"),
    "wrong golden predictions": (change_golden_predictions, "minutes off the model"),
}


def _edit_onnx(folder: Path, change: Callable[[onnx.ModelProto], object]) -> None:
    """Change the trees and record the new checksum."""
    path = folder / "model.onnx"
    model = onnx.load(path)
    change(model)
    _replace(path, model.SerializeToString())
    _record_checksum(folder)


def _record_checksum(folder: Path) -> None:
    checksum = sha256_of(folder / "model.onnx")
    edit_manifest(folder, lambda manifest: manifest["sha256"].update({"model.onnx": checksum}))


def _replace(path: Path, content: bytes) -> None:
    path.unlink()  # it may be a link to the sound model's file
    path.write_bytes(content)
