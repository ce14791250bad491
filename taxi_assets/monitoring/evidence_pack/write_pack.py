"""Writes the evidence pack of a decision as a folder, and logs it on the version's MLflow run."""

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from filelock import FileLock

from taxi_assets.monitoring.evidence_pack.ai_act import ai_act_table
from taxi_assets.monitoring.evidence_pack.bill_of_materials import bill_of_materials
from taxi_assets.monitoring.evidence_pack.documents import Document, Link, Section, Table, as_html, as_markdown
from taxi_assets.monitoring.evidence_pack.model_card import model_card
from taxi_assets.monitoring.evidence_pack.pack_facts import PackFacts, read_facts
from taxi_assets.months import Month
from taxi_assets.quality.results import json_safe
from taxi_assets.registry import tracking
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

INDEX = "index.html"
_DECIDED = ("champion_version", "is_promoted", "reasons", "decided_by", "decided_at", "run_id")
_DESCRIPTIONS = {
    "decision.json": "state, reasons, who and when, approvals",
    "comparison.json": "the figures that decided, with their thresholds",
    "model_card.html": "purpose, data, errors by slice, intervals, noise floor, limits",
    "data_files.csv": "files trained and scored on: SHA-256, rows, checks, Data Docs",
    "sbom.cdx.json": "software bill of materials, CycloneDX",
    "ai_act.html": "which article of the EU AI Act asks for what",
}


def write_evidence_pack(settings: Settings, warehouse: Warehouse, version: int, month: Month) -> Path:
    """Writes what is recorded of a decision; replaces the pack that an earlier call wrote.

    Reads tables and the registry only, so that an approval or a replay may call it later. The same records give the
    same files.

    Args:
        settings: Location of the packs and of MLflow.
        warehouse: The warehouse.
        version: The version decided on.
        month: The month that decided.

    Returns:
        The folder, such as `<root>/evidence/2023-03-v1`. It has all files or does not exist.

    Raises:
        TaxiError: there is no such decision, or `requirements.lock` is missing.
        OSError: the folder cannot be written to.
    """
    facts = read_facts(settings, warehouse, version, month)
    folder = settings.evidence / pack_name(month, version)
    _replace(folder, _files(facts))
    tracking.log_folder(settings, facts.version.run_id, folder, f"evidence/{folder.name}")
    return folder


def pack_name(month: Month, version: int) -> str:
    """The name of a decision's folder, such as `2023-03-v1`."""
    return f"{month}-v{version}"


def _files(facts: PackFacts) -> dict[str, str]:
    """The content of each file, by name."""
    card, articles = model_card(facts), ai_act_table()
    files = {
        "decision.json": _json(_decision(facts)),
        "comparison.json": _json(_comparison(facts)),
        "model_card.md": as_markdown(card),
        "model_card.html": as_html(card),
        "data_files.csv": _csv(facts),
        "sbom.cdx.json": _json(bill_of_materials(facts.version)),
        "ai_act.md": as_markdown(articles),
        "ai_act.html": as_html(articles),
    }
    return files | {INDEX: as_html(_index(facts, files))}


def _decision(facts: PackFacts) -> dict[str, Any]:
    row = facts.decision
    return {
        "month": str(facts.month),
        "model": facts.version.name,
        "version": facts.version.version,
        "state": facts.state,
        **{name: row[name] for name in _DECIDED},
        "approvals": list(facts.approvals),
    }


def _comparison(facts: PackFacts) -> dict[str, Any]:
    """The figures of the decision, and the version's and baselines' errors on all trips."""
    figures = {name: value for name, value in facts.decision.items() if name not in (*_DECIDED, "state")}
    overall = [
        {name: row[name] for name in ("condition", "scope", "model", "trips", "rmse", "mae", "bias")}
        for row in facts.evaluations
        if row["slice"] == "overall"
    ]
    return figures | {"month": str(facts.month), "scores": overall}


def _csv(facts: PackFacts) -> str:
    text = StringIO()
    if facts.files:
        writer = csv.DictWriter(text, facts.files[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(facts.files)
    return text.getvalue()


def _json(value: object) -> str:
    return json.dumps(json_safe(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _index(facts: PackFacts, files: Mapping[str, str]) -> Document:
    row = facts.decision
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    listed = tuple((Link(name, name), about, digests[name]) for name, about in _DESCRIPTIONS.items())
    approvals = tuple(
        f"{each['decision']} by {each['decided_by']} at {each['decided_at']:%Y-%m-%d %H:%M:%S} UTC: {each['why']}"
        for each in facts.approvals
    )
    run = f", Dagster run {row['run_id']}" if row["run_id"] else ""
    return Document(
        f"{facts.version.name} version {facts.version.version} on {facts.month}: {facts.state}",
        (
            f"Decided by {row['decided_by']} at {row['decided_at']:%Y-%m-%d %H:%M:%S} UTC{run}.",
            *row["reasons"],
            *approvals,
        ),
        (Section("Files", table=Table(("File", "Has", "SHA-256"), listed)),),
    )


def _replace(folder: Path, files: Mapping[str, str]) -> None:
    """Puts a folder with exactly these files in the place of an earlier one; never a part of them."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / ".lock"):
        for abandoned in folder.parent.glob(f".{folder.name}.*"):
            shutil.rmtree(abandoned)  # of a killed process: the lock is ours
        draft, old = (folder.with_name(f".{folder.name}.{kind}.{os.getpid()}") for kind in ("draft", "old"))
        draft.mkdir()
        for name, text in files.items():
            (draft / name).write_text(text, encoding="utf-8", newline="\n")
        if folder.is_dir():
            folder.rename(old)
        draft.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
