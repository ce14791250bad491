"""A serving folder is loaded only if it is whole, of this code, and predicts as the fitted model did."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_model
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.errors import TaxiError
from taxi_assets.serving.requested_ride import RideRequest
from taxi_assets.serving.served_model import GOLDEN_TOLERANCE_MINUTES, ServedModel
from taxi_assets.serving.serving_manifest import FORMAT, read_manifest


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model.write(tmp_path_factory.mktemp("serving") / "whole")


@pytest.fixture(scope="module")
def model(whole: Path) -> ServedModel:
    return ServedModel.load(whole)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A folder of links to the shared model's files; tests replace them."""
    return Path(shutil.copytree(whole, tmp_path / "folder", copy_function=os.link))


def replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    replace(folder / "manifest.json", json.dumps(manifest).encode())


def test_a_whole_folder_is_loaded(model: ServedModel) -> None:
    assert model.services == ("green", "fhvhv")
    assert model.facts == small_model.FACTS
    assert model.zone_names.names == small_model.ZONE_NAMES
    assert model.largest_difference_minutes < GOLDEN_TOLERANCE_MINUTES


def test_predictions_use_one_thread(model: ServedModel) -> None:
    assert model.session.get_session_options().intra_op_num_threads == 1


@pytest.mark.parametrize("name", ["model.onnx", "tables.npy", "manifest.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(TaxiError, match=f"not a complete model.*{name}.*package the model again"):
        read_manifest(folder)


@pytest.mark.parametrize("name", ["model.onnx", "tables.npy"])
def test_one_flipped_bit_is_detected(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    replace(folder / name, bytes(content))
    with pytest.raises(TaxiError, match=f"{name} is damaged"):
        ServedModel.load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"format": %d}' % FORMAT])
def test_an_invalid_manifest_is_refused(folder: Path, content: bytes) -> None:
    replace(folder / "manifest.json", content)
    with pytest.raises(TaxiError, match="not a complete model"):
        read_manifest(folder)


def test_a_folder_of_another_format_is_refused(folder: Path) -> None:
    edit(folder, lambda manifest: manifest.update(format=FORMAT + 1))
    with pytest.raises(TaxiError, match=f"of format {FORMAT + 1}, this code reads {FORMAT}"):
        ServedModel.load(folder)


def test_a_model_with_other_columns_is_refused_and_they_are_named(folder: Path) -> None:
    edit(folder, lambda manifest: manifest["columns"].append("weather"))
    with pytest.raises(TaxiError, match=r"other columns \(weather\)"):
        ServedModel.load(folder)


def test_a_model_with_columns_in_another_order_is_refused(folder: Path) -> None:
    edit(folder, lambda manifest: manifest["columns"].reverse())
    with pytest.raises(TaxiError, match=r"other columns \(their order\)"):
        ServedModel.load(folder)


def test_a_model_with_other_service_numbers_is_refused(folder: Path) -> None:
    edit(folder, lambda manifest: manifest["services"].update(green=1))
    with pytest.raises(TaxiError, match="other numbers for the services"):
        ServedModel.load(folder)


@pytest.mark.parametrize("minutes", [0.01, float("nan")])
def test_model_with_other_golden_predictions_is_rejected(folder: Path, minutes: float) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["golden"]["minutes"][7] += minutes

    edit(folder, change)
    with pytest.raises(TaxiError, match="minutes off the model it was made from"):
        ServedModel.load(folder)


def test_requests_and_columns_give_the_same_predictions(model: ServedModel) -> None:
    request = RideRequest("fhvhv", datetime(2023, 3, 1, 8, 30), 74, 265)
    columns = {
        "service_id": np.array([2]),
        "pickup_at": np.array(["2023-03-01T08:30"], "datetime64[s]"),
        "pickup_zone_id": np.array([74]),
        "dropoff_zone_id": np.array([265]),
    }
    expected = model.predict_interval(columns).minutes[0]
    assert model.predict_request_intervals([request, request]).minutes == pytest.approx([expected] * 2)


def test_a_service_without_training_is_refused(model: ServedModel) -> None:
    with pytest.raises(TaxiError, match="yellow"):
        model.predict_request_intervals([RideRequest("yellow", datetime(2023, 3, 1, 8, 30), 74, 75)])


@given(st.integers(1, 265), st.integers(1, 265), st.datetimes(datetime(2009, 1, 1), datetime(2049, 12, 31)))
def test_one_encoded_ride_is_predicted_as_one_of_two(model: ServedModel, start: int, end: int, at: datetime) -> None:
    matrix = model.encode_ride(RideRequest("green", at, start, end))
    alone, among = model.predict_matrix(matrix), model.predict_matrix(np.concatenate([matrix, matrix]))
    for name, values in vars(alone).items():
        np.testing.assert_array_equal(values, vars(among)[name][:1])
