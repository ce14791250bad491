"""Puts the warehouses of tests into PostgreSQL and S3, each into a database and a prefix of its own."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from empty_warehouse import create_or_update
from postgres_server import PostgresServer
from s3_server import BUCKET

from taxi_assets.settings import Settings
from taxi_assets.warehouse.catalogue import tables_marker
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.data_path import data_root

_create_settings = Settings.__init__


@dataclass
class SharedLakes:
    """Databases of one server, copied from an empty one: creating its tables takes 2 s.

    Attributes:
        server: The server.
        folder: The empty warehouse's home.
    """

    server: PostgresServer
    folder: Path
    _created: set[str] = field(default_factory=set)

    def settings_init(self) -> Callable[..., None]:
        """A `Settings.__init__` whose homes have their catalogue in PostgreSQL and their files in S3."""

        def create(settings: Settings, **values: Any) -> None:
            if "home" in values:
                name = f"home_{hashlib.sha256(str(values['home']).encode()).hexdigest()[:16]}"
                catalog = self.server.url.removesuffix("postgres") + name
                values = {"catalog": catalog, "data_path": f"s3://{BUCKET}/{name}", **values}
            _create_settings(settings, **values)

        return create

    def warehouse_initialise(self) -> Callable[[Warehouse], None]:
        """A `Warehouse._initialise` that creates the catalogue's database first."""

        def initialise(warehouse: Warehouse) -> None:
            settings = warehouse.settings
            name = database(settings)
            if name.startswith("home_") and name not in self._created:
                self._create_database(settings)
                self._created.add(name)
            create_or_update(warehouse)

        return initialise

    def _create_database(self, settings: Settings) -> None:
        empty = Settings(home=self.folder, data_kind="synthetic", threads=1, memory_limit="1GB")
        if not self._created:
            self.server.execute(f"CREATE DATABASE {database(empty)}")
            self._created.add(database(empty))
            create_or_update(Warehouse(empty))
        name = database(settings)
        if name == database(empty):
            return
        self.server.execute(f"CREATE DATABASE {name} TEMPLATE {database(empty)}")
        place = "UPDATE taxi_synthetic.ducklake_metadata SET value = '{}' WHERE key = 'data_path'"
        self.server.execute(place.format(f"{settings.data_path}/synthetic/"), name)
        if data_root(settings).endswith("/synthetic"):
            for each in (settings.warehouse / "data", settings.landing, settings.file_store):
                each.mkdir(parents=True, exist_ok=True)
            shutil.copy(tables_marker(empty), tables_marker(settings))


def database(settings: Settings) -> str:
    return str(settings.catalog.get_secret_value()).rpartition("/")[2] if settings.catalog else ""
