"""Hostile names and file types in the landing folder change nothing outside it and never block."""

import os
import string
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from landing_harness import NAME, LandingHarness

from taxi_assets.ingestion.file_paths import escape_name, quarantine_path

NAMES = [
    b"green_tripdata_2023-01.parquet\n",
    b"green_tripdata_2023-01\n; rm -rf ~.parquet",
    b"a\\..\\..\\etc\\passwd.parquet",
    b"x'; DROP TABLE source_files; --.parquet",
    b'"quoted".parquet',
    b"$(touch pwned).csv",
    b"[red]markup[bold].parquet",
    b"\xff\xfe not text.parquet",
    b"\x1b[2Jescape.parquet",
    "green_tripdata_２０２３-01.parquet".encode(),  # noqa: RUF001 - full-width digits
    "\u202egnp.parquet".encode(),
    b"green_tripdata_2023-01.parquet ",
    b"-rf",
    b"a" * 255,
    b"n%s%d{0}.parquet",
]


def put(landing_harness: LandingHarness, name: bytes, content: bytes) -> None:
    (landing_harness.settings.landing / os.fsdecode(name)).write_bytes(content)


def test_hostile_names_are_quarantined_and_shown_escaped(landing_harness: LandingHarness) -> None:
    content = (landing_harness.months / NAME).read_bytes()
    for name in NAMES:
        put(landing_harness, name, content)
    landing_harness.scan_landing(3)
    records = landing_harness.records()
    assert {record.state for record in records} == {"quarantined"}
    assert sorted(record.file_name for record in records) == sorted(escape_name(os.fsdecode(name)) for name in NAMES)
    for record in records:
        assert record.file_name.isprintable()
        assert landing_harness.path(record).parent == landing_harness.settings.quarantine
        assert landing_harness.path(record).read_bytes() == content
    assert not list(landing_harness.settings.landing.iterdir())
    landing_harness.check()


def test_links_folders_and_devices_are_quarantined_without_opening(
    landing_harness: LandingHarness, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.parquet"
    secret.write_bytes((landing_harness.months / NAME).read_bytes())
    landing = landing_harness.settings.landing
    (landing / NAME).symlink_to(secret)
    (landing / "green_tripdata_2023-02.parquet").symlink_to("/nowhere")
    (landing / "green_tripdata_2023-03.parquet").mkdir()
    (landing / "green_tripdata_2023-03.parquet" / "inside").write_text("kept")
    os.mkfifo(landing / "green_tripdata_2023-04.parquet")
    landing_harness.scan_landing()
    reasons = {record.file_name[-15:-8]: record.reasons[0] for record in landing_harness.records()}
    what = {"2023-01": "a link", "2023-02": "a link", "2023-03": "a folder", "2023-04": "a device"}
    assert reasons == {
        m: f"it is {kind}, not a file: put the month's file itself into the landing folder" for m, kind in what.items()
    }
    assert landing_harness.states() == {"quarantined": 4}
    assert secret.is_file()
    assert not list(landing.iterdir())
    assert [path.read_text() for path in landing_harness.settings.quarantine.rglob("inside")] == ["kept"]
    assert landing_harness.scan_landing() == landing_harness.records()
    assert len(landing_harness.records()) == 4


ANY_NAME = st.binary(min_size=1, max_size=255).filter(lambda n: b"/" not in n and b"\0" not in n and n[:1] != b".")
NASTY = st.text(st.sampled_from("./\\'\"\n\r\t;%$`*?[]{}|<>&\u202e\u200b\ud800" + string.ascii_letters), max_size=60)


@given(ANY_NAME.map(os.fsdecode) | NASTY)
def test_quarantine_path_is_one_plain_ascii_name(name: str) -> None:
    for sha256 in ("a" * 64, None):
        folder, _, last = quarantine_path(sha256, name, "token").partition("/")
        assert folder == "quarantine"
        assert set(last) <= {*string.ascii_letters, *string.digits, *"._() -"}
        assert 0 < len(last) <= 255
        assert last.startswith(("aaaaaaaaaaaaaaaa-", "nofile-token-"))
        assert escape_name(name).isprintable()


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ANY_NAME)
def test_any_name_is_quarantined_and_nothing_else_changes(landing_harness: LandingHarness, name: bytes) -> None:
    landing_harness.empty()
    around = set(landing_harness.settings.home.parent.iterdir())
    put(landing_harness, name, b"no trips")
    landing_harness.scan_landing(3)
    assert {r.state for r in landing_harness.records()} <= {"quarantined", "arriving"}  # names like `….part` wait
    assert set(landing_harness.settings.home.parent.iterdir()) == around
    landing_harness.check()
