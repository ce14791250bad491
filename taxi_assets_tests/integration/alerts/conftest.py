"""A home with a webhook, and its warehouse."""

import shutil
from collections.abc import Iterator

import pytest
from webhook_server import Webhook, posting_to, serving

from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

_TABLES = (
    *("alerts", "source_files", "file_columns", "drift_verdicts", "live_performance", "promotions"),
    "champion_changes",
)


@pytest.fixture(scope="session")
def shared_alert_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    home = tmp_path_factory.mktemp("alerts")
    return Warehouse(Settings(home=home, data_kind="real", threads=1, memory_limit="1GB"))


@pytest.fixture
def warehouse(shared_alert_warehouse: Warehouse) -> Iterator[Warehouse]:
    """A warehouse without rows; those of a test are removed after it."""
    yield shared_alert_warehouse
    with shared_alert_warehouse.publishing("as before") as connection:
        for table in _TABLES:
            connection.execute(f"DELETE FROM {table}")
    shutil.rmtree(shared_alert_warehouse.settings.serving_state, ignore_errors=True)


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    monkeypatch.setenv("NO_PROXY", "*")
    with serving() as server:
        yield server


@pytest.fixture
def posting(warehouse: Warehouse, webhook: Webhook) -> Warehouse:
    return posting_to(warehouse, webhook.url)
