"""Whatever stands in the landing folder, under whatever name: nothing outside is touched, nothing hangs."""

import os
import string
from pathlib import Path

import pytest
from desk import NAME, Desk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taxi_assets.ingestion.file_paths import aside_path, shown

NAMES = [
    b"green_tripdata_2023-01.parquet\n",
    b"green_tripdata_2023-01\n; rm -rf ~.parquet",
    b"a\\..\\..\\etc\\passwd.parquet",
    b"x'; DROP TABLE arrivals; --.parquet",
    b'"quoted".parquet',
    b"$(touch pwned).csv",
    b"[red]markup[bold].parquet",
    b"\xff\xfe not text.parquet",
    b"\x1b[2Jescape.parquet",
    "green_tripdata_２０２３-01.parquet".encode(),  # noqa: RUF001 - digits of another script
    "\u202egnp.parquet".encode(),
    b"green_tripdata_2023-01.parquet ",
    b"-rf",
    b"a" * 255,
    b"n%s%d{0}.parquet",
]


def put(desk: Desk, name: bytes, content: bytes) -> None:
    (desk.settings.landing / os.fsdecode(name)).write_bytes(content)


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_hostile_name_is_put_aside_and_shown_escaped(desk: Desk, name: bytes) -> None:
    content = (desk.months / NAME).read_bytes()
    put(desk, name, content)
    desk.look(3)
    record = desk.only()
    assert (record.state, record.file_name) == ("quarantined", shown(os.fsdecode(name)))
    assert record.file_name.isprintable()
    assert desk.path(record).parent == desk.settings.quarantine
    assert desk.path(record).read_bytes() == content
    assert not list(desk.settings.landing.iterdir())
    desk.check()


def test_links_folders_and_devices_are_moved_as_such_and_never_opened(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "secret.parquet"
    secret.write_bytes((desk.months / NAME).read_bytes())
    landing = desk.settings.landing
    (landing / NAME).symlink_to(secret)
    (landing / "green_tripdata_2023-02.parquet").symlink_to("/nowhere")
    (landing / "green_tripdata_2023-03.parquet").mkdir()
    (landing / "green_tripdata_2023-03.parquet" / "inside").write_text("kept")
    os.mkfifo(landing / "green_tripdata_2023-04.parquet")
    desk.look()
    told = {record.file_name[-15:-8]: record.reasons[0] for record in desk.records()}
    what = {"2023-01": "a link", "2023-02": "a link", "2023-03": "a folder", "2023-04": "a device"}
    assert told == {m: f"it is {kind}, not a file: put the month's file itself there" for m, kind in what.items()}
    assert desk.states() == {"quarantined": 4}
    assert secret.is_file()
    assert not list(landing.iterdir())
    assert [path.read_text() for path in desk.settings.quarantine.rglob("inside")] == ["kept"]
    assert desk.look() == desk.records()
    assert len(desk.records()) == 4


ANY_NAME = st.binary(min_size=1, max_size=255).filter(lambda n: b"/" not in n and b"\0" not in n and n[:1] != b".")
NASTY = st.text(st.sampled_from("./\\'\"\n\r\t;%$`*?[]{}|<>&\u202e\u200b\ud800" + string.ascii_letters), max_size=60)


@given(ANY_NAME.map(os.fsdecode) | NASTY)
def test_a_place_in_quarantine_is_one_name_of_plain_letters(name: str) -> None:
    for sha256 in ("a" * 64, None):
        folder, _, last = aside_path(sha256, name, "token").partition("/")
        assert folder == "quarantine"
        assert set(last) <= {*string.ascii_letters, *string.digits, *"._() -"}
        assert 0 < len(last) <= 255
        assert last.startswith(("aaaaaaaaaaaaaaaa-", "nofile-token-"))
        assert shown(name).isprintable()


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ANY_NAME)
def test_any_name_is_put_aside_and_nothing_else_changes(desk: Desk, name: bytes) -> None:
    desk.empty()
    around = set(desk.settings.home.parent.iterdir())
    put(desk, name, b"no trips")
    desk.look(3)
    assert {r.state for r in desk.records()} <= {"quarantined", "arriving"}  # `….part` and its like wait
    assert set(desk.settings.home.parent.iterdir()) == around
    desk.check()
