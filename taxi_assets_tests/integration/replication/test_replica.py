"""A machine that shares only the store serves by the source's routing, also past failures."""

import shutil
from dataclasses import replace
from pathlib import Path

import model_store_samples
import msgspec
import pytest
import s3_server

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.deployment_changes import DeploymentChanges
from taxi_assets.serving.deployments.follow import Follower
from taxi_assets.serving.deployments.model_store import find_model, stored_versions
from taxi_assets.serving.deployments.routing_store import RoutingRevision, read_routing
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.packaging.bento_build import model_store
from taxi_assets.serving.replication.replica import Replica, ReplicaStatus, read_replicas
from taxi_assets.serving.replication.shared_routing import read_shared_routing, share_routing
from taxi_assets.settings import Settings
from taxi_assets.warehouse.shared_store import SharedStore, SharedStoreUnavailable

pytestmark = pytest.mark.slow

SPLIT = {"champion": 2, "challengers": [{"version": 1, "share": 0.3}], "shadows": [3]}


def routed(settings: Settings) -> RoutingRevision:
    found = read_routing(ServingState(settings.serving_state))
    assert found
    return found


def test_a_replica_gives_each_rider_the_version_of_the_source(
    source: Settings, changes: DeploymentChanges, store: SharedStore, replica: Replica
) -> None:
    assert replica.follow_routing().revision == 0
    changes.make_champion(1)
    changes.set_routing(SPLIT)
    shared = share_routing(source, store)
    assert shared
    assert share_routing(source, store) is None
    status = replica.follow_routing()
    assert (status.revision, status.problem) == (2, "")
    assert routed(replica.settings).versions_by_bucket == routed(source).versions_by_bucket
    assert routed(replica.settings).routing == routed(source).routing
    assert stored_versions(model_store(replica.settings)) == {1, 2, 3}
    assert (model_store(replica.settings) / "latest").read_text() == "v2-000000000002"
    assert replica.follow_routing() == status
    assert read_replicas(store) == [status]


def test_running_workers_follow_and_old_bentos_are_removed(
    source: Settings, changes: DeploymentChanges, store: SharedStore, replica: Replica
) -> None:
    bentos = model_store(replica.settings)
    changes.make_champion(1)
    share_routing(source, store)
    replica.follow_routing()
    worker = Follower(ServingState(replica.settings.serving_state), bentos, find_model(bentos, 1))
    worker.start(poll_seconds=0.02)
    try:
        for version in (2, 3):
            changes.make_champion(version)
            share_routing(source, store)
            assert replica.follow_routing().problem == ""
            assert worker.variants.champion.version == version
        assert stored_versions(bentos) == {2, 3}
        assert store.names("bentos") == {"v2-000000000002.tar", "v3-000000000003.tar"}
        changes.roll_back()
        share_routing(source, store)
        replica.follow_routing()
        assert worker.variants.champion.version == 2
    finally:
        worker.close()


def test_a_restart_keeps_the_routing_without_the_store(
    source: Settings, changes: DeploymentChanges, store: SharedStore, replica: Replica
) -> None:
    changes.make_champion(1)
    changes.set_routing(SPLIT)
    share_routing(source, store)
    replica.follow_routing()
    bentos = model_store(replica.settings)
    worker = Follower(ServingState(replica.settings.serving_state), bentos, find_model(bentos, 2))
    worker.close()
    assert worker.variants.routing.routing == routed(source).routing


@pytest.mark.parametrize("fault", ["damaged", "missing"])
def test_a_faulty_archive_changes_nothing_until_it_is_mended(
    source: Settings, changes: DeploymentChanges, store: SharedStore, replica: Replica, fault: str
) -> None:
    changes.make_champion(1)
    share_routing(source, store)
    replica.follow_routing()
    changes.make_champion(2)
    share_routing(source, store)
    key = "bentos/v2-000000000002.tar"
    archive = store.read(key)
    assert archive
    store.delete(key)
    if fault == "damaged":
        store.write(key, archive[:-1] + b"x")
    status = replica.follow_routing()
    assert fault in status.problem
    assert (status.revision, routed(replica.settings).routing.champion) == (1, 1)
    assert read_replicas(store) == [status]
    store.write(key, archive)
    mended = replica.follow_routing()
    assert (mended.revision, mended.problem, routed(replica.settings).routing.champion) == (2, "", 2)


def test_a_model_that_fails_its_checks_here_is_reported_and_the_one_before_stays(
    source: Settings, changes: DeploymentChanges, store: SharedStore, replica: Replica
) -> None:
    changes.make_champion(1)
    changes.make_champion(2)
    folder = find_model(model_store(source), 2)
    shutil.rmtree(folder.parents[1])
    model_store_samples.add_version(model_store(source), 2, model_store_samples.predict_nan)
    share_routing(source, store)
    assert "version 2 is refused" in replica.follow_routing().problem
    changes.roll_back()
    share_routing(source, store)
    status = replica.follow_routing()
    assert (status.problem, routed(replica.settings).routing.champion) == ("", 1)


def test_a_refused_routing_is_tried_again_after_a_while_and_another_at_once(
    source: Settings, changes: DeploymentChanges, store: SharedStore, replica: Replica
) -> None:
    patient = replace(replica, retry_seconds=3600)
    changes.make_champion(1)
    share_routing(source, store)
    store.delete("bentos/v1-000000000001.tar")
    refused = patient.follow_routing()
    assert "missing" in refused.problem
    assert patient.follow_routing() == refused
    changes.make_champion(2)
    share_routing(source, store)
    assert (patient.follow_routing().problem, routed(patient.settings).routing.champion) == ("", 2)


def test_a_machine_that_ended_is_seen_as_such(
    source: Settings, changes: DeploymentChanges, store: SharedStore, replica: Replica
) -> None:
    changes.make_champion(1)
    share_routing(source, store)
    status = replica.follow_routing()
    assert status.is_alive
    replica.report_alive()
    (reported,) = read_replicas(store)
    assert replace_time(reported, status.at) == status
    assert not replace_time(reported, "2024-01-01T00:00:00+00:00").is_alive


def replace_time(status: ReplicaStatus, at: str) -> ReplicaStatus:
    return msgspec.structs.replace(status, at=at)


def test_a_new_home_replaces_the_routing_of_a_lost_one(
    source: Settings, changes: DeploymentChanges, store: SharedStore, replica: Replica
) -> None:
    changes.make_champion(1)
    changes.make_champion(2)
    share_routing(source, store)
    replica.follow_routing()
    shutil.rmtree(source.serving_state)
    changes.make_champion(3)
    share_routing(source, store)
    assert (replica.follow_routing().revision, routed(replica.settings).routing.champion) == (1, 3)


def test_a_damaged_shared_routing_is_reported_and_replaced_by_the_source(
    source: Settings, changes: DeploymentChanges, store: SharedStore, replica: Replica
) -> None:
    store.write("routing.json", b"{}")
    with pytest.raises(TaxiError, match=r"routing\.json .* is damaged"):
        read_shared_routing(store)
    with pytest.raises(TaxiError, match="change the routing by `taxi route`"):
        replica.follow_routing()
    changes.make_champion(1)
    assert share_routing(source, store)
    assert replica.follow_routing().revision == 1


def test_a_version_without_a_bento_is_not_shared(
    source: Settings, changes: DeploymentChanges, store: SharedStore
) -> None:
    changes.make_champion(1)
    share_routing(source, store)
    changes.make_champion(2)
    shutil.rmtree(find_model(model_store(source), 2).parents[1])
    with pytest.raises(TaxiError, match="version 2 has no Bento"):
        share_routing(source, store)
    shared = read_shared_routing(store)
    assert shared
    assert shared.routing["champion"] == 1


def test_a_store_that_is_down_is_named_and_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if s3_server.missing():
        pytest.skip(s3_server.missing())
    pytest.importorskip("obstore", reason="obstore is missing: run `make env-scale`")
    server = s3_server.S3Server(tmp_path / "s3", free_port())
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    address = f"s3://{s3_server.BUCKET}/serving"
    source = Settings(home=tmp_path / "source", data_kind="synthetic", serving_store=address)
    store = SharedStore(source)
    model_store_samples.add_version(model_store(source), 1)
    changes = DeploymentChanges(ServingState(source.serving_state), model_store(source), "a test", timeout=120)
    changes.make_champion(1)
    replica = Replica(source.model_copy(update={"home": tmp_path / "replica"}), store)
    with pytest.raises(SharedStoreUnavailable, match="check TAXI_SERVING_STORE") as down:
        share_routing(source, store)
    assert s3_server.SECRET_KEY not in str(down.value)
    server.start()
    try:
        assert share_routing(source, store)
        assert replica.follow_routing().revision == 1
    finally:
        server.kill()
    with pytest.raises(SharedStoreUnavailable):
        replica.follow_routing()
    assert routed(replica.settings).routing.champion == 1


def test_the_store_must_be_set(tmp_path: Path) -> None:
    with pytest.raises(TaxiError, match="set TAXI_SERVING_STORE"):
        SharedStore(Settings(home=tmp_path / "home"))
