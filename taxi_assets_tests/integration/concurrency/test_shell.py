"""The guide's commands for the `duckdb` shell work as documented."""

import re
from pathlib import Path

import duckdb
import pytest

from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.extensions import extension_file

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "warehouse-shell.md"


def shell_commands() -> list[str]:
    block = re.search(r"^```sql\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    assert block
    return [command.strip() for command in block[1].split(";") if command.strip()]


def test_commands_of_the_guide_read_the_ducklake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Warehouse(Settings(home=Path(".taxi"), data_kind="real")).publishing("one ride") as connection:
        connection.execute("INSERT INTO kept_trips (month, duration_minutes) VALUES (DATE '2023-01-01', 7.5)")
    install, *commands = [command for command in shell_commands() if command != "INSTALL sqlite"]
    assert install == "INSTALL ducklake"
    with duckdb.connect() as shell:
        for extension in ("ducklake", "sqlite_scanner"):  # from the packages, as tests have no network
            shell.load_extension(str(extension_file(extension)))
        found = [shell.execute(command).fetchall() for command in commands]
        assert found[-2][0][1:] == (1, 7.5)
        assert found[-1][-1][2] == "one ride"
        with pytest.raises(duckdb.Error, match="read-only"):
            shell.execute("DELETE FROM kept_trips")
