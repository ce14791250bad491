"""Workers report their models, and the reports of ended workers do not count."""

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.deployments.workers import WorkerFile, WorkerReport, live_workers, wait_for_workers


@pytest.fixture
def state(tmp_path: Path) -> ServingState:
    return ServingState(tmp_path).create()


def test_a_worker_is_live_from_its_start_to_its_end(state: ServingState) -> None:
    worker = WorkerFile(state)
    assert live_workers(state) == [WorkerReport(worker.worker)]
    report = WorkerReport(worker.worker, 7, {"12": "key"})
    worker.write(report)
    assert live_workers(state) == live_workers(state) == [report]
    worker.close()
    assert live_workers(state) == []
    assert list(state.workers.iterdir()) == []


def _be_killed(folder: Path, ready: Connection) -> None:
    worker = WorkerFile(ServingState(folder))
    worker.write(WorkerReport(worker.worker, 3))
    ready.send(worker.worker)
    ready.recv()


def test_a_killed_worker_does_not_count(state: ServingState) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_be_killed, args=(state.folder, theirs))
    process.start()
    name = ours.recv()
    assert live_workers(state) == [WorkerReport(name, 3)]
    process.kill()
    process.join()
    assert live_workers(state) == []
    assert list(state.workers.iterdir()) == []


def test_a_damaged_report_counts_as_not_ready(state: ServingState) -> None:
    worker = WorkerFile(state)
    (state.workers / f"{worker.worker}.json").write_text('{"worker": ')
    assert live_workers(state) == [WorkerReport(worker.worker)]
    worker.close()


def test_a_wait_ends_when_every_worker_is_done_or_time_is_up(state: ServingState) -> None:
    workers = [WorkerFile(state) for _ in range(2)]
    workers[0].write(WorkerReport(workers[0].worker, 7))
    late = wait_for_workers(state, lambda report: report.revision == 7, timeout=0)
    assert late == [WorkerReport(workers[1].worker)]
    workers[1].write(WorkerReport(workers[1].worker, 7))
    assert wait_for_workers(state, lambda report: report.revision == 7, timeout=0) == []
    for worker in workers:
        worker.close()
