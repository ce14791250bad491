"""Finds versions trained on files that were replaced since, and tags them in the registry."""

from duckdb import DuckDBPyConnection

from taxi_assets.registry import model_versions
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.queries import newest_snapshot

_FileDigests = dict[tuple[str, str], str]


def superseded_files(connection: DuckDBPyConnection, version: Version) -> tuple[str, ...]:
    """The replaced files of a version's training data, such as `green 2023-01 (0f3a…, now 77c1…)`.

    The result is empty if the snapshot has expired, or if the tags name none since a person registered the version.

    Args:
        connection: The newest snapshot of the warehouse.
        version: A registered version.
    """
    if not {"data_snapshot", "months", "services"} <= set(version.tags):
        return ()
    snapshot = int(version.tags["data_snapshot"])
    snapshot_rows = connection.execute(
        "SELECT count(*) FROM lake.snapshots() WHERE snapshot_id = ?", [snapshot]
    ).fetchall()
    if not snapshot_rows[0][0]:
        return ()
    current_files, trained_files = _files(connection, newest_snapshot(connection)), _files(connection, snapshot)
    months, services = version.tags["months"].split(","), version.tags["services"].split(",")
    trained_on = [(service, month) for month in months for service in services]
    return tuple(
        f"{service} {month} ({trained_files[service, month][:12]}, now {current_files[service, month][:12]})"
        for service, month in trained_on
        if (service, month) in trained_files
        and (service, month) in current_files
        and trained_files[service, month] != current_files[service, month]
    )


def superseded_versions(settings: Settings, warehouse: Warehouse) -> dict[int, tuple[str, ...]]:
    """The superseded training files by version, the newest version first; versions without any are absent."""
    with warehouse.reading() as connection:
        found = {each.version: superseded_files(connection, each) for each in model_versions.versions(settings)}
    return {version: files for version, files in found.items() if files}


def tag_superseded(settings: Settings, warehouse: Warehouse) -> dict[int, tuple[str, ...]]:
    """Tags and describes versions trained on superseded files; returns the files by version.

    A version whose files are current again loses the tag.
    """
    found = superseded_versions(settings, warehouse)
    for version in model_versions.versions(settings):
        model_versions.tag_superseded(settings, version, found.get(version.version, ()))
    return found


def _files(connection: DuckDBPyConnection, snapshot: int) -> _FileDigests:
    """The SHA-256 of each month's ingested file at a snapshot."""
    query = "SELECT service, strftime(month, '%Y-%m'), sha256 FROM lake.source_files AT (VERSION => ?) WHERE state = ?"
    found = connection.execute(query, [snapshot, "ingested"]).fetchall()
    return {(service, month): sha256 for service, month, sha256 in found}
