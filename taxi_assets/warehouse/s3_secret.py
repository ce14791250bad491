"""Reads the keys of an S3 bucket, and gives them to DuckDB.

They come from the standard AWS variables or the shared credentials file. They are in a temporary secret, which DuckDB
shows redacted, and in no setting, path or message.
"""

import configparser
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from duckdb import DuckDBPyConnection

from taxi_assets.errors import TaxiError
from taxi_assets.warehouse.sql_quotes import quote_literal

# DuckDB's extension fills these from the environment, and `duckdb_settings()` would show the keys.
_FROM_ENVIRONMENT = ("s3_access_key_id", "s3_secret_access_key", "s3_session_token", "s3_endpoint", "s3_region")
# DuckDB buffers parts of a ten-thousandth of this size: 5 MB instead of 80.
_LARGEST_FILE = "50GB"


def create_secret(connection: DuckDBPyConnection, scope: str) -> None:
    """Let a new database read and write below `scope`, and only there.

    Raises:
        TaxiError: no keys are given, or the endpoint's address is wrong.
    """
    for name in _FROM_ENVIRONMENT:
        connection.execute(f"RESET GLOBAL {name}")
    connection.execute(f"SET GLOBAL s3_uploader_max_filesize = '{_LARGEST_FILE}'")
    connection.execute("SET secret_directory = '/nonexistent'")  # secrets of the user's home are not read
    options = read_options("TAXI_DATA_PATH")
    names = ", ".join(f"{name} ${name}" for name in options)
    connection.execute(f"CREATE TEMPORARY SECRET lake_data (TYPE s3, SCOPE {quote_literal(scope)}, {names})", options)


def read_options(setting: str) -> dict[str, Any]:
    """The keys, the region and the endpoint, by the names of DuckDB's secrets.

    Args:
        setting: The setting that needs them, for messages.

    Raises:
        TaxiError: no keys are given, or the endpoint's address is wrong.
    """
    region = _variable("AWS_REGION", "AWS_DEFAULT_REGION") or "us-east-1"
    return {**_keys(setting), **_endpoint(), "region": region}


def endpoint_address() -> str:
    """The endpoint as a person wrote it, for messages."""
    return _variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") or "AWS"


def _variable(*names: str) -> str:
    return next((value for name in names if (value := os.environ.get(name, "").strip())), "")


def _endpoint() -> dict[str, object]:
    url = _variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    if not url:
        return {}
    try:
        parts = urlsplit(url)
        is_plain = not (parts.username or parts.path.strip("/") or parts.query or parts.fragment) and parts.port != 0
    except ValueError:
        is_plain = False
    if not is_plain or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise TaxiError("AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL is not an address: write http(s)://host:port")
    return {"endpoint": parts.netloc, "use_ssl": parts.scheme == "https", "url_style": "path"}


def _keys(setting: str) -> dict[str, str]:
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    found = {name: _variable(name.upper()) for name in names}
    if not (found[names[0]] and found[names[1]]):
        profile = _profile()
        found = {name: profile.get(name, "").strip() for name in names}
    key, secret, token = found.values()
    if not (key and secret):
        raise TaxiError(
            f"{setting} needs keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a credentials file by "
            "AWS_SHARED_CREDENTIALS_FILE and its profile by AWS_PROFILE"
        )
    return {"key_id": key, "secret": secret, **({"session_token": token} if token else {})}


def _profile() -> dict[str, str]:
    file = Path(_variable("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, configparser.Error):  # their messages quote lines of the file
        raise TaxiError(
            f"the credentials file {file} cannot be read: correct it or AWS_SHARED_CREDENTIALS_FILE"
        ) from None
    profile = _variable("AWS_PROFILE") or "default"
    return dict(parser[profile]) if profile in parser else {}
