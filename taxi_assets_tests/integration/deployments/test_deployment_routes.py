"""Deployments and routings over HTTP: each change applies, or its problem has the reason."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import model_store_samples
import pytest
from endpoint_harness import RIDE, Api, detail

SPLIT = {"champion": 2, "challengers": [{"version": 3, "share": 0.1}], "shadows": [1]}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """An endpoint of version 1 whose store has versions 1 to 3."""
    api = Api(tmp_path, 3)
    yield api
    api.close()


def test_a_version_is_deployed_and_answers_under_its_own_address(api: Api) -> None:
    response = api("POST", "/deployments", {"model_version": 2}, headers={"x-requested-by": "taxi deploy"})
    deployment = response.json()
    assert response.status_code == 201
    assert (deployment["model_version"], deployment["by"]) == (2, "taxi deploy")
    assert deployment["url"] == "http://endpoint:3001/deployments/2/predict"
    assert len(deployment["manifest_sha256"]) == 64
    prediction = api("POST", "/deployments/2/predict", RIDE, token="").json()
    assert (prediction["model_version"], prediction["variant"]) == (2, "deployment")
    assert api("POST", "/predict", RIDE).json()["model_version"] == 1
    counted = 'taxi_requests_total{address="/deployments/{version}/predict",status="200"}'
    assert counted in api("GET", "/metrics").text
    listed = api("GET", "/deployments").json()
    assert listed["deployments"][1] == {**deployment, "is_routed": False}
    assert [(each["model_version"], each["is_routed"]) for each in listed["deployments"]] == [(1, True), (2, False)]
    assert "version 2 is not" not in detail(api("DELETE", "/deployments/1"), 409)
    assert api("DELETE", "/deployments/2").status_code == 204
    assert "version 2 is not deployed" in detail(api("DELETE", "/deployments/2"), 404)
    assert "version 2 is not deployed" in detail(api("POST", "/deployments/2/predict", RIDE), 404)


def test_no_client_names_a_change_as_the_packaged_models(api: Api) -> None:
    """At its start the endpoint would replace that routing by its packaged model."""
    routing = api("PUT", "/routing/champion", {"model_version": 2}, headers={"x-requested-by": "packaged"}).json()
    assert (routing["champion"], routing["by"]) == (2, "api")


def test_a_routing_is_applied_and_rolled_back(api: Api) -> None:
    first = api("GET", "/routing").json()
    assert (first["revision"], first["champion"], first["by"]) == (1, 1, "packaged")
    assert api("PUT", "/routing/champion", {"model_version": 2}).json()["champion"] == 2
    assert api("POST", "/deployments", {"model_version": 3}).status_code == 201
    routing = api("PUT", "/routing", SPLIT).json()
    assert {name: routing[name] for name in SPLIT} == SPLIT
    assert routing == api("GET", "/routing").json()
    assert (routing["revision"], routing["by"]) == (3, "api")
    versions = {api("POST", "/predict", {**RIDE, "rider_key": f"{n}"}).json()["model_version"] for n in range(40)}
    assert versions == {2, 3}
    variants = api("GET", "/variants").json()
    assert (variants["revision"], variants["deployed"]) == (3, [1, 2, 3])
    assert api("POST", "/routing/rollback").json()["challengers"] == []
    assert api("POST", "/routing/rollback").json()["champion"] == 1
    assert "no earlier routing" in detail(api("POST", "/routing/rollback"), 409)


def test_a_rollback_to_a_damaged_routing_is_a_conflict(api: Api) -> None:
    api("PUT", "/routing/champion", {"model_version": 2})
    (api.state.history / "00000001.json").write_text("{")
    response = api("POST", "/routing/rollback")
    assert "00000001.json is no routing" in detail(response, 409)
    assert "retry-after" not in response.headers
    assert api("GET", "/routing").json()["champion"] == 2


def test_a_rollback_to_a_version_that_the_store_lost_is_a_conflict(api: Api) -> None:
    for version in (2, 3):
        api("PUT", "/routing/champion", {"model_version": version})
    assert api("POST", "/routing/rollback").json()["champion"] == 2
    shutil.rmtree(api.store / "v1-000000000001")
    problem = detail(api("POST", "/routing/rollback"), 409)
    assert "the routing before cannot be restored: version 1 has no Bento" in problem
    assert api("GET", "/routing").json()["champion"] == 2


def versions_of_riders(api: Api, share: float) -> list[int]:
    """The version of each of 100 riders with this share of the challenger, the same when asked again."""
    assert api("PUT", "/routing", {"champion": 1, "challengers": [{"version": 2, "share": share}]}).status_code == 200
    versions = [api.versions([{**RIDE, "rider_key": f"rider-{number}"} for number in range(100)]) for _ in range(2)]
    assert versions[0] == versions[1]
    return versions[0]


def test_a_rider_stays_with_a_version_unless_the_shares_change(api: Api) -> None:
    api("POST", "/deployments", {"model_version": 2})
    before, again, grown = (versions_of_riders(api, share) for share in (0.3, 0.3, 0.6))
    assert before == again
    assert 15 < before.count(2) < 45 < grown.count(2) < 75
    assert {pair for pair in zip(before, grown, strict=True) if pair[0] != pair[1]} == {(1, 2)}


@pytest.mark.parametrize("change", [("POST", "/deployments"), ("PUT", "/routing/champion")])
def test_a_broken_model_is_refused_with_the_reason_everywhere(api: Api, change: tuple[str, str]) -> None:
    model_store_samples.add_version(api.store, 9, model_store_samples.change_golden_predictions)
    assert "minutes off the model" in detail(api(*change, {"model_version": 9}), 422)
    for path in ("/variants", "/deployments"):
        (refusal,) = api("GET", path).json()["refusals"]
        assert (refusal["model_version"], refusal["by"]) == (9, "api")
        assert "minutes off the model" in refusal["reason"]
    assert 'taxi_model_refusals_total{version="9"}' in api("GET", "/metrics").text
    assert "taxi_routing_revision 1.0" in api("GET", "/metrics").text
    assert api("POST", "/predict", RIDE).json()["model_version"] == 1


def test_a_damaged_routing_is_shown(api: Api) -> None:
    assert api("GET", "/variants").json()["problems"] == []
    api.state.routing.write_text("{")
    api.follower.poll()
    (problem,) = api("GET", "/variants").json()["problems"]
    assert "routing.json is no routing" in problem
    assert api("PUT", "/routing", {"champion": 1}).status_code == 200
    api.follower.poll()  # the routing is the same as before, so the change waits for no worker
    assert api("GET", "/variants").json()["problems"] == []


def test_the_document_has_the_predictions_of_the_champion(api: Api) -> None:
    def example() -> int:
        content = api("GET", "/openapi.json").json()["paths"]["/predict"]["post"]["responses"]["200"]["content"]
        return int(content["application/json"]["example"]["model_version"])

    before = api("GET", "/metrics").text.count("taxi_predictions_total{")
    assert example() == 1
    api("PUT", "/routing/champion", {"model_version": 2})
    assert example() == 2
    assert api("GET", "/model").json()["version"] == 2
    assert api("GET", "/metrics").text.count("taxi_predictions_total{") == before  # an example is no prediction


def test_a_state_that_cannot_be_written_to_is_reported(api: Api) -> None:
    api.state.history.rename(api.state.folder / "elsewhere")
    api.state.history.write_text("a file")
    assert "writable" in detail(api("PUT", "/routing", {"champion": 1}), 503)
    assert api("POST", "/predict", RIDE).status_code == 200
