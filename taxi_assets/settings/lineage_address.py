"""The address of `TAXI_OPENLINEAGE_URL`: an HTTP endpoint, or a file."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from taxi_assets.files import forbidden_characters


def check_lineage_address(value: str) -> str:
    """Return the address unless it is neither an HTTP endpoint nor an absolute path.

    Raises:
        ValueError: it is something else.
    """
    parts = urlsplit(value)  # raises ValueError too
    is_endpoint = parts.scheme in ("http", "https") and bool(parts.hostname)
    is_file = Path(value).is_absolute() and not value.endswith("/") and not forbidden_characters(Path(value))
    if not is_endpoint and not is_file:
        raise ValueError("write http://host:port, https://host/path or the absolute path of a file")
    return value


LineageAddress = Annotated[str, AfterValidator(check_lineage_address)]
