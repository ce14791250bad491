"""Changes of deployments and routings are refused without the token, and for hostile bodies."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from endpoint_harness import RIDE, TOKEN, Api, detail
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.deploy_token import create_token, is_token, read_token
from taxi_assets.serving.deployments.deployment_changes import (
    RefusedModel,
    RoutedVersion,
    TooManyDeployed,
    UnknownVersion,
)
from taxi_assets.serving.deployments.routing_store import NoEarlierRouting
from taxi_assets.serving.deployments.serving_state import ServingState, StateLocked
from taxi_assets.serving.endpoint.deployment_fields import problem_of

# Every address that needs the token.
GUARDED = (
    ("GET", "/deployments"),
    ("POST", "/deployments"),
    ("DELETE", "/deployments/1"),
    ("GET", "/routing"),
    ("PUT", "/routing"),
    ("PUT", "/routing/champion"),
    ("POST", "/routing/rollback"),
)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An endpoint whose tests change nothing."""
    api = Api(tmp_path_factory.mktemp("unchanged"), 1)
    yield api
    api.close()


# The token


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", b"Bearer \xfc\xff"])
def test_a_missing_or_wrong_token_is_refused(
    unchanged: Api, method: str, path: str, authorization: str | bytes | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    response = unchanged(method, path, {"model_version": 2}, token="", headers=headers)
    assert "the deployment token is missing or wrong" in detail(response, 401)
    assert response.headers["www-authenticate"] == "Bearer"
    assert TOKEN not in response.text


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_without_a_token_changes_are_refused_with_the_remedy(unchanged: Api, method: str, path: str) -> None:
    token = unchanged.state.token.rename(unchanged.state.folder / "other_token")
    try:
        assert "start it with `taxi up`, or set TAXI_DEPLOY_TOKEN" in detail(unchanged(method, path), 403)
    finally:
        token.rename(unchanged.state.token)


def test_without_a_model_store_changes_are_refused_with_the_remedy(
    unchanged: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged.endpoint, "store", None)
    assert "set TAXI_MODEL_STORE and TAXI_SERVING_STATE" in detail(unchanged("GET", "/routing"), 403)
    assert unchanged("GET", "/variants").json()["refusals"] == []


def test_the_token_of_the_variable_comes_first(tmp_path: Path) -> None:
    state = ServingState(tmp_path / "serving")
    assert read_token(state, {}) is None
    create_token(state)
    token = read_token(state, {})
    assert token
    assert len(token) >= 32
    assert state.token.stat().st_mode & 0o777 == 0o600
    create_token(state)
    assert read_token(state, {}) == token
    assert read_token(state, {"TAXI_DEPLOY_TOKEN": "given"}) == "given"
    assert [path.name for path in state.folder.iterdir()] == ["token"]


@given(st.binary(max_size=30), st.text(max_size=30))
def test_only_the_token_itself_is_accepted(given_bytes: bytes, token: str) -> None:
    assert is_token(given_bytes, token) == (given_bytes == token.encode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnknownVersion("x"), 404),
        (RefusedModel("x"), 422),
        (RoutedVersion("x"), 409),
        (TooManyDeployed("x"), 409),
        (NoEarlierRouting("x"), 409),
        (StateLocked("x"), 409),
        (TaxiError("x"), 503),
    ],
)
def test_each_reason_has_its_status(error: TaxiError, status: int) -> None:
    problem = problem_of(error, {})
    assert (problem.status, problem.detail) == (status, "x")
    assert ("retry-after" in problem.headers) == isinstance(error, StateLocked) or status == 503


# Bodies


@pytest.mark.parametrize(("method", "path"), [("POST", "/deployments"), ("PUT", "/routing/champion")])
@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ([], "body", "[]"),
        ("12", "body", '"12"'),
        ({}, "model_version", None),
        ({"model_version": None}, "model_version", None),
        ({"model_version": "12"}, "model_version", '"12"'),
        ({"model_version": True}, "model_version", "true"),
        ({"model_version": 1.5}, "model_version", "1.5"),
        ({"model_version": 0}, "model_version", "0"),
        ({"model_version": 10**30}, "model_version", str(10**30)),
        ({"model_version": 1, "version": 2}, "version", "2"),
    ],
)
def test_a_wrong_version_is_named(
    unchanged: Api, method: str, path: str, body: object, field: str, value: str | None
) -> None:
    response = unchanged(method, path, body)
    detail(response, 422)
    (error,) = response.json()["errors"]
    assert (error["field"], error["value"]) == (field, value)


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ([1], "body", "[1]"),
        ({}, "champion", None),
        ({"champion": 7}, "champion", "7"),
        ({"champion": 1, "challengers": [{"version": 1, "share": "all"}]}, "challengers[0].share", '"all"'),
        ({"champion": 1, "challengers": [{"version": 1}]}, "challengers[0].share", None),
        ({"champion": 1, "shadows": [1]}, "shadows[0]", "1"),
        ({"champion": 1, "riders": []}, "riders", "[]"),
    ],
)
def test_each_wrong_field_of_a_routing_is_named(unchanged: Api, body: object, field: str, value: str | None) -> None:
    response = unchanged("PUT", "/routing", body)
    detail(response, 422)
    assert [(each["field"], each["value"]) for each in response.json()["errors"]] == [(field, value)]
    assert all(each["remedy"] for each in response.json()["errors"])


@pytest.mark.parametrize(("method", "path"), [("POST", "/deployments"), ("PUT", "/routing")])
@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"model_version": NaN}', "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"model_version": 1, "model_version": 2}', "application/json", 422),
        (b'{"model_version": ' + b"9" * 60_000 + b"}", "application/json", 422),
        (b" " * 70_000, "application/json", 413),
        (b"<x/>", "application/xml", 415),
    ],
)
def test_hostile_bodies_are_refused(
    unchanged: Api, method: str, path: str, content: bytes, media_type: str, status: int
) -> None:
    detail(unchanged(method, path, content=content, headers={"content-type": media_type}), status)


@pytest.mark.parametrize("version", ["0", "99", "-1", "x", "1x", "\uff19", "9" * 5_000, "%2e%2e", "1%00"])
def test_an_address_of_no_deployed_version_is_not_found(unchanged: Api, version: str) -> None:
    detail(unchanged("POST", f"/deployments/{version}/predict", RIDE), 404)
    detail(unchanged("DELETE", f"/deployments/{version}"), 404)


def test_another_method_is_refused(unchanged: Api) -> None:
    response = unchanged("PATCH", "/deployments", {})
    detail(response, 405)
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


def test_an_unreadable_token_is_refused_with_the_remedy(unchanged: Api) -> None:
    before = unchanged.state.token.read_bytes()
    unchanged.state.token.write_bytes(b"\xff")
    try:
        refused = detail(unchanged("GET", "/routing"), 503)
    finally:
        unchanged.state.token.write_bytes(before)
    assert refused.startswith("the deployment token cannot be read: set TAXI_DEPLOY_TOKEN")
    assert str(unchanged.state.folder) not in refused


def test_a_strange_host_is_not_an_error(unchanged: Api) -> None:
    response = unchanged("GET", "/deployments", headers={"host": "[", "x-requested-by": b"\xfc" * 300})
    assert response.json()["deployments"][0]["url"].endswith("/deployments/1/predict")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda each: (
        st.lists(each, max_size=3)
        | st.dictionaries(st.sampled_from(["champion", "challengers", "shadows", "version", "share", "x"]), each)
    ),
    max_leaves=8,
)


@hypothesis_settings(max_examples=60)
@given(body=json_values, guarded=st.sampled_from(GUARDED))
def test_no_body_causes_a_server_error(unchanged: Api, body: object, guarded: tuple[str, str]) -> None:
    response = unchanged(*guarded, content=json.dumps(body))
    assert response.status_code in {200, 201, 404, 409, 422}, response.text
    assert unchanged.follower.variants.champion.version == 1
