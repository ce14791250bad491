"""Fixtures: an empty MLflow registry, made once and restored before each test."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest
import registered_models
from registered_models import Register, connect

from taxi_assets.registry.database import initialise
from taxi_assets.settings import Settings


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, sqlite3.Connection]]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), mlflow_port=5999)
    initialise(settings)
    with closing(sqlite3.connect(":memory:")) as copy, closing(connect(settings)) as database:
        database.backup(copy)
        yield settings, copy


@pytest.fixture
def settings(empty_registry: tuple[Settings, sqlite3.Connection]) -> Settings:
    settings, copy = empty_registry
    with closing(connect(settings)) as database:
        copy.backup(database)
    return settings


@pytest.fixture
def register(settings: Settings) -> Register:
    return partial(registered_models.register, settings)
