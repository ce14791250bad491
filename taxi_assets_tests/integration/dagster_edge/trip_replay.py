"""Sends trips to an endpoint in the order of time: each at its pickup and at its drop-off."""

import json
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.tlc.local_time import utc_seconds

CONNECTIONS = 8
_HEADERS = {"Content-Type": "application/json"}


class TripReplay:
    """A replay of trips.

    Rides are requested at once if no trip ends between their pickups. Nothing waits for the clock: a time is a place in
    the order.

    Args:
        url: The endpoint's URL.
        trips: Columns `service`, `pickup_at`, the zones, `passenger_count`, `vendor_id`, `duration_minutes`.

    Attributes:
        answers: The endpoint's answer to each trip, None before its pickup.
    """

    def __init__(self, url: str, trips: pd.DataFrame) -> None:
        self._bodies = [json.dumps(_ride(trip)).encode() for trip in trips.itertuples()]
        self._minutes = trips["duration_minutes"].tolist()
        self._steps = _steps(trips)
        self._ahead = next(self._steps, None)
        address = urlsplit(url)
        self._connections = [HTTPConnection(address.hostname, address.port, timeout=30) for _ in range(CONNECTIONS)]
        self._turns = cycle(self._connections)
        self.answers: list[Any] = [None] * len(trips)

    def play(self, until: float = np.inf) -> None:
        """Send everything that happens before a time, seconds since 1970."""
        while self._ahead and self._ahead[0] < until:
            _, is_end, rows = self._ahead
            (self._complete if is_end else self._request)(rows)
            self._ahead = next(self._steps, None)
        self.close()  # the endpoint closes connections that rest

    def close(self) -> None:
        """Close the connections, which open again when needed."""
        for each in self._connections:
            each.close()

    def request_many(self, rows: Sequence[int]) -> Any:
        """The endpoint's answer to some trips in one request."""
        rides = [json.loads(self._bodies[row]) for row in rows]
        return _content(self._send("/predict_many", json.dumps({"rides": rides}).encode()))

    def _request(self, rows: Sequence[int]) -> None:
        for first in range(0, len(rows), CONNECTIONS):
            sent = [(row, self._send("/predict", self._bodies[row])) for row in rows[first : first + CONNECTIONS]]
            for row, connection in sent:
                self.answers[row] = _content(connection)

    def _complete(self, rows: Sequence[int]) -> None:
        rides = [{"request_id": self.answers[row]["request_id"], "actual_minutes": self._minutes[row]} for row in rows]
        found = _content(self._send("/feedback", json.dumps({"rides": rides}).encode()))
        assert found == {"accepted": len(rows), "repeated": 0}

    def _send(self, path: str, body: bytes) -> HTTPConnection:
        # In turn, so that none rests until the endpoint closes it.
        connection = next(self._turns)
        connection.request("POST", path, body, _HEADERS)
        return connection


def pickup_seconds(trips: pd.DataFrame) -> NDArray[np.int64]:
    """Pickup times, seconds since 1970, as the evaluation reads them; shape (n,)."""
    return utc_seconds(trips["pickup_at"].to_numpy())


def _steps(trips: pd.DataFrame) -> Iterator[tuple[int, bool, list[int]]]:
    """Pickups or drop-offs that follow each other: their time, if they are drop-offs, their rows."""
    at = pickup_seconds(trips)
    seconds = np.rint(60 * trips["duration_minutes"].to_numpy()).astype(np.int64)
    ends = utc_seconds(trips["pickup_at"].to_numpy(), repeated="second") + seconds
    times, is_end = np.concatenate([at, ends]), np.repeat([False, True], len(trips))
    # A trip that ends at a pickup ends after it.
    order = np.lexsort((is_end, times))
    changes = np.flatnonzero(np.diff(is_end[order])) + 1
    for part in np.split(order, changes):
        yield int(times[part[0]]), bool(is_end[part[0]]), (part % len(trips)).tolist()


def _ride(trip: Any) -> dict[str, Any]:
    ride = {"pickup_zone_id": int(trip.pickup_zone_id), "dropoff_zone_id": int(trip.dropoff_zone_id)}
    ride |= {"pickup_at": trip.pickup_at.isoformat(), "service": trip.service}
    known = {name: getattr(trip, name) for name in ("passenger_count", "vendor_id")}
    return ride | {name: int(value) for name, value in known.items() if not pd.isna(value)}


def _content(connection: HTTPConnection) -> Any:
    response = connection.getresponse()
    content = response.read()
    assert response.status == 200, content
    return json.loads(content)
