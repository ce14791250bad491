"""Fixtures of the stress tests: small months, a home to copy, and a report of counts at the end."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from reference_lakes import ReferenceLakes
from reported_counts import ReportCounts
from sample_files import SampleFiles, make_sample_files

_COUNTS = "counts"


@pytest.fixture(scope="session")
def sample_files(tmp_path_factory: pytest.TempPathFactory) -> SampleFiles:
    return make_sample_files(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def reference_lakes(sample_files: SampleFiles, tmp_path_factory: pytest.TempPathFactory) -> ReferenceLakes:
    return ReferenceLakes(sample_files, tmp_path_factory.mktemp("fresh"))


@pytest.fixture
def report_counts(record_property: Callable[[str, object], None]) -> ReportCounts:
    """Collects counts from every worker process; the terminal summary shows their sums."""
    return lambda subject, counts: record_property(_COUNTS, [subject, dict(counts)])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for found in terminalreporter.stats.values() for report in found if hasattr(report, "when")]
    reported = [value for r in reports if r.when == "call" for name, value in r.user_properties if name == _COUNTS]
    sums: dict[str, Counter[str]] = {}
    for subject, counts in reported:
        sums[subject] = sums.get(subject, Counter()) + Counter(counts)
    if sums:
        terminalreporter.section("counts")
    for subject, total in sums.items():
        terminalreporter.write_line(f"{subject}: {', '.join(f'{number} {what}' for what, number in total.items())}")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder for hundreds of short-lived homes."""
    folder = tmp_path / "homes"
    folder.mkdir()
    return folder
