"""A packaged model counts as verified only with the files and libraries of its packaging."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from taxi_assets.serving.packaged_files import is_unchanged, record_files


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("manifest.json", "model.onnx", "tables.npy"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def record(model: Path) -> Path:
    path = model.with_name("packaged.json")
    path.write_text(record_files(model))
    return path


def set_library(record: Path, name: str) -> None:
    content = json.loads(record.read_text())
    content["libraries"][name] += ".1"
    record.write_text(json.dumps(content))


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "a changed file": lambda model, _: (model / "tables.npy").write_text("other"),
    "a missing file": lambda model, _: (model / "model.onnx").unlink(),
    "a further file": lambda model, _: (model / "more").touch(),
    "another Python": lambda _, record: set_library(record, "python"),
    "another ONNX Runtime": lambda _, record: set_library(record, "onnxruntime"),
    "no record": lambda _, record: record.unlink(),
    "a damaged record": lambda _, record: record.write_text("{"),
}


def test_a_model_as_packaged_is_unchanged(model: Path, record: Path) -> None:
    assert is_unchanged(model, record)


@pytest.mark.parametrize("change", CHANGES)
def test_another_model_or_library_is_changed(model: Path, record: Path, change: str) -> None:
    CHANGES[change](model, record)
    assert not is_unchanged(model, record)
