"""The evidence pack of a decision: whole, equal to the tables, in MLflow and at the report server."""

import csv
import json
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from platform_harness import JANUARY, MARCH, PlatformHarness, first_run_of

from taxi_assets.errors import TaxiError
from taxi_assets.files import sha256_of
from taxi_assets.monitoring.evidence_pack.write_pack import write_evidence_pack
from taxi_assets.promotion.decision import read_decision
from taxi_assets.quality.results import json_safe
from taxi_assets.registry import model_versions

FILES = {
    *("index.html", "decision.json", "comparison.json", "data_files.csv", "sbom.cdx.json"),
    *("model_card.md", "model_card.html", "ai_act.md", "ai_act.html"),
}


@pytest.fixture
def pack(platform: PlatformHarness) -> Path:
    """The pack that the first run's asset wrote."""
    shown = platform.metadata(first_run_of(platform, "train_month"), "champion_model", MARCH)
    assert "evidence_pack_error" not in shown, shown["evidence_pack_error"].value
    link = str(shown["evidence_pack"].value).removeprefix("/go/reports/")
    return (platform.settings.root / link).parent


def rows(platform: PlatformHarness, query: str) -> list[tuple[Any, ...]]:
    with platform.warehouse.reading() as connection:
        return connection.execute(query).fetchall()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_asset_writes_a_whole_pack(platform: PlatformHarness, pack: Path) -> None:
    assert pack == platform.settings.evidence / "2023-03-v1"
    assert set(contents(pack)) == FILES
    index = (pack / "index.html").read_text()
    for name in FILES - {"index.html", "model_card.md", "ai_act.md"}:
        assert f'<a href="{name}">' in index
        assert sha256_of(pack / name) in index


def test_the_decision_and_its_figures_are_those_of_the_table(platform: PlatformHarness, pack: Path) -> None:
    with platform.warehouse.reading() as connection:
        row = read_decision(connection, 1, MARCH)
    assert row
    recorded = json_safe(row | {"month": str(MARCH)})
    decision, comparison = (json.loads((pack / f"{name}.json").read_text()) for name in ("decision", "comparison"))
    found = decision | comparison
    assert {name: found[name] for name in recorded if name != "state"} == {
        name: value for name, value in recorded.items() if name != "state"
    }
    assert (decision["state"], decision["is_promoted"], decision["version"]) == ("promoted", True, 1)
    assert comparison["comparison"]["policy"]["margin_minutes"] == 0.01
    assert set(comparison["comparison"]["baseline_intervals"]) == {
        each["model"] for each in comparison["scores"] if each["model"] != "duration_model"
    }
    query = "SELECT trips, rmse FROM evaluations WHERE month = '2023-03-01' AND model_version = 1 AND slice = 'overall'"
    assert sorted(rows(platform, query)) == sorted((each["trips"], each["rmse"]) for each in comparison["scores"])


def test_the_data_files_are_those_of_the_tables(platform: PlatformHarness, pack: Path) -> None:
    found = list(csv.DictReader(StringIO((pack / "data_files.csv").read_text())))
    names = ("use", "month", "service", "file_name", "sha256")
    files = {(*(row[name] for name in names), int(row["file_rows"])) for row in found}
    query = (
        "SELECT strftime(month, '%Y-%m'), service, file_name, sha256, rows FROM source_files "
        "WHERE state = 'ingested' AND month <= DATE '2023-03-01'"
    )
    expected = {("scored" if row[0] == str(MARCH) else "training", *row) for row in rows(platform, query)}
    assert files == expected
    assert {row["table"] for row in found} == {"raw_trips", "clean_trips", "trip_features"}
    # Not the Data Docs pages: a file that was refused later has replaced the page of its month.
    query = "SELECT strftime(month, '%Y-%m'), service, results FROM lake.published_months"
    published = {(month, service): json.loads(results) for month, service, results in rows(platform, query)}
    for row in found:
        assert (platform.settings.reports / row["data_docs"]).is_file()
        results = published[row["month"], row["service"]][row["table"]]
        failed = [each["name"] for each in results["outcomes"] if not each["passed"]]
        assert (int(row["rows"]), row["failed_checks"].split()) == (results["rows"], failed)
        checks = (int(row["checks_passed"]), int(row["checks_failed"]))
        assert checks == (len(results["outcomes"]) - len(failed), len(failed))


def test_the_model_card_has_every_error_of_the_tables(platform: PlatformHarness, pack: Path) -> None:
    text, page = (pack / "model_card.md").read_text(), (pack / "model_card.html").read_text()
    version = model_versions.require(platform.settings, 1)
    for fact in (version.tags["data_digest"], version.tags["window"].split("..")[0], version.run_id):
        assert fact in text
        assert fact in page
    query = (
        "SELECT value, rmse FROM evaluations WHERE month = '2023-03-01' AND model_version = 1 "
        "AND slice IN ('pickup_borough', 'hour_band', 'weekday') AND model = 'duration_model'"
    )
    sliced = rows(platform, query)
    assert len(sliced) > 10
    for value, rmse in sliced:
        assert any(value in line and f"{rmse:.3f}" in line for line in text.splitlines())
        assert f"<td>{escape(value)}</td>" in page
    of_version = "model_version = 1 AND condition = 'without_recent_traffic'"
    query = f"SELECT rmse FROM evaluations WHERE {of_version} AND model = 'noise_floor' AND scope = '1_to_60_minutes'"
    ((floor,),) = rows(platform, query)
    query = f"SELECT sum(inside), sum(trips) FROM interval_coverage WHERE {of_version}"
    ((inside, trips),) = rows(platform, query)
    assert f"{floor:.3f}" in next(line for line in text.splitlines() if line.startswith("| noise_floor |"))
    assert f"| all | all | {trips:,} | {inside / trips:.1%} |" in text


def test_the_bill_of_materials_is_valid(pack: Path) -> None:
    text = (pack / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_pack_is_an_artifact_of_the_versions_run(platform: PlatformHarness, pack: Path) -> None:
    version = model_versions.require(platform.settings, 1)
    (artifacts,) = (platform.settings.mlflow_home / "artifacts").glob(
        f"**/{version.run_id}/artifacts/evidence/{pack.name}"
    )
    assert contents(artifacts) == contents(pack)


def test_the_same_records_give_the_same_pack(platform: PlatformHarness, pack: Path) -> None:
    before = contents(pack)
    (pack / "decision.json").write_text("damaged")
    (pack / "of an earlier release.txt").touch()
    abandoned = pack.with_name(f".{pack.name}.draft.1")
    abandoned.mkdir()
    assert write_evidence_pack(platform.settings, platform.warehouse, 1, MARCH) == pack
    assert contents(pack) == before
    assert [path.name for path in pack.parent.iterdir() if path.name.startswith(f".{pack.name}")] == []


def test_a_decision_stands_if_its_pack_fails(platform: PlatformHarness) -> None:
    platform.settings.evidence.rename(kept := platform.settings.evidence.with_name("evidence kept"))
    platform.settings.evidence.write_text("a file in the way")
    result = platform.materialise(MARCH, "champion_model")
    platform.settings.evidence.unlink()
    kept.rename(platform.settings.evidence)
    assert result.success
    shown = platform.metadata(platform.find(result.run_id), "champion_model")
    assert shown["decision"].value == "promoted"
    assert str(shown["evidence_pack_error"].value).startswith("FileExistsError")


def test_a_pack_without_a_decision_is_an_error(platform: PlatformHarness) -> None:
    with pytest.raises(TaxiError, match="no decision was taken on version 1 for 2023-01: materialise champion_model"):
        write_evidence_pack(platform.settings, platform.warehouse, 1, JANUARY)


def test_an_approval_is_in_the_pack_and_its_text_is_escaped(platform: PlatformHarness, pack: Path) -> None:
    before = contents(pack)
    with platform.warehouse.publishing("a person approves") as connection:
        connection.execute(
            "INSERT INTO approvals (month, model_version, decision, decided_by, why, decided_at) "
            "VALUES ('2023-03-01', 1, 'approved', 'Ann <ann@example.org>', '<script>x</script>', '2023-04-02 10:00:00')"
        )
    write_evidence_pack(platform.settings, platform.warehouse, 1, MARCH)
    (approval,) = json.loads((pack / "decision.json").read_text())["approvals"]
    assert (approval["decision"], approval["why"]) == ("approved", "<script>x</script>")
    assert "approved by Ann &lt;ann@example.org&gt; at 2023-04-02 10:00:00 UTC" in (pack / "index.html").read_text()
    assert "<script>" not in (pack / "index.html").read_text()
    with platform.warehouse.publishing("as before") as connection:
        connection.execute("DELETE FROM approvals")
    write_evidence_pack(platform.settings, platform.warehouse, 1, MARCH)
    assert contents(pack) == before
