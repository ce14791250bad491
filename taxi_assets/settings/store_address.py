"""Checks the address of a store of files: a prefix in S3 or a folder."""

import re
from pathlib import Path

from taxi_assets.files import forbidden_characters

_S3_PREFIX = re.compile(r"(?a)s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/(?!(real|synthetic)(/|$))[\w-][\w.-]*)*/?")


def check_store_address(value: str | None, *, may_be_folder: bool) -> str | None:
    """The address without a slash at its end.

    Raises:
        ValueError: it is none.
    """
    if may_be_folder and value and Path(value).is_absolute():
        if named := forbidden_characters(Path(value)):
            raise ValueError(f"{value!a} contains {named}: name a folder without")
        return value.rstrip("/") or "/"
    if value is not None and not _S3_PREFIX.fullmatch(value):
        or_folder = " or an absolute path" if may_be_folder else ""
        raise ValueError(
            f"write s3://bucket/prefix{or_folder} of letters, digits, `.`, `-`, `_`; no keys, real or synthetic"
        )
    return value.rstrip("/") if value else None
