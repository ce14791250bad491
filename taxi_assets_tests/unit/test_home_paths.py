"""`TAXI_HOME` becomes part of URLs: characters they cannot hold are refused first, others work."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from taxi_assets import cli
from taxi_assets.settings import Settings

UNUSABLE = [
    "a%20b",
    "50%",
    "what?",
    "a*",
    "a[1]",
    "a]",
    "$HOME",
    "a\\b",
    "a\nb",
    "a\tb",
    "a\u2028b",
    "a\u202eb",
    "a\udcffb",
]
USABLE = ["a home", "it's", 'a "quoted"', "café 中 😀", "a#b", "a;b", "a&b=c", "a:b@c", "{0}", "~a", "a..b", "!"]


@pytest.mark.parametrize("name", UNUSABLE)
def test_home_with_a_forbidden_character_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"contains .*: set TAXI_HOME to a path without"):
        Settings(home=tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_default_home_in_such_a_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "100%").mkdir()
    monkeypatch.chdir(tmp_path / "100%")
    with pytest.raises(ValidationError, match="contains %: set TAXI_HOME"):
        Settings()


@pytest.mark.parametrize("name", ["a%20b", "a\nb", "a\\b", "a?b"])
def test_command_line_reports_the_home_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from taxi_assets import cli

    monkeypatch.setenv("TAXI_HOME", str(tmp_path / name))
    monkeypatch.setattr("sys.argv", ["taxi", "run", "--months", "2023-01..2023-02"])
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: TAXI_HOME is ")
    assert line.endswith("see docs/settings.md")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", USABLE)
def test_any_other_home_is_written_in_its_own_folder(name: str, tmp_path: Path) -> None:
    from sqlalchemy import create_engine

    settings = Settings(home=tmp_path / name)
    settings.mlflow_home.mkdir(parents=True)
    engine = create_engine(settings.mlflow_uri)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE here (a)")
    engine.dispose()
    assert (settings.mlflow_home / "mlflow.db").is_file()


# Every character a path may hold, except those that end or divide it.
SIGNS = st.characters(codec="utf-8", exclude_characters="/\x00")


@given(name=st.text(SIGNS, min_size=1, max_size=12).filter(lambda text: text.strip(".")))
def test_accepted_home_is_unchanged_in_the_url(name: str) -> None:
    from sqlalchemy import make_url

    home = Path("/nowhere") / name
    try:
        settings = Settings(home=home)
    except ValidationError:
        return
    assert make_url(settings.mlflow_uri).database == str(settings.mlflow_home / "mlflow.db")
    assert settings.home == home


@pytest.mark.parametrize(("name", "text"), [("home", "~/taxi"), ("tlc_source", "~/tlc")])
def test_a_tilde_is_the_home_folder(name: str, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(f"TAXI_{name.upper()}", text)
    assert str(getattr(Settings(), name)) == str(tmp_path / text.removeprefix("~/"))


def test_home_of_an_unknown_user_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXI_HOME", "~unknown-user-of-this-name/taxi")
    with pytest.raises(ValidationError, match="write the whole path"):
        Settings()


@pytest.mark.slow
def test_home_with_special_characters_stores_lake_models_and_bentos(tmp_path: Path) -> None:
    import small_model

    from taxi_assets.defs.instance import open_instance
    from taxi_assets.registry import model_versions, tracking
    from taxi_assets.serving.packaging import bento_build
    from taxi_assets.warehouse.connection import Warehouse

    settings = Settings(home=tmp_path / 'it\'s "a" café #1; {0} & a:b@c!', data_kind="synthetic")
    with Warehouse(settings).publishing("a zone") as connection:
        connection.execute("INSERT INTO taxi_zones BY NAME SELECT 1 AS zone_id")
    with open_instance(settings) as instance:
        assert instance.get_runs() == []
    run_id = tracking.open_run(settings, "dagster", "job", {})
    version, example = _register(settings, run_id)
    assert model_versions.load_sklearn(settings, version).predict(example) == pytest.approx([0.0, 1.0, 2.0])
    tag = bento_build.build_bento(settings, small_model.write(tmp_path / "model"), {}, small_model.drawn_city())
    assert bento_build.latest(settings).tag == tag  # type: ignore[union-attr]
    assert {path.name for path in tmp_path.iterdir()} == {settings.home.name, "model"}


def _register(settings: Settings, run_id: str) -> Any:
    import mlflow
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    from taxi_assets.registry import model_versions, tracking

    example = pd.DataFrame({"pickup_hour": [0.0, 1.0, 2.0]})
    with mlflow.start_run(run_id):
        uri = tracking.log_model(LinearRegression().fit(example, [0.0, 1.0, 2.0]), example)
    return model_versions.register(settings, run_id, uri, "key", {}), example


@pytest.mark.parametrize("kind", ["real", "synthetic"])
@pytest.mark.parametrize(
    ("store", "content"),
    [("arrived", {}), ("files", {"warehouse/tables.json": '{"raw_trips": "CREATE TABLE raw_trips (month DATE)"}'})],
    ids=["other folders", "a month in three commits"],
)
def test_home_of_an_older_layout_is_refused_and_left_as_it_is(
    kind: str, store: str, content: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    month_file = f"{store}/green/2023-01/{'0' * 64}.parquet"
    for name, text in {month_file: "bytes", **content}.items():
        file = tmp_path / "home" / kind / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setenv("TAXI_HOME", str(tmp_path / "home"))
    result = CliRunner().invoke(cli.app, ["status"], catch_exceptions=True)
    message = str(result.exception)
    assert "layout of an earlier version" in message
    assert f"copy each {kind}/{store}/<service>/<month>/<sha256>.parquet" in message
    assert "\n" not in message
    assert sorted(tmp_path.rglob("*")) == before
