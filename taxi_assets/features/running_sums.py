"""Trips in the order of their ends, with running sums: a difference is the sum of a time span."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# It is compacted when it has grown by a quarter, at least to so many trips.
_MIN_COMPACTED = 64


class RunningSums:
    """Ends of trips in order, and for each a running sum of every value.

    `limit` is the number of trips at which it is compacted.
    """

    def __init__(self, values: int) -> None:
        self.ends = array("q")
        self.sums = [array("d", [0.0]) for _ in range(values)]
        self.limit = _MIN_COMPACTED

    @classmethod
    def of(cls, ends: NDArray[np.int64], values: NDArray[np.float64]) -> "RunningSums":
        """Trips in order; `values` has shape (n, values)."""
        made = cls(values.shape[1])
        made.ends.frombytes(ends.tobytes())
        for sums, column in zip(made.sums, np.cumsum(values, axis=0).T, strict=True):
            sums.frombytes(column.tobytes())
        made.set_limit()
        return made

    def set_limit(self) -> None:
        """Let it grow by a quarter before it is compacted."""
        self.limit = max(_MIN_COMPACTED, len(self.ends) * 5 // 4)

    def add(self, ended_at: int, values: Sequence[float]) -> None:
        """Insert a trip after those that end with it; a trip out of order moves the sums after it."""
        if not self.ends or ended_at >= self.ends[-1]:
            self.ends.append(ended_at)
            for sums, value in zip(self.sums, values, strict=True):
                sums.append(sums[-1] + value)
            return
        at = bisect_right(self.ends, ended_at)
        self.ends.insert(at, ended_at)
        for sums, value in zip(self.sums, values, strict=True):
            sums.insert(at + 1, sums[at] + value)
            np.frombuffer(sums, np.float64)[at + 2 :] += value

    def before(self, at: int) -> int:
        """Number of trips that ended before a time, seconds since 1970."""
        return bisect_left(self.ends, at)

    def remove_before(self, at: int) -> None:
        """Remove trips that ended before a time; sums keep their values, since only differences count."""
        if count := bisect_left(self.ends, at):
            del self.ends[:count]
            for sums in self.sums:
                del sums[:count]

    def merge_before(self, at: int, span_seconds: int) -> None:
        """Merge the trips before a time that ended in one span; they count as ended with the last of them."""
        count = self.before(at)
        spans = np.array(self.ends[:count]) // span_seconds
        if count < 2 or len(last := np.flatnonzero(np.append(spans[1:] != spans[:-1], True))) == count:
            return
        self.ends[:count] = array("q", np.array(self.ends[:count])[last].tobytes())
        for sums in self.sums:
            sums[1 : count + 1] = array("d", np.array(sums[1 : count + 1])[last].tobytes())


def sums_by_key(
    keys: NDArray[np.int64],
    ended_at: NDArray[np.int64],
    values: NDArray[np.float64],
    exact_since: int,
    span_seconds: int,
) -> dict[int, RunningSums]:
    """The sums of each key; trips before `exact_since` are merged as `merge_before` does."""
    if not len(keys):
        return {}
    order = np.lexsort((ended_at, keys))
    keys, ended_at = keys[order], ended_at[order]
    spans = np.where(ended_at < exact_since, ended_at // span_seconds, -1)
    last = np.flatnonzero(np.append((keys[1:] != keys[:-1]) | (spans[1:] != spans[:-1]) | (spans[1:] < 0), True))
    merged = np.add.reduceat(values[order], np.append(0, last[:-1] + 1))
    found, first = np.unique(keys[last], return_index=True)
    parts = zip(np.split(ended_at[last], first[1:]), np.split(merged, first[1:]), strict=True)
    return {key: RunningSums.of(*part) for key, part in zip(found.tolist(), parts, strict=True)}
