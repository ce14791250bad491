"""The releases of an environment: lines that are added and never changed. The last one is current."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from taxi_assets.errors import TaxiError
from taxi_assets.monitoring.release.revision import Revision
from taxi_assets.settings import Settings


@dataclass(frozen=True)
class Release:
    """A line of the log.

    Attributes:
        number: Its place in the log, from 1.
        action: `promoted`, `verified` or `undone`.
        source: The environment the revision comes from.
        revision: The revision that is current from now on; None if an undo leaves none.
        checks: The checks that were green, with what they found.
        by: The person.
        why: Their reason.
        at: The time in UTC.
    """

    number: int
    action: str
    source: str
    revision: Revision | None
    checks: Mapping[str, str]
    by: str
    why: str
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


def read_log(settings: Settings) -> list[Release]:
    """All lines, oldest first.

    Raises:
        TaxiError: a line cannot be read.
    """
    path = log_file(settings)
    if not path.is_file():
        return []
    try:
        return [_release(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except (ValueError, TypeError, KeyError) as error:
        raise TaxiError(f"{path} is damaged ({error}): restore it from a backup") from error


def current_release(settings: Settings) -> Release | None:
    """The newest line that set the revision; None before the first promotion, and after its undo."""
    changes = [each for each in read_log(settings) if each.action != "verified"]
    return changes[-1] if changes and changes[-1].revision else None


def append(settings: Settings, action: str, source: str, revision: Revision | None, **facts: Any) -> Release:
    """Add a line; a killed process leaves the log as it was."""
    path = log_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        release = Release(len(read_log(settings)) + 1, action, source, revision, **facts)
        line = json.dumps(asdict(release), ensure_ascii=False) + "\n"
        before = path.read_bytes() if path.is_file() else b""
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            file.write(before + line.encode())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    return release


def log_file(settings: Settings) -> Path:
    return settings.releases / "releases.jsonl"


def _release(record: dict[str, Any]) -> Release:
    revision = record.pop("revision")
    return Release(revision=Revision.of(revision) if revision else None, **record)
