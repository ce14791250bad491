"""A model version is loaded only if it passes every check, and a refusal gives the reason."""

import gc
import os
import time
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import model_store_samples
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.model_checks import load_checked, warm_up
from taxi_assets.serving.deployments.model_store import find_model


def test_a_sound_model_is_loaded_and_timed(tmp_path: Path) -> None:
    checked = load_checked(model_store_samples.add_version(tmp_path, 7), 7)
    assert checked.model.facts["version"] == 7
    assert 0 < checked.median_milliseconds < 1000 * checked.load_seconds


@pytest.mark.parametrize("name", model_store_samples.BROKEN)
def test_a_broken_model_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    damage, reason = model_store_samples.BROKEN[name]
    folder = model_store_samples.add_version(tmp_path, 7, damage)
    with pytest.raises(TaxiError, match=r"^version 7 is refused: .*: ") as refusal:
        load_checked(folder, 7)
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_model_of_another_version_is_refused(tmp_path: Path) -> None:
    folder = model_store_samples.add_version(tmp_path, 7)
    with pytest.raises(TaxiError, match="version 8 is refused: its folder contains version 7"):
        load_checked(folder, 8)


def test_predictions_outside_the_golden_trips_are_checked(tmp_path: Path) -> None:
    folder = model_store_samples.add_version(tmp_path, 7, model_store_samples.predict_negative_outside_golden_trips)
    with pytest.raises(TaxiError, match=r"it predicts -[0-9.]+ minutes"):
        load_checked(folder, 7)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    folder = model_store_samples.add_version(tmp_path, 7, model_store_samples.replace_trees_by_text)
    with pytest.raises(TaxiError, match="version 7 is refused, loading fails"):
        load_checked(folder, 7)


def test_a_frozen_model_is_freed_with_its_last_user(tmp_path: Path) -> None:
    checked = load_checked(model_store_samples.add_version(tmp_path, 7), 7)
    gc.collect()
    gc.freeze()  # as at the start of the endpoint
    try:
        model, session = weakref.ref(checked.model), weakref.ref(checked.model.session)
        encoder = weakref.ref(checked.model.encoder)
        del checked
        assert model() is None
        assert session() is None
        assert encoder() is None
    finally:
        gc.unfreeze()


def test_the_newest_folder_of_a_version_is_found(tmp_path: Path) -> None:
    older = model_store_samples.add_version(tmp_path, 1)
    model_store_samples.add_version(tmp_path, 12)
    assert find_model(tmp_path, 1) == older
    newer = older.parents[1].rename(tmp_path / "v1-0") / "src" / "model"
    os.utime(model_store_samples.add_version(tmp_path, 1), (1, 1))
    assert find_model(tmp_path, 1) == newer


def test_a_version_without_a_folder_is_named(tmp_path: Path) -> None:
    model_store_samples.add_version(tmp_path, 12)
    with pytest.raises(TaxiError, match=r"version 1 has no Bento in .*: package it with `taxi deploy 1`"):
        find_model(tmp_path, 1)


class Interrupted:
    """A session whose thread has to wait, as on a busy machine."""

    def __init__(self, session: Any) -> None:
        self.run = lambda *given: (time.sleep(0.02), session.run(*given))[1]


def test_a_busy_machine_refuses_no_sound_model(tmp_path: Path) -> None:
    model = load_checked(model_store_samples.add_version(tmp_path, 7), 7).model
    assert warm_up(replace(model, session=Interrupted(model.session)), 10) < 10  # type: ignore[arg-type]
