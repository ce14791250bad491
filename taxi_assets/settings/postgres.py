"""Addresses of stores in PostgreSQL; real and synthetic runs have a schema each."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from pydantic import PostgresDsn, Secret

from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from psycopg import Connection

Store = Literal["dagster_storage", "mlflow_store"]
_SCHEMAS: dict[Store, str] = {"dagster_storage": "taxi_dagster", "mlflow_store": "taxi_mlflow"}


def store_url(settings: Settings, store: Store) -> str:
    """The address for SQLAlchemy, with the password. Its connections use the store's schema.

    Raises:
        TaxiError: packages are missing, or it is no address of one PostgreSQL database.
    """
    parts = _parts(settings, store)
    from sqlalchemy import URL

    options = f"{parts.pop('options', '')} -csearch_path={schema_of(settings, store)}".strip()
    port, name = parts.pop("port", None), parts.pop("dbname", None)
    try:
        url = URL.create(
            "postgresql+psycopg2",  # Dagster's library needs this driver, and SQLAlchemy's default is another
            *(parts.pop("user", None), parts.pop("password", None), parts.pop("host", None)),
            int(port) if port else None,
            name,
            {**parts, "options": options},
        )
    except ValueError:
        raise _no_address(store) from None
    return url.render_as_string(hide_password=False)


def schema_of(settings: Settings, store: Store) -> str:
    """The schema of the store's tables."""
    return f"{_SCHEMAS[store]}_{settings.space}"


@contextmanager
def open_schema(settings: Settings, store: Store) -> Iterator["Connection"]:
    """A connection whose statements use the store's schema, which may be missing.

    Raises:
        TaxiError: the database cannot be used.
    """
    parts, schema = _parts(settings, store), schema_of(settings, store)
    import psycopg

    own = {"application_name": schema, "connect_timeout": parts.get("connect_timeout", 10)}
    try:
        connection = psycopg.connect(**{**parts, **own}, autocommit=True)
        connection.execute("SELECT set_config('search_path', %s, false)", [schema])
    except psycopg.Error as error:
        raise unusable(settings, store, error) from None
    with connection:
        yield connection


@contextmanager
def locked_schema(settings: Settings, store: Store) -> Iterator["Connection"]:
    """A connection with the store's lock, which excludes all machines; creates a missing schema.

    Raises:
        TaxiError: the database cannot be used.
    """
    schema = schema_of(settings, store)
    key = int.from_bytes(hashlib.sha256(schema.encode()).digest()[:8], signed=True)
    with open_schema(settings, store) as connection:
        import psycopg

        try:
            connection.execute("SELECT pg_advisory_lock(%s)", [key])
            if connection.execute("SELECT to_regnamespace(%s)", [schema]).fetchone() == (None,):
                connection.execute(f"CREATE SCHEMA {schema}".encode())
        except psycopg.Error as error:
            raise unusable(settings, store, error) from None
        yield connection


def schema_revision(connection: "Connection") -> str | None:
    """The revision of the tables of a locked schema; None if there are none."""
    if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def address(settings: Settings, store: Store) -> str:
    """The address without the password, for messages."""
    from psycopg import conninfo

    parts = _parts(settings, store)
    parts.pop("password", None)
    return str(conninfo.make_conninfo("", **parts))


def unusable(settings: Settings, store: Store, error: Exception) -> TaxiError:
    """The error of a database that cannot be used, in one line without the password."""
    reason, password = " ".join(str(error).split()), _parts(settings, store).get("password")
    if password:
        reason = reason.replace(str(password), "***")
    return TaxiError(
        f"the database of TAXI_{store.upper()} ({address(settings, store)}) cannot be used: {reason}. "
        "Check the address, and that PostgreSQL runs there"
    )


def _parts(settings: Settings, store: Store) -> dict[str, Any]:
    if not (find_spec("psycopg") and find_spec("psycopg2") and find_spec("dagster_postgres")):
        raise TaxiError(f"TAXI_{store.upper()} needs the packages for PostgreSQL: run `make env-scale`")
    from psycopg import conninfo

    given: Secret[PostgresDsn] | None = getattr(settings, store)
    try:
        return dict(conninfo.conninfo_to_dict(str(given.get_secret_value()) if given else ""))
    except Exception:
        raise _no_address(store) from None


def _no_address(store: Store) -> TaxiError:
    return TaxiError(
        f"TAXI_{store.upper()} is not an address of PostgreSQL: write postgres://user:password@host:port/database"
    )
