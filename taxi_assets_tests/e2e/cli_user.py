"""Runs `taxi` as a user does: in its own process, with its own home and ports."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxi_assets import synthetic
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.months import Month
from taxi_assets.settings import DataKind, Settings

HOST = "127.0.0.1"
TAXI = (str(Path(sys.executable).with_name("taxi")),)
MONTHS = (Month(2023, 1), Month(2023, 2))
SEED = 7


@dataclass(frozen=True)
class CliUser:
    """A user with a home, a source of months and a port, who types `taxi` commands."""

    home: Path
    source: str
    port: int
    data_kind: DataKind | None = None

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, data_kind=self.data_kind, tlc_source=self.source, bento_port=self.port)

    @property
    def environment(self) -> Mapping[str, str]:
        ours = {"TAXI_HOME": str(self.home), "TAXI_TLC_SOURCE": self.source, "TAXI_BENTO_PORT": str(self.port)}
        data_kind = {"TAXI_DATA_KIND": self.data_kind} if self.data_kind else {}
        return {**os.environ, **ours, **data_kind, "COLUMNS": "200"}

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs the command and returns its output and exit code."""
        environment = {**self.environment, **variables}
        return subprocess.run([*TAXI, *arguments], env=environment, capture_output=True, text=True, check=False)

    def run_json(self, *arguments: str) -> dict[str, Any]:
        """Runs the command with JSON output, which must succeed, and returns the parsed values."""
        done = self.run(*arguments, "--json", "-")
        assert done.returncode == 0, done.stderr
        facts: dict[str, Any] = json.loads(done.stdout)
        return facts


def make_cli_user(folder: Path, source: Path | str, data_kind: DataKind | None = None) -> CliUser:
    return CliUser(folder / "home", str(source), free_port(HOST), data_kind)


def write_months(folder: Path, rows: int, months: tuple[Month, ...] = MONTHS) -> Path:
    """Writes small synthetic months to a source folder."""
    synthetic.write_zones(folder, SEED)
    for month in months:
        synthetic.write_month(folder, "green", month, rows, SEED)
    return folder
