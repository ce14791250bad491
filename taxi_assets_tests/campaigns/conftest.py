"""What the campaigns share: little months, a home to copy, and lines of counts that show when all is over."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from little_months import Shelf, fill_shelf
from thrift import thrifty

Tell = Callable[[str], None]
_SAID = "campaign"


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return fill_shelf(tmp_path_factory.mktemp("shelf"))


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Say a line at the end of the test run, whichever process the test ran in."""
    return lambda line: record_property(_SAID, line)


@pytest.fixture(scope="module")
def thrift() -> Iterator[None]:
    """Do once what is the same in every home."""
    with thrifty():
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for found in terminalreporter.stats.values() for report in found if hasattr(report, "when")]
    lines = [text for r in reports if r.when == "call" for name, text in r.user_properties if name == _SAID]
    if lines:
        terminalreporter.section("campaigns")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder for homes that are made and removed by the hundred."""
    folder = tmp_path / "homes"
    folder.mkdir()
    return folder
