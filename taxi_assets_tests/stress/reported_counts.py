"""Type of the function by which a stress test reports what it has counted."""

from collections.abc import Callable, Mapping

ReportCounts = Callable[[str, Mapping[str, int]], None]
