"""Versions in a real MLflow registry: registered once per training, promoted by alias, loaded."""

import hashlib
import pickle
from contextlib import closing

import pytest
from registered_models import connect

from taxi_assets.errors import TaxiError
from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.database import client
from taxi_assets.registry.links import update_links


def test_same_training_makes_one_version(settings, register):
    first = register("key", window="2023-01..2023-02", snapshot="7")
    assert (first.name, first.version) == ("taxi-duration", 1)
    digest = hashlib.sha256(pickle.dumps("key")).hexdigest()
    tags = {"window": "2023-01..2023-02", "snapshot": "7", "training_key": "key", "model_sha256": digest}
    assert first.tags == tags
    assert first.run_id == tracking.open_run(settings, "run of key", "job", {})
    assert register("key", window="2023-01..2023-02", snapshot="8") == first
    assert model_versions.find(settings, "key") == first
    assert model_versions.find(settings, "another key") is None


def test_other_training_makes_the_next_version(settings, register):
    assert model_versions.latest(settings) is None
    assert [register(key).version for key in ("a", "b", "a", "c")] == [1, 2, 1, 3]
    assert model_versions.latest(settings) == register("c")


def test_latest_of_ten_versions_is_the_tenth(settings, register):
    for number in range(10):
        register(f"key {number}")
    assert model_versions.latest(settings).version == 10


def test_version_that_is_not_ready_is_not_taken(settings, register):
    register("key")
    with closing(connect(settings)) as database, database:
        database.execute("UPDATE model_versions SET status = 'FAILED_REGISTRATION'")
    assert model_versions.find(settings, "key") is None
    assert model_versions.latest(settings) is None
    assert register("key").version == 2


def test_version_is_shown_on_its_logged_model(settings, register):
    version = register("key")
    api = client(settings)
    (model,) = api.search_logged_models([api.get_run(version.run_id).info.experiment_id])
    assert model.tags["mlflow.modelVersions"] == '[{"name": "taxi-duration", "version": 1}]'


def test_champion_is_the_version_promoted_last(settings, register):
    first, second = register("a"), register("b")
    assert model_versions.champion(settings) is None
    promoted = model_versions.promote(settings, first.version, "the first of all")
    assert model_versions.champion(settings) == promoted
    assert promoted.tags["promotion_reason"] == "the first of all"
    assert promoted.tags["replaced_version"] == "none"

    assert model_versions.promote(settings, second.version, "better by 3%").tags["replaced_version"] == "1"
    assert model_versions.champion(settings).version == 2
    assert model_versions.promote(settings, first.version, "rolled back").tags["replaced_version"] == "2"
    assert model_versions.champion(settings).version == 1


def test_promoting_the_champion_changes_nothing(settings, register):
    register("a")
    champion = model_versions.promote(settings, 1, "the first of all")
    assert model_versions.promote(settings, 1, "again") == champion
    assert model_versions.champion(settings) == champion


def test_description_keeps_the_note_on_superseded_files(settings, register):
    version = register("a")
    model_versions.describe(settings, 1, "TrainingResult.")
    model_versions.tag_superseded(settings, version, ["green_tripdata_2023-01.parquet"])
    model_versions.describe(settings, 1, "Promoted.")
    first, second = client(settings).get_model_version("taxi-duration", "1").description.splitlines()
    assert first == "Promoted."
    assert "green_tripdata_2023-01.parquet" in second


def test_unknown_version_is_not_promoted(settings, register):
    register("a")
    model_versions.promote(settings, 1, "the first of all")
    with pytest.raises(TaxiError, match="no version 2: the newest are 1"):
        model_versions.promote(settings, 2, "by mistake")
    assert model_versions.champion(settings).version == 1


def test_loaded_version_equals_the_fitted_model(settings):
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    example = pd.DataFrame({"pickup_hour": [0.0, 1.0, 2.0]})
    run_id = tracking.open_run(settings, "dagster", "job", {})
    import mlflow

    with mlflow.start_run(run_id):
        uri = tracking.log_model(LinearRegression().fit(example, [1.0, 2.0, 3.0]), example)
    version = model_versions.register(settings, run_id, uri, "key", {})
    assert model_versions.load_sklearn(settings, version).predict(example) == pytest.approx([1.0, 2.0, 3.0])


def test_url_is_the_version_in_the_user_interface(settings):
    page = "http://127.0.0.1:5999/#/models/taxi-duration/versions/3?workflowType=machine_learning"
    assert model_versions.version_url(settings, 3) == page


def test_links_of_runs_and_versions_use_the_current_ports(settings, register):
    page = "http://127.0.0.1:3000/runs/abc"
    links = {"dagster_url": page, "mlflow_url": "http://127.0.0.1:5999/#/experiments/1/runs/x"}
    version = register("key", **links)
    api = client(settings)
    for name, value in {**links, "mlflow.note.content": f"Made by [Dagster run abc]({page})."}.items():
        api.set_tag(version.run_id, name, value)
    assert update_links(settings) == 0
    moved = settings.model_copy(update={"dagster_port": 7000, "mlflow_port": 7003})
    assert update_links(moved) == 2
    run, found = api.get_run(version.run_id).data.tags, model_versions.latest(settings).tags
    for tags in (run, found):
        assert tags["dagster_url"] == "http://127.0.0.1:7000/runs/abc"
        assert tags["mlflow_url"] == "http://127.0.0.1:7003/#/experiments/1/runs/x"
    assert run["mlflow.note.content"] == "Made by [Dagster run abc](http://127.0.0.1:7000/runs/abc)."
    assert update_links(moved) == 0
