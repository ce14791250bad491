"""A request is answered by one variant, chosen by the rider's key."""

from collections import Counter
from dataclasses import replace

import model_store_samples
import pytest

from taxi_assets.serving.deployments.routed_variants import RoutedVariants
from taxi_assets.serving.deployments.routing import Challenger, Routing
from taxi_assets.serving.deployments.routing_store import RoutingRevision
from taxi_assets.serving.served_model import ServedModel

ROUTING = Routing(12, (Challenger(13, 0.2),), (14,))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    one = ServedModel.load(model_store_samples.add_version(tmp_path_factory.mktemp("store"), 12))
    return replace(one, services=("green", "fhvhv"))


def variants(model: ServedModel, routing: Routing) -> RoutedVariants:
    buckets = {each.version: routing.assign({})[each.version] for each in routing.challengers}
    models = {version: replace(model, facts={"version": version}) for version in (12, 13, 14, 15)}
    models[14] = replace(models[14], services=("fhvhv", "yellow"))
    return RoutedVariants.of(RoutingRevision(7, routing, buckets), models)


def test_a_champion_alone_answers_every_key_without_hashing(model: ServedModel) -> None:
    alone = variants(model, Routing(12))
    assert alone.by_bucket is None
    assert alone.assign("rider-1") is alone.champion


def test_each_key_has_one_variant_and_shadows_none(model: ServedModel) -> None:
    split = variants(model, ROUTING)
    counts = Counter((each.name, each.version) for each in (split.assign(f"rider-{n}") for n in range(10_000)))
    assert set(counts) == {("champion", 12), ("challenger", 13)}
    assert 1_800 < counts["challenger", 13] < 2_200
    assert [(each.name, each.version) for each in split.shadows] == [("shadow", 14)]


def test_every_loaded_version_has_its_own_place(model: ServedModel) -> None:
    deployed = variants(model, ROUTING).deployed
    assert [(each.name, version) for version, each in deployed.items()] == [("deployment", v) for v in (12, 13, 14, 15)]


def test_a_service_that_one_model_does_not_know_is_not_offered(model: ServedModel) -> None:
    assert variants(model, Routing(12)).services == ("green", "fhvhv")
    assert variants(model, ROUTING).services == ("fhvhv",)


def test_the_variants_are_shown_with_their_shares(model: ServedModel) -> None:
    shown = variants(model, ROUTING).as_json()
    assert [tuple(each.values()) for each in shown["variants"]] == [
        ("champion", 12, 0.8),
        ("challenger", 13, 0.2),
        ("shadow", 14, 0.0),
    ]
    assert (shown["revision"], shown["deployed"]) == (7, [12, 13, 14, 15])


def test_a_routing_of_a_version_that_is_not_loaded_is_refused(model: ServedModel) -> None:
    with pytest.raises(LookupError):
        variants(model, Routing(99))
