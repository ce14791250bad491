"""Finds the training files of a version that were replaced since its training."""

from duckdb import DuckDBPyConnection

from taxi_assets.registry.model_files import Version

_SUPERSEDED = """
WITH trained AS (FROM lake.source_files AT (VERSION => $snapshot) WHERE state = 'ingested'),
current AS (FROM lake.source_files WHERE state = 'ingested')
SELECT format('{} {} ({}, now {})', service, strftime(month, '%Y-%m'), trained.sha256[:12], current.sha256[:12])
FROM trained JOIN current USING (service, month)
WHERE trained.sha256 <> current.sha256
    AND service IN (SELECT unnest($services)) AND strftime(month, '%Y-%m') IN (SELECT unnest($months))
ORDER BY month, list_position($services, service)
"""


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
    if not connection.execute("FROM lake.snapshots() WHERE snapshot_id = ?", [snapshot]).fetchone():
        return ()
    values = {
        "snapshot": snapshot,
        "months": version.tags["months"].split(","),
        "services": version.tags["services"].split(","),
    }
    return tuple(sentence for (sentence,) in connection.execute(_SUPERSEDED, values).fetchall())
