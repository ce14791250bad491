"""Fixtures: an empty MLflow registry, made once and restored before each test."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest
import registered_models
from promotion_harness import APRIL, MARCH, PromotionHarness, State
from registered_models import Register, connect

from taxi_assets.registry.database import initialise
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, sqlite3.Connection]]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), mlflow_port=5999, threads=1)
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


@pytest.fixture(scope="session")
def promotion_states(empty_registry: tuple[Settings, sqlite3.Connection]) -> tuple[PromotionHarness, State, State]:
    """Two states: no decision, and version 2 that waits, compared with champion 1."""
    settings, copy = empty_registry
    harness = PromotionHarness(settings, Warehouse(settings))
    with closing(connect(settings)) as database:
        copy.backup(database)
    empty = harness.copy()
    assert harness.decide(harness.register(MARCH).version, MARCH, "auto") == "promoted"
    assert harness.decide(harness.register(APRIL).version, APRIL) == "waiting"
    return harness, empty, harness.copy()


@pytest.fixture
def promotion(promotion_states: tuple[PromotionHarness, State, State]) -> PromotionHarness:
    """No decision, in an empty registry."""
    harness, empty, _ = promotion_states
    harness.restore(empty)
    return harness


@pytest.fixture
def waiting(promotion_states: tuple[PromotionHarness, State, State]) -> PromotionHarness:
    """Version 2 waits, compared with champion 1."""
    harness, _, state = promotion_states
    harness.restore(state)
    return harness
