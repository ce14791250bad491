"""Copies one empty warehouse for each new one of the tests: creating its tables takes 0.2 s."""

import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse, require_writable

create_or_update = Warehouse._initialise


def copying_from(folder: Path) -> Callable[[Warehouse], None]:
    """A `Warehouse._initialise` that copies an empty warehouse; its first call creates that in `folder`."""
    empty = Settings(home=folder, threads=1, memory_limit="1GB")

    def initialise(warehouse: Warehouse) -> None:
        settings = warehouse.settings
        if not settings.warehouse.exists():
            require_writable(settings.home)
            create_or_update(Warehouse(empty))
            settings.landing.mkdir(parents=True, exist_ok=True)
            settings.file_store.mkdir(parents=True, exist_ok=True)
            copy = settings.warehouse.with_name(f"warehouse-{uuid4()}")
            shutil.copytree(empty.warehouse, copy, ignore=shutil.ignore_patterns("*.lock", "spill"))
            try:
                copy.rename(settings.warehouse)
            except OSError:  # another thread was first
                shutil.rmtree(copy)
        create_or_update(warehouse)

    return initialise
