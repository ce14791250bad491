"""Data Docs: a page for each table and month and an index, without network access."""

import re
from pathlib import Path

import duckdb
from valid_months import fill

from taxi_assets.months import Month
from taxi_assets.quality import validate, write_data_docs
from taxi_assets.quality.suites import CLEAN_TRIPS, RAW_TRIPS

FEBRUARY = Month(2023, 2)


def test_page_shows_every_expectation_without_network(lake: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    fill(lake, "raw_trips")
    suite_result = validate(lake, "raw_trips", RAW_TRIPS)
    page = write_data_docs(suite_result, "raw_trips", "green", FEBRUARY, tmp_path / "docs")
    assert page == tmp_path / "docs" / "raw_trips" / "green_2023-02.html"
    html = page.read_text()
    assert all(f"<code>{e.name}</code>" in html and f'id="{e.name}"' in html for e in RAW_TRIPS.expectations)
    assert "ready to publish" in html
    assert "values must not be null" in html  # Great Expectations' wording
    for text in (html, (tmp_path / "docs" / "index.html").read_text()):
        assert not re.search(r"""(src|href)=["']?(https?:)?//|url\(|@import|<script""", text)


def test_page_of_a_refused_month_shows_the_refusal(lake: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    fill(lake, "raw_trips")
    lake.execute("UPDATE raw_trips SET pickup_at = NULL WHERE source_row < 30")
    suite_result = validate(lake, "raw_trips", RAW_TRIPS)
    html = write_data_docs(suite_result, "raw_trips", "green", FEBRUARY, tmp_path).read_text()
    assert "refused, 1 of severity error failed" in html
    assert "✘" in (tmp_path / "index.html").read_text()


def test_index_lists_every_month_and_other_pages_stay(lake: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    fill(lake, "raw_trips")
    fill(lake, "clean_trips")
    raw, clean = validate(lake, "raw_trips", RAW_TRIPS), validate(lake, "clean_trips", CLEAN_TRIPS)
    months = (Month(2023, 3), FEBRUARY)
    first = write_data_docs(clean, "clean_trips", "green", FEBRUARY, tmp_path)
    kept = first.read_bytes()
    pages = [write_data_docs(raw, "raw_trips", "green", month, tmp_path) for month in months]
    assert first.read_bytes() == kept
    linked = re.findall(r'href="([^"]+\.html)"', (tmp_path / "index.html").read_text())
    assert linked == [page.relative_to(tmp_path).as_posix() for page in (pages[1], pages[0], first)]
    assert not list(tmp_path.rglob("*.html.*"))


def test_month_validated_again_has_only_its_newest_page(lake: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    fill(lake, "clean_trips")
    for rows in (60, 59):
        suite_result = validate(lake, "clean_trips", CLEAN_TRIPS)
        page = write_data_docs(suite_result, "clean_trips", "green", FEBRUARY, tmp_path)
        assert f"{rows} rows" in page.read_text()
        lake.execute("DELETE FROM clean_trips WHERE source_row = 0")
    assert len(list(tmp_path.glob("clean_trips/*.html"))) == 1
