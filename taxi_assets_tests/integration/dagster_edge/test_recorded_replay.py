"""`taxi audit` agrees with registry, tables, routing and log at any time of a recorded replay.

`TEST_REPLAY_HOME` names the home of an earlier `taxi replay --record` to check in place of the synthetic one.
"""

import os
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from platform_harness import TINY

from taxi_assets import synthetic
from taxi_assets.cli.recorded_replay import record_replay, require_own_home
from taxi_assets.cli.replay_command import replay as replay_command
from taxi_assets.defs.check_results import check_result_reader
from taxi_assets.defs.instance import open_instance
from taxi_assets.errors import TaxiError
from taxi_assets.monitoring.audit import audit
from taxi_assets.monitoring.evidence_pack.write_pack import pack_name
from taxi_assets.monitoring.replay.replay import replay
from taxi_assets.months import Month, month_range
from taxi_assets.registry.version_reader import read_versions
from taxi_assets.serving.deployments.routing_store import stored_routings
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.settings import Settings
from taxi_assets.synthetic import parse_shift
from taxi_assets.warehouse.connection import Warehouse

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROWS, SEED, TIMES = 4_000, 7, 100
MONTHS = month_range(Month(2023, 1), Month(2023, 9))
REPLAYED = MONTHS[2:]
# The city changes in the middle, so that models lose and later ones win.
SHIFTED = {MONTHS[5]: "slower_city=1.2", MONTHS[6]: "slower_city=1.2", MONTHS[7]: "slower_city=1.2"}
PACK = {
    *("index.html", "decision.json", "comparison.json", "data_files.csv", "sbom.cdx.json"),
    *("model_card.md", "model_card.html", "ai_act.md", "ai_act.html"),
}


@pytest.fixture(scope="module", autouse=True)
def _home_as_before() -> Iterator[None]:
    """Restores `DAGSTER_HOME`, which a replay sets in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        yield


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replayed_city")
    synthetic.write_zones(folder, SEED)
    for month in MONTHS:
        shifts = [parse_shift(SHIFTED[month])] if month in SHIFTED else []
        synthetic.write_month(folder, "green", month, ROWS, SEED, None, shifts)
    return folder


@pytest.fixture(scope="module")
def settings(city: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("recorded") / "home"
    return Settings(
        home=home, data_kind="synthetic", tlc_source=str(city), retrain="drift", threads=1, memory_limit="1GB"
    )


@pytest.fixture(scope="module")
def facts(settings: Settings) -> dict[str, Any]:
    """The facts of the replay, which was interrupted after half of its months."""
    require_own_home(settings.home, "drift", REPLAYED[0])
    record_replay(settings, REPLAYED[:4], print, TINY)
    require_own_home(settings.home, "drift", REPLAYED[0])
    return record_replay(settings, REPLAYED, print, TINY)


@pytest.fixture(scope="module")
def recorded(request: pytest.FixtureRequest) -> Settings:
    """The settings of a recorded replay's home."""
    if home := os.environ.get("TEST_REPLAY_HOME"):
        return Settings(home=Path(home))
    request.getfixturevalue("facts")
    found: Settings = request.getfixturevalue("settings")
    return found


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with Warehouse(settings).reading() as connection:
        return connection.execute(query).fetchall()


def last_before(changes: Sequence[tuple[datetime, int]], time: datetime) -> int | None:
    """The version of the last change until a time."""
    return max((change for change in changes if change[0] <= time), default=(None, None))[1]


def promotions(settings: Settings) -> list[tuple[datetime, int]]:
    return rows(settings, "SELECT decided_at, model_version FROM promotions WHERE is_promoted ORDER BY decided_at")


def registry(settings: Settings) -> list[tuple[datetime, int]]:
    since = {number: version.tags.get("champion_since") for number, version in read_versions(settings).items()}
    return [(datetime.fromisoformat(text), number) for number, text in since.items() if text]


def routings(settings: Settings) -> list[tuple[datetime, int]]:
    stored = stored_routings(ServingState(settings.serving_state))
    times = [(datetime.fromisoformat(each.at).astimezone(UTC).replace(tzinfo=None), each) for each in stored]
    return [(time, each.routing.champion) for time, each in times]


def test_the_audit_agrees_with_every_record_at_random_times(recorded: Settings) -> None:
    changes, registered, routed = promotions(recorded), registry(recorded), routings(recorded)
    answers = rows(recorded, "SELECT answered_at, model_version FROM predictions WHERE shadow_of IS NULL ORDER BY ALL")
    assert len(changes) > 1, "no champion was replaced"
    chance = random.Random(SEED)  # noqa: S311 - times, not secrets
    begin, end = changes[0][0] - timedelta(minutes=1), max(changes[-1][0], answers[-1][0]) + timedelta(seconds=1)
    between = [begin + chance.random() * (end - begin) for _ in range(TIMES // 2)]
    times = between + [time for time, _ in chance.sample(answers, TIMES - len(between))]
    with open_instance(recorded) as instance:
        checks = check_result_reader(instance)
        for time in times:
            found = audit(recorded, Warehouse(recorded), checks, time)
            version = found["champion"] and found["champion"]["model_version"]
            assert version == last_before(changes, time) == last_before(registered, time)
            serving = found["routing"] and found["routing"]["champion"]
            assert serving == last_before(routed, time)
            if time not in between:  # rides come between the runs: a champion is deployed in the run that promotes it
                assert version == serving == last_before(answers, time)
            if version:
                assert found["evidence"]["decided_at"] == found["champion"]["changed_at"]
                assert found["training"]["version"]["version"] == version
                assert found["evidence_pack"]
        assert audit(recorded, Warehouse(recorded), checks)["disagreements"] == []


def test_every_decision_has_a_whole_evidence_pack(recorded: Settings) -> None:
    decisions = rows(recorded, "SELECT month, model_version FROM promotions ORDER BY month")
    assert decisions
    for day, version in decisions:
        folder = recorded.evidence / pack_name(Month(day.year, day.month), version)
        assert {path.name for path in folder.iterdir()} == PACK
        assert all(path.stat().st_size for path in folder.iterdir())


def test_months_train_as_the_policy_says_and_only_then(recorded: Settings) -> None:
    trained = {month for (month,) in rows(recorded, "SELECT month FROM retraining_decisions WHERE is_retraining")}
    versions = {version.tags["scored_month"] for version in read_versions(recorded).values()}
    assert {f"{month:%Y-%m}" for month in trained} == versions
    assert {month for (month,) in rows(recorded, "SELECT month FROM promotions")} == trained
    assert trained < {month for (month,) in rows(recorded, "SELECT month FROM retraining_decisions")}


def test_the_replay_in_memory_has_the_same_life(settings: Settings, facts: dict[str, Any], city: Path) -> None:
    (beside,) = replay(Warehouse(settings), REPLAYED, ["drift"], print, TINY)
    same = ("month", "champion", "trips", "retrained", "training_reason", "promoted", "verdict")
    assert set(facts) == set(beside)
    for ours, theirs in zip(facts["months"], beside["months"], strict=True):
        assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}
        for name in ("rmse", "mae", "bias", "coverage_90"):
            assert ours[name] == pytest.approx(theirs[name])
    assert facts["mean_rmse"] == pytest.approx(beside["mean_rmse"])
    assert facts["seconds"] > 0


def test_a_home_of_something_else_is_refused(settings: Settings, facts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(TaxiError, match="which is no home of a replay: name an empty folder"):
        require_own_home(tmp_path, "drift", REPLAYED[0])
    with pytest.raises(TaxiError, match="a replay of 'drift' from 2023-03: name an empty folder"):
        require_own_home(settings.home, "monthly", REPLAYED[0])


def test_a_source_without_earlier_months_is_refused(settings: Settings, tmp_path: Path) -> None:
    elsewhere = settings.model_copy(update={"home": tmp_path / "home"})
    with pytest.raises(TaxiError, match=f"the source has no month before {MONTHS[0]} to train on"):
        record_replay(elsewhere, MONTHS[:1], print, TINY)


def test_a_home_records_one_policy(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with pytest.raises(TaxiError, match="--record is the home of one policy: name one --policy"):
        replay_command("2023-05", "2023-06", ["never", "drift"], record=str(home))
    assert not home.exists()
