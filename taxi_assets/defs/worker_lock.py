"""Checks that the process of a run on another machine is alive, by a lock in PostgreSQL.

The process has the lock on a connection of its own. PostgreSQL releases it when the process dies, and within a minute
when its machine does.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from taxi_assets.settings import Settings
from taxi_assets.settings.postgres import open_schema

_KEEPALIVE = {"tcp_keepalives_idle": 20, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}


@contextmanager
def run_alive(settings: Settings, run_id: str) -> Iterator[None]:
    """Hold the lock of a run while its process works on it.

    Raises:
        TaxiError: the database cannot be used.
    """
    with open_schema(settings, "dagster_storage") as connection:
        for name, value in _KEEPALIVE.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, str(value)])
        connection.execute("SELECT pg_advisory_lock(%s)", [_key(run_id)])
        yield


def is_run_alive(settings: Settings, run_id: str) -> bool:
    """True if a process holds the lock of the run.

    Raises:
        TaxiError: the database cannot be used.
    """
    with open_schema(settings, "dagster_storage") as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [_key(run_id)]).fetchone()
    return bool(row == (False,))


def _key(run_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"run {run_id}".encode()).digest()[:8], signed=True)
