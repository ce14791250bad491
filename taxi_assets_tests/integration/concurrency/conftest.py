"""Fixtures: a lake on each kind of catalogue and files."""

from pathlib import Path

import pytest
from shared_lake import warehouse_at

from taxi_assets.warehouse.connection import Warehouse


@pytest.fixture(
    params=[
        "sqlite",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("postgresql", "sqlite+s3", "postgresql+s3")),
    ]
)
def lake(request: pytest.FixtureRequest, tmp_path: Path, own_password: None) -> Warehouse:
    url = request.getfixturevalue("server").url if "postgresql" in request.param else None
    data_path = request.getfixturevalue("data_path") if "s3" in request.param else None
    return warehouse_at(tmp_path / "home", url, data_path)
