"""What the campaigns share: little months, a home to copy, and lines of counts that show when all is over."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sample_files import SampleFiles, make_sample_files
from validation_cache import ReportCounts, cached_validation

_SAID = "campaign"


@pytest.fixture(scope="session")
def sample_files(tmp_path_factory: pytest.TempPathFactory) -> SampleFiles:
    return make_sample_files(tmp_path_factory.mktemp("shelf"))


@pytest.fixture
def report_counts(record_property: Callable[[str, object], None]) -> ReportCounts:
    """Have counts added up and shown when all is over, whichever process a part of the campaign ran in."""
    return lambda campaign, counts: record_property(_SAID, [campaign, dict(counts)])


@pytest.fixture(scope="module")
def validation_cache() -> Iterator[None]:
    """Do once what is the same in every home."""
    with cached_validation():
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for found in terminalreporter.stats.values() for report in found if hasattr(report, "when")]
    reported = [value for r in reports if r.when == "call" for name, value in r.user_properties if name == _SAID]
    sums: dict[str, Counter[str]] = {}
    for campaign, counts in reported:
        sums[campaign] = sums.get(campaign, Counter()) + Counter(counts)
    if sums:
        terminalreporter.section("campaigns")
    for campaign, total in sums.items():
        terminalreporter.write_line(f"{campaign}: {', '.join(f'{number} {what}' for what, number in total.items())}")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder for homes that are made and removed by the hundred."""
    folder = tmp_path / "homes"
    folder.mkdir()
    return folder
