"""Great Expectations' Data Docs: one HTML page for each table and month, and an index.

Great Expectations renders the results inside our own page layout: its layout loads styles and scripts from the
internet, our pages need no network.
"""

import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from filelock import FileLock

from taxi_assets.files import write_atomically
from taxi_assets.months import Month
from taxi_assets.quality.results import SuiteResult
from taxi_assets.quality.suites import SUITES


def write_data_docs(suite_result: SuiteResult, table: str, service: str, month: Month, folder: Path) -> Path:
    """Writes the page of one validation, replacing the month's earlier page, and updates the index.

    Args:
        suite_result: The result of `validate`.
        table: The validated table.
        service: The trips' service.
        month: The trips' month.
        folder: The folder of the Data Docs; created if missing.

    Returns:
        The page. The index is `<folder>/index.html`.
    """
    page = month_page(folder, table, service, month)
    page.parent.mkdir(parents=True, exist_ok=True)
    entry = {
        "table": table,
        "service": service,
        "month": str(month),
        "rows": suite_result.rows,
        "expectations": len(suite_result.outcomes),
        "failed_errors": len(suite_result.failed_errors()),
        "failed_warnings": len(suite_result.failed_warnings()),
        "page": page.relative_to(folder).as_posix(),
    }
    write_atomically(
        page, _render("month_page.html", entry=entry, suite_result=suite_result, sections=_findings(suite_result))
    )
    write_atomically(page.with_suffix(".json"), json.dumps(entry | suite_result.as_json(), indent=1))
    with FileLock(folder / ".index.lock"):
        write_atomically(folder / "index.html", _render("months_page.html", tables=_entries(folder)))
    return page


def month_page(folder: Path, table: str, service: str, month: Month) -> Path:
    """The path of a month's page."""
    return folder / table / f"{service}_{month}.html"


def _findings(suite_result: SuiteResult) -> list[dict[str, Any]]:
    """Great Expectations' sections, one per column, without its overview, whose links would be dead."""
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer

    sections: list[dict[str, Any]] = (
        ValidationResultsPageRenderer().render(suite_result.document).to_json_dict()["sections"]
    )
    return [section for section in sections if section["section_name"] != "Overview"]


def _render(template: str, **values: object) -> str:
    from great_expectations.render.view.view import DefaultJinjaPageView

    # Its Jinja environment has the templates and filters of the sections; ours are added.
    with as_file(files("taxi_assets.quality") / "pages") as templates:
        view = DefaultJinjaPageView(custom_views_directory=str(templates))
        return str(view.env.get_template(template).render(values))


def _entries(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """All pages' index entries, by table in the order of the flow, then by service and month."""
    return {
        table: [json.loads(path.read_text()) for path in sorted(folder.glob(f"{table}/*.json"))] for table in SUITES
    }
