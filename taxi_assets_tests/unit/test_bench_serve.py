"""The comparisons of the endpoint measure servers that predict the same ride."""

from pathlib import Path

import pytest
import small_model

from benchmarks import bench_serve, http_load, serving_peers
from benchmarks.serving_peers import Peer
from taxi_assets.serving.served_model import ServedModel


def test_served_and_fitted_model_predict_one_ride(tmp_path: Path) -> None:
    served = ServedModel.load(small_model.write(tmp_path / "model"))
    _, figures = bench_serve.compare_single_rides(small_model.fitted(), served, times=1, rides=2)
    assert figures[0].line().startswith("one_ride_time ratio=")


@pytest.mark.slow
def test_all_servers_predict_the_ride_and_are_timed(tmp_path: Path) -> None:
    model, trips = small_model.write(tmp_path / "model"), small_model.frame(small_model.trips(50, seed=1))
    peers = {
        "bento": Peer(serving_peers.bento(tmp_path, model), "/predict", http_load.RIDE),
        "fastapi": Peer(serving_peers.fastapi(model), "/predict", http_load.RIDE),
        "course": Peer(serving_peers.course(tmp_path, trips.assign(duration_minutes=9.0)), "/predict", http_load.RIDE),
        "mlflow": serving_peers.mlflow(tmp_path, small_model.fitted(), trips),
    }
    figures = bench_serve.server_figures(bench_serve.compare_servers(peers, tmp_path, seconds=0.1, times=1))
    assert [figure.name for figure in figures[:3]] == ["vs_fastapi_1", "vs_course_1", "vs_mlflow_1"]
    assert figures[-1].name == "bento_p99"


@pytest.mark.slow
def test_the_bento_and_fastapi_give_the_same_responses(tmp_path: Path) -> None:
    import httpx

    model = small_model.write(tmp_path / "model")
    bodies = []
    for program in (serving_peers.bento(tmp_path, model), serving_peers.fastapi(model)):
        with serving_peers.serving(program, tmp_path) as url:
            bodies.append(httpx.post(f"{url}/predict", json=http_load.RIDE, trust_env=False).json())
            assert httpx.post(f"{url}/predict", json={}, trust_env=False).status_code == 422
            with pytest.raises(RuntimeError, match="404"):
                http_load.load(url, 1, 0.05, "/nowhere").require_success()
    assert {name: bodies[0][name] for name in bodies[1]} == bodies[1]


def test_many_rides_are_timed(tmp_path: Path) -> None:
    served = ServedModel.load(small_model.write(tmp_path / "model"))
    _, figures = bench_serve.compare_batches(served, tmp_path / "state", times=1)
    assert figures[0].line().startswith("predict_many ratio=")
