"""Fixtures: a Bento of a small model, built once and served once for each test module."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import model_store_samples
import pytest
import small_model
from serving_platform import Platform

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import Program, bento_program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.serving.deployments.deploy_token import create_token
from taxi_assets.serving.deployments.model_store import STORE_VARIABLE
from taxi_assets.serving.deployments.serving_state import STATE_VARIABLE, ServingState
from taxi_assets.serving.packaging.bento_build import build_bento, model_store
from taxi_assets.settings import Settings

HOST = "127.0.0.1"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model.write(tmp_path_factory.mktemp("model") / "serving")


@pytest.fixture(scope="session")
def built(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(home=tmp_path_factory.mktemp("home"), data_kind="synthetic", bento_port=free_port(HOST))
    build_bento(settings, model, {"version": "3"}, small_model.drawn_city())
    return settings


@pytest.fixture(scope="module")
def program(built: Settings) -> Program:
    """The supervisor's serve command without the address, so that the Bento chooses what it binds to."""
    program = bento_program(built)
    command = list(program.command)
    del command[command.index("--host") : command.index("--host") + 2]
    return dataclasses.replace(program, command=tuple(command))


@pytest.fixture(scope="module")
def url(built: Settings, program: Program) -> Iterator[str]:
    with running(program, built.root / "logs" / "bento.log") as url:
        yield url


@pytest.fixture
def platform(built: Settings, tmp_path: Path) -> Platform:
    """A Bento of version 3 with two workers, whose store also has the versions 11 and 12."""
    store, state = tmp_path / "store", ServingState(tmp_path / "serving")
    shutil.copytree(model_store(built), store, symlinks=True)
    for version in (11, 12):
        model_store_samples.add_version(store, version)
    create_token(state)
    program = bento_program(built.model_copy(update={"bento_workers": 2, "bento_port": free_port(built.host)}))
    env = {**program.env, STORE_VARIABLE: str(store), STATE_VARIABLE: str(state.folder)}
    return Platform(dataclasses.replace(program, env=env), store, state)
