"""DuckDB's extensions: signatures are checked, once a process for each file."""

import shutil
from pathlib import Path

import duckdb
import pytest

from taxi_assets.warehouse import extensions


def test_a_file_is_trusted_only_as_it_was_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ducklake.duckdb_extension"
    shutil.copyfile(extensions.extension_file("ducklake"), file)
    monkeypatch.setattr(extensions, "extension_file", lambda _: file)
    extensions.open_database(["ducklake"], {}).close()
    extensions.open_database(["ducklake"], {}).close()
    with file.open("r+b") as changed:
        changed.seek(-1_000_000, 2)
        changed.write(b"another program")
    with pytest.raises(duckdb.IOException, match="signature"):
        extensions.open_database(["ducklake"], {})


def test_no_database_takes_unsigned_extensions_later() -> None:
    extensions.open_database(["ducklake"], {}).close()
    with extensions.open_database(["ducklake"], {}) as database:
        assert database.execute("SELECT current_setting('allow_unsigned_extensions')").fetchall() == [(False,)]
        with pytest.raises(duckdb.InvalidInputException, match="allow_unsigned_extensions"):
            database.execute("SET allow_unsigned_extensions = true")
