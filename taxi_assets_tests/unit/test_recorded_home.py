"""The mark of a recorded replay's home: a damaged one is refused with a remedy."""

from pathlib import Path

import pytest

from taxi_assets.cli.recorded_replay import require_own_home
from taxi_assets.errors import TaxiError
from taxi_assets.months import Month

MONTH = Month(2024, 1)


@pytest.mark.parametrize("content", ["", '{"pol', "[]", "{}", "null", "3"])
def test_a_damaged_record_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "recorded_replay.json").write_text(content)
    with pytest.raises(TaxiError, match=r"no record of a replay .*name an empty folder"):
        require_own_home(tmp_path, "drift", MONTH)


def test_the_home_of_the_same_replay_is_accepted_again(tmp_path: Path) -> None:
    require_own_home(tmp_path, "drift", MONTH)
    before = (tmp_path / "recorded_replay.json").read_bytes()
    require_own_home(tmp_path, "drift", MONTH)
    assert (tmp_path / "recorded_replay.json").read_bytes() == before
