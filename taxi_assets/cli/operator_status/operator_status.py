"""Reads the sections of the operator's page; one that cannot be read hides no other."""

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from taxi_assets.cli.operator_status.alert_section import alert_section
from taxi_assets.cli.operator_status.data_section import data_section
from taxi_assets.cli.operator_status.endpoint_section import EndpointSection
from taxi_assets.cli.operator_status.model_section import model_section
from taxi_assets.cli.operator_status.run_section import run_section
from taxi_assets.cli.operator_status.status_section import Section
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

_KEPT_SECONDS = 1.0
ReadSection = Callable[[Settings, Warehouse], Section]


class OperatorStatus:
    """The state of a home's platform. Reads only.

    Args:
        settings: The home, and the ports of its servers.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._readers: dict[str, ReadSection] = {
            "data": data_section,
            "runs": run_section,
            "model": model_section,
            "endpoint": EndpointSection(),
            "alerts": alert_section,
        }
        self._lock = threading.Lock()
        self._last: tuple[float, dict[str, Any]] | None = None

    def sections(self) -> list[Section]:
        """Every section as it is now."""
        if not self.settings.root.is_dir():  # reading its stores would create it
            return [Section(name, problem="nothing was run in this home yet: `make run`") for name in self._readers]
        warehouse = Warehouse(self.settings)
        return [self._read(name, reader, warehouse) for name, reader in self._readers.items()]

    def as_json(self) -> dict[str, Any]:
        """The sections, read at most once a second, and the worst state of them."""
        with self._lock:
            now = time.monotonic()
            if self._last is None or now - self._last[0] > _KEPT_SECONDS:
                sections = self.sections()
                states = {each.state for each in sections}
                worst = next((state for state in ("bad", "unknown", "watch") if state in states), "ok")
                facts = {
                    "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
                    "state": worst,
                    "synthetic": self.settings.active_data_kind == "synthetic",
                    "sections": [asdict(each) | {"state": each.state} for each in sections],
                }
                self._last = (time.monotonic(), facts)
            return self._last[1]

    def _read(self, name: str, reader: ReadSection, warehouse: Warehouse) -> Section:
        try:
            return reader(self.settings, warehouse)
        except Exception as error:  # a part that is down must not hide the others
            return Section(name, problem=f"{type(error).__name__}: {error}".splitlines()[0])
