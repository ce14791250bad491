"""Summarises the ingested predictions by day, variant and version."""

from datetime import date
from typing import Any

from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.queries import sql

_CHANGED_DAYS = """
WITH known AS (SELECT DISTINCT request_id AS answer_id FROM feedback),
logged AS (
    SELECT answered_at::DATE AS day, (count(*), count(answer_id)) AS counts
    FROM predictions LEFT JOIN known ON answer_id = coalesce(shadow_of, request_id)
    GROUP BY day
),
summarised AS (
    SELECT day, (sum(predictions), sum(with_feedback)) AS counts FROM daily_serving_summaries GROUP BY day
)
SELECT day FROM logged FULL JOIN summarised USING (day)
WHERE logged.counts IS DISTINCT FROM summarised.counts ORDER BY day
"""


def summarise_days(warehouse: Warehouse, run_id: str | None = None) -> tuple[date, ...]:
    """Replace the rows of days with new predictions or new feedback; return these days.

    Args:
        warehouse: The warehouse.
        run_id: The Dagster run that summarises.
    """
    with warehouse.reading() as connection:
        if not connection.execute(_CHANGED_DAYS).fetchall():
            return ()
    with warehouse.publishing("daily_serving_summaries", run_id) as connection:
        days = [day for (day,) in connection.execute(_CHANGED_DAYS).fetchall()]
        connection.execute("DELETE FROM daily_serving_summaries WHERE day IN (SELECT unnest($days))", {"days": days})
        connection.execute(
            f"INSERT INTO daily_serving_summaries BY NAME {sql('daily_serving_summaries')}", {"days": days}
        )
    return tuple(days)


def newest_days(warehouse: Warehouse, rows: int = 20) -> list[dict[str, Any]]:
    """The newest rows of the summary, by column."""
    query = "FROM daily_serving_summaries ORDER BY day DESC, is_shadow, predictions DESC, variant LIMIT $rows"
    with warehouse.reading() as connection:
        found = connection.execute(query, {"rows": rows})
        names = [column[0] for column in found.description]
        return [dict(zip(names, values, strict=True)) for values in found.fetchall()]


def unsummarised(warehouse: Warehouse) -> int:
    """The number of predictions by which the summaries differ from `predictions`."""
    query = (
        "SELECT (SELECT count(*) FROM predictions) "
        "- (SELECT coalesce(sum(predictions), 0) FROM daily_serving_summaries)"
    )
    with warehouse.reading() as connection:
        return abs(int(connection.execute(query).fetchall()[0][0]))
