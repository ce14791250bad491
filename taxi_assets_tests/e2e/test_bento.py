"""The HTTP endpoint of a Bento that BentoML built and serves."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import small_model
from endpoint import RIDE, post, refusal
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from taxi_assets import cli
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import Endpoint, Program, bento_beside
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.errors import TaxiError
from taxi_assets.features.trip_features import SERVICE_IDS
from taxi_assets.serving import client
from taxi_assets.serving.packaging.bento_build import latest
from taxi_assets.serving.packaging.serve_command import bento_command
from taxi_assets.serving.served_model import ServedModel
from taxi_assets.settings import Settings

HOST = "127.0.0.1"
COUNTED = 'taxi_requests_total{address="/predict",status="200"}'

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)  # JSON cannot express these two
json_values = st.none() | st.booleans() | numbers | st.text() | st.lists(st.integers())


def test_endpoint_and_model_predictions_agree(url: str, model: Path) -> None:
    served, trips = ServedModel.load(model), small_model.trips(30, seed=21)
    names = {number: service for service, number in SERVICE_IDS.items()}
    predictions = []
    for row in range(30):
        ride = {name: values[row].item() for name, values in trips.items() if "zone" in name}
        ride |= {"pickup_at": str(trips["pickup_at"][row]), "service": names[int(trips["service_id"][row])]}
        predictions.append(post(url, json=ride).json()["duration_minutes"])
    assert predictions == pytest.approx(served.predict_interval(trips).minutes, abs=0.006)


def test_response_names_the_version_and_the_variant(url: str) -> None:
    prediction = client.predict(url, client.Ride(**RIDE))  # type: ignore[arg-type]
    low, high = prediction.pop("interval_90")
    assert 0 < low <= prediction.pop("duration_minutes") <= high
    assert prediction.pop("dropoff_at").startswith("2023-03-01T08:")
    assert len(prediction.pop("request_id").partition("-")[0]) == 16
    assert prediction == {
        "service": "green",
        "warnings": [],
        "model_version": 3,
        "variant": "champion",
        "synthetic": True,
        "recent_traffic": {"known": False, "age_seconds": None},
    }


def test_zones_are_given_by_id_or_name(url: str) -> None:
    by_name = client.predict(url, client.Ride("east harlem north", 75, "2023-03-01T08:30"))
    by_id = client.predict(url, client.Ride(74, 75, "2023-03-01T08:30"))
    assert by_name["duration_minutes"] == by_id["duration_minutes"]


@pytest.mark.parametrize("zone", [264, 265])
def test_zones_without_coordinates_get_a_prediction(url: str, zone: int) -> None:
    assert client.predict(url, client.Ride(74, zone, "2023-03-01T08:30", "fhvhv"))["duration_minutes"] > 0


def test_same_instant_in_another_time_zone_gets_the_same_prediction(url: str) -> None:
    there = post(url, json={**RIDE, "pickup_at": "2023-03-01T13:30:00Z"}).json()
    here = post(url, json=RIDE).json()
    assert there.pop("request_id") != here.pop("request_id")
    assert there == here


@pytest.mark.parametrize(
    ("wrong", "expected_message"),
    [
        ({"pickup_zone_id": 999}, "pickup_zone_id is 999: give a TLC zone, 1 to 265"),
        ({"pickup_at": "tomorrow"}, 'pickup_at is "tomorrow": give a date and time'),
        ({"service": "yellow"}, 'service is "yellow": give one the model was trained on: green, fhvhv'),
        ({"trip_distance": 3}, "trip_distance is 3: no field of a ride"),
    ],
)
def test_invalid_field_is_reported_with_its_allowed_values(
    url: str, wrong: dict[str, Any], expected_message: str
) -> None:
    assert refusal(url, 422, json={**RIDE, **wrong}).startswith(expected_message)


def test_client_reports_the_refusal(url: str) -> None:
    with pytest.raises(TaxiError, match="refuses the ride: dropoff_zone_id is 0"):
        client.predict(url, client.Ride(74, 0, "2023-03-01T08:30"))


def test_client_returns_the_served_version(url: str, built: Settings) -> None:
    found = latest(built)
    assert found
    assert client.get_served_version(url) == {"version": 3, "bento": found.tag}


def test_predict_prints_the_version_it_used(
    url: str, built: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TAXI_BENTO_PORT", str(built.bento_port))
    cli.app(["predict", "--pickup", "74", "--dropoff", "75", "--at", "2023-03-01T08:30"], standalone_mode=False)
    assert "by version 3, champion; request " in capsys.readouterr().out


def test_invalid_ride_is_rejected(url: str) -> None:
    assert "JSON object" in refusal(url, 422, json=[RIDE])
    assert "is missing" in refusal(url, 422, content=b"")
    assert "application/json" in refusal(url, 415, files={"ride": json.dumps(RIDE)})


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/predict", 405), ("GET", "/x", 404), ("POST", "/x", 404)]
)
def test_unknown_address_or_method_is_an_error_in_json(url: str, method: str, path: str, status: int) -> None:
    response = httpx.request(method, url + path, trust_env=False)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert response.json()["detail"].endswith("GET /docs describes every address")
    assert response.headers.get("allow") == ("POST" if status == 405 else None)


def test_body_over_the_size_limit_is_rejected(url: str) -> None:
    assert "longer than 65536 bytes" in refusal(url, 413, content=b" " * 70_000)
    chunks = iter([b" " * 1_000] * 70)  # sent without a Content-Length
    assert "longer than 65536 bytes" in refusal(url, 413, content=chunks)


@hypothesis_settings(max_examples=40)
@given(st.dictionaries(st.sampled_from([*RIDE, "service", "passenger_count", "tip"]), json_values), st.booleans())
def test_any_body_is_predicted_or_rejected(url: str, sent: dict[str, Any], complete: bool) -> None:
    response = post(url, content=json.dumps({**RIDE, **sent} if complete else sent))
    assert response.status_code in {200, 422}
    assert set(response.json()) >= ({"duration_minutes"} if response.is_success else {"detail", "errors"})


def test_the_model_and_its_variants_are_described(url: str, built: Settings) -> None:
    bento = latest(built)
    assert bento
    expected = {"bento": bento.tag, "services": ["green", "fhvhv"], "facts": small_model.FACTS, **small_model.FACTS}
    assert httpx.get(f"{url}/model", trust_env=False).json() == expected
    variants = httpx.get(f"{url}/variants", trust_env=False).json()
    assert variants["variants"] == [{"name": "champion", "version": 3, "share": 1.0}]
    assert (variants["deployed"], variants["refusals"]) == ([3], [])


def test_health_metrics_and_openapi_endpoints_respond(url: str) -> None:
    for path in ("/healthz", "/livez", "/readyz", "/", "/docs", "/metrics"):
        assert httpx.get(url + path, trust_env=False).status_code == 200
    described = httpx.get(f"{url}/openapi.json", trust_env=False).json()["paths"]["/predict"]["post"]["requestBody"]
    fields = described["content"]["application/json"]["schema"]["properties"]
    assert fields["passenger_count"]["maximum"] == 99


def counted(url: str, sample: str) -> float:
    """The value of a sample of the metrics, 0 if it is missing."""
    lines = httpx.get(f"{url}/metrics", trust_env=False).text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{sample} ")), 0)


def test_requests_predictions_and_refusals_are_counted(url: str) -> None:
    samples = {
        'taxi_requests_total{address="/predict",status="200"}': 1,
        'taxi_requests_total{address="/predict",status="422"}': 1,
        'taxi_requests_total{address="other",status="404"}': 1,
        'taxi_predictions_total{service="green",variant="champion",version="3"}': 1,
        'taxi_prediction_seconds_count{address="/predict",variant="champion",version="3"}': 1,
    }
    before = {sample: counted(url, sample) for sample in samples}
    post(url, json=RIDE)
    post(url, json={})
    post(url, "/x")
    assert {sample: counted(url, sample) - before[sample] for sample in samples} == samples


def test_endpoint_listens_on_localhost_only(url: str, built: Settings) -> None:
    listening = [found for found in psutil.net_connections("tcp") if found.status == psutil.CONN_LISTEN]
    assert {found.laddr.ip for found in listening if found.laddr.port == built.bento_port} == {HOST}


def damage_trees(model: Path) -> None:
    (model / "model.onnx").unlink()
    (model / "model.onnx").write_bytes(b"no model")


def change_golden_predictions(model: Path) -> None:
    manifest = json.loads((model / "manifest.json").read_text())
    manifest["golden"]["minutes"][0] += 1
    (model / "manifest.json").unlink()
    (model / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("damage", "expected_message"),
    [(damage_trees, "model.onnx is damaged"), (change_golden_predictions, "1 minutes off")],
)
def test_bento_with_an_invalid_model_exits_with_one_line(
    built: Settings, program: Program, tmp_path: Path, damage: Callable[[Path], None], expected_message: str
) -> None:
    bento = latest(built)
    assert bento
    store = built.bentoml_home / "bentos"
    damaged = Path(shutil.copytree(store / bento.tag.replace(":", "/"), tmp_path / "bento", copy_function=os.link))
    damage(damaged / "src" / "model")
    command = [program.command[0], "serve", str(damaged), "--port", str(free_port(HOST))]
    # A separate home: at its start BentoML removes the metrics of other servers that use the same one.
    environment = {**os.environ, **program.env, "BENTOML_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.strip().startswith("error: ")
    assert expected_message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_printed_serve_command_runs_beside_the_endpoint(url: str, built: Settings, tmp_path: Path) -> None:
    """The command runs in a plain shell, from another folder and without the platform's variables."""
    bento = latest(built)
    assert bento
    command = bento_command(built, bento.tag)
    port = int(command.split()[-1])
    assert port != built.bento_port
    post(url, json=RIDE)
    assert counted(url, COUNTED)
    shell = ("/bin/sh", "-c", f"cd {tmp_path}; unset BENTOML_HOME; exec {command}")
    endpoint = Endpoint(HOST, port, "TAXI_BENTO_PORT", "/readyz")
    with running(Program("bento", shell, {}, "", endpoint), tmp_path / "bento.log") as other:
        assert post(other, json=RIDE).json()["duration_minutes"] == post(url, json=RIDE).json()["duration_minutes"]
        assert counted(url, COUNTED)


@pytest.mark.slow
def test_traced_endpoint_with_two_workers_predicts_the_same(url: str, built: Settings, tmp_path: Path) -> None:
    bento = latest(built)
    assert bento
    settings = built.model_copy(update={"bento_tracing": True, "bento_workers": 2})
    with running(bento_beside(settings, bento.tag, free_port(HOST), "traced"), tmp_path / "bento.log") as traced:
        assert post(traced, json=RIDE).json()["duration_minutes"] == post(url, json=RIDE).json()["duration_minutes"]
        for _ in range(20):
            assert post(traced, json=RIDE).status_code == 200
        deadline = time.monotonic() + 10
        while (found := counted(traced, COUNTED)) < 21:  # the other worker writes its counts every second
            assert time.monotonic() < deadline
        assert found == 21


def test_feedback_on_a_ride_is_recent_traffic_of_the_next(url: str) -> None:
    first = post(url, json=RIDE).json()
    sent = {"request_id": first["request_id"], "actual_minutes": 25}
    assert post(url, "/feedback", json=sent).json() == {"accepted": 1, "repeated": 0}
    later = post(url, json={**RIDE, "pickup_at": "2023-03-01T09:00:00"}).json()
    assert later["recent_traffic"] == {"known": True, "age_seconds": 5 * 60}
    assert post(url, "/feedback", json=sent).json() == {"accepted": 0, "repeated": 1}
    metrics = httpx.get(f"{url}/metrics", trust_env=False).text
    assert 'taxi_recent_traffic_age_seconds{variant="champion",version="3"} 300.0' in metrics
    tomorrow = post(url, json={**RIDE, "pickup_at": "2023-03-02T09:30:00"}).json()
    assert tomorrow["recent_traffic"] == {"known": False, "age_seconds": None}
