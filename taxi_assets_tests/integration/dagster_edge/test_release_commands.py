"""A person takes a revision from dev to prod by `taxi release`, in a checkout with commits of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from platform_harness import PlatformHarness
from repository_copy import commit_all, copy_repository

from taxi_assets.monitoring.release.revision import folder_sha256
from taxi_assets.serving.packaging.bento_build import bento_folder, latest
from taxi_assets.settings import Environment, Settings

pytestmark = pytest.mark.slow
Taxi = Callable[..., str]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copy_repository(tmp_path / "checkout")


@pytest.fixture
def taxi(checkout: Path, platform: PlatformHarness) -> Iterator[Taxi]:
    """Runs a command of the checkout on the small platform's home; returns what it prints."""
    removed = {"TAXI_ENV", "PYTEST_CURRENT_TEST", "DAGSTER_HOME"}
    inherited = {name: value for name, value in os.environ.items() if name not in removed}
    own = {"PYTHONPATH": str(checkout), "TAXI_HOME": str(platform.settings.home), "TAXI_DATA_KIND": "synthetic"}

    def run(env: Environment, command: str, *, refused: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "taxi_assets", "release", *command.split()],
            env={**inherited, **own, "TAXI_ENV": env},
            cwd=checkout,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) is refused, done.stdout + done.stderr
        return " ".join((done.stderr if refused else done.stdout).split())

    assert platform.settings.active_data_kind == "synthetic"
    yield run
    for folder in (platform.settings.releases, *(environment(platform, env).root for env in ("test", "prod"))):
        shutil.rmtree(folder, ignore_errors=True)


def environment(platform: PlatformHarness, env: Environment) -> Settings:
    return platform.settings.model_copy(update={"env": env})


def releases(taxi: Taxi, env: Environment) -> list[tuple[str, str]]:
    found = json.loads(taxi(env, "--json -"))["releases"]
    return [(each["action"], each["revision"]["commit"]) for each in found]


@pytest.mark.timeout(300)
def test_a_revision_goes_from_dev_to_prod_and_back_by_commands(
    taxi: Taxi, checkout: Path, platform: PlatformHarness
) -> None:
    verify, promote, undo = ("verify --by Ada --why green", "promote --by Ada --why planned", "undo --by Ada --why bad")
    assert "dev has no verified revision" in taxi("dev", f"{promote} --to test", refused=True)
    readme = checkout / "README.md"
    text = readme.read_text()
    readme.write_text(f"{text}changed\n")
    assert "+dirty is not a clean" in taxi("dev", verify, refused=True)
    readme.write_text(text)

    first = commit_all(checkout, "Say more", readme, f"{text}more\n")
    assert f"commit {first}" in taxi("dev", verify)
    taxi("dev", f"{promote} --to test")
    assert "test has no verified revision" in taxi("dev", f"{promote} --to prod", refused=True)
    taxi("test", verify)
    taxi("dev", f"{promote} --to prod")
    assert releases(taxi, "prod") == [("promoted", first)]
    dev, prod = (environment(platform, env) for env in ("dev", "prod"))
    trained, served = latest(dev), latest(prod)
    assert trained
    assert served
    assert served.tag == trained.tag
    assert folder_sha256(bento_folder(prod, served.tag)) == folder_sha256(bento_folder(dev, trained.tag))

    second = commit_all(checkout, "Say still more", readme, f"{text}still more\n")
    refused = taxi("dev", f"{promote} --to test", refused=True)
    assert "the revision of dev changed since it was verified (commit)" in refused
    taxi("dev", verify)
    taxi("dev", f"{promote} --to test")
    refused = taxi("dev", f"{promote} --to prod", refused=True)
    assert "the revision of test changed since it was verified (commit)" in refused
    taxi("test", verify)
    taxi("dev", f"{promote} --to prod")
    taxi("dev", f"{undo} --to prod")
    assert releases(taxi, "prod") == [("promoted", first), ("promoted", second), ("undone", first)]
    assert latest(prod) == served
