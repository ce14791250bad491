"""The layout of a home: refuses that of an earlier version, and names the locks of environments."""

from collections.abc import Iterable
from pathlib import Path


def refuse_older_layout(home: Path, kinds: Iterable[str]) -> None:
    """Check that a home has no folders of an earlier layout.

    Raises:
        ValueError: it has.
    """
    for kind in kinds:
        store = "arrived" if (home / kind / "arrived").is_dir() else "files"
        tables = home / kind / "warehouse" / "tables.json"
        if store == "arrived" or (tables.is_file() and "kept_trips" not in tables.read_text()):
            raise ValueError(
                "the home has the layout of an earlier version, and nothing in it was touched: set TAXI_HOME to a "
                f"new folder, and copy each {kind}/{store}/<service>/<month>/<sha256>.parquet into its landing "
                "folder as <service>_tripdata_<month>.parquet"
            )


def lock_name(name: str, env: str) -> str:
    """The name of an environment's lock, which is in the home itself."""
    return name if env == "dev" else f"{env}_{name}"
