"""The served Bento refuses hostile requests without a server error, and unpickles nothing."""

import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from endpoint import RIDE, post
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from taxi_assets.cli.supervisor.programs import Program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.settings import Settings

# Python runs a file of this name at its start: the worker then records what it unpickles and the files it writes.
RECORDER = """\
import os, sys

RECORD = os.open(os.environ["TAXI_TEST_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def record(event, arguments):
    if event == "pickle.find_class":
        os.write(RECORD, f"unpickled {arguments}\\n".encode())
    elif event == "open" and isinstance(arguments[0], (str, bytes)) and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
        os.write(RECORD, f"wrote {os.fsdecode(arguments[0])}\\n".encode())

if "_bentoml_impl.worker.service" in " ".join(sys.orig_argv):
    sys.addaudithook(record)
"""
PICKLE = pickle.dumps(os.getcwd)
DEEP = b'{"pickup_zone_id": ' + b"[" * 30_000
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
PATHS = ("/predict", "/predict_many")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit") / "record"


@pytest.fixture(scope="module")
def url(built: Settings, program: Program, record: Path) -> Iterator[str]:
    (record.parent / "sitecustomize.py").write_text(RECORDER)
    env = {**program.env, "PYTHONPATH": str(record.parent), "TAXI_TEST_RECORD": str(record)}
    (built.home / "tmp").mkdir()
    env["TMPDIR"] = str(built.home / "tmp")
    recorded = Program(program.name, program.command, env, "", program.endpoint)
    with running(recorded, built.root / "logs" / "bento.log") as url:
        yield url


def send_generated(url: str, path: str, mode: GenerationMode, count: int) -> None:
    """Sends requests generated from the OpenAPI document; each response must follow it."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    with requests.Session() as session:
        session.trust_env = False

        @hypothesis_settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(schema[path]["POST"].as_strategy(generation_mode=mode))
        def send(case: schemathesis.Case) -> None:
            response = case.call(base_url=url, session=session)
            assert response.status_code < 500
            # A list of too many rides is refused by its size, which that check does not expect.
            checks = [check for check in CHECKS if response.status_code != 413 or check is not negative_data_rejection]
            case.validate_response(response, checks=checks)

        send()


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("path", PATHS)
def test_responses_to_generated_requests_follow_the_document(url: str, path: str, mode: GenerationMode) -> None:
    send_generated(url, path, mode, 60)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("path", PATHS)
def test_responses_to_thousands_of_requests_follow_the_document(url: str, path: str, mode: GenerationMode) -> None:
    send_generated(url, path, mode, 2_500)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (PICKLE, "application/vnd.bentoml+pickle", 415),
        (PICKLE, "application/octet-stream", 415),
        (PICKLE, "application/json", 400),
        (PICKLE, "", 400),
        (b"<x/>", "application/xml", 415),
        (b"a=b", "application/x-www-form-urlencoded", 400),
        (DEEP, "application/json", 400),
        (b'{"rides": ' + b"[" * 30_000, "application/json", 400),
        (b'{"pickup_at": NaN}', "application/json", 400),
        (b'{"pickup_zone_id": ' + b"9" * 60_000 + b"}", "application/json", 422),
        (b'{"rides": [' + b"9" * 60_000 + b"]}", "application/json", 422),
        (b"\xff\xfe{", "application/json", 400),
        (b"\x00" * 100, "application/json", 400),
    ],
)
def test_hostile_body_is_refused(url: str, path: str, content: bytes, media_type: str, status: int) -> None:
    response = post(url, path, content=content, headers={"Content-Type": media_type})
    assert response.status_code == status
    assert set(response.json()) == {"type", "title", "status", "detail", "errors"}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("length", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
def test_body_of_a_hundred_megabytes_is_refused_unread(url: str, path: str, length: str) -> None:
    address = urlsplit(url)
    chunk = b"%x\r\n" % 2**20 + b" " * 2**20 + b"\r\n"
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
        connection.sendall(head.encode())
        for _ in range(0 if "Length" in length else 6):
            connection.sendall(chunk)
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")
    assert post(url, json=RIDE).status_code == 200


def recorded(record: Path, kind: str) -> set[str]:
    """The names that the worker `unpickled`, or the files that it `wrote`."""
    lines = record.read_text().splitlines() if record.exists() else []
    return {line.partition(" ")[2] for line in lines if line.startswith(f"{kind} ")}


def test_worker_unpickles_nothing_and_writes_only_in_the_home(url: str, built: Settings, record: Path) -> None:
    for path in PATHS:
        for media_type in ("application/vnd.bentoml+pickle", "application/octet-stream", "application/json", ""):
            post(url, path, content=PICKLE, headers={"Content-Type": media_type, "Payload-Container": "default"})
        post(url, path, json=RIDE)
    assert recorded(record, "unpickled") == set()
    written = recorded(record, "wrote")
    assert {path for path in written if not Path(path).is_relative_to(built.home)} <= {os.devnull}
    assert any(path.endswith(".db") for path in written)  # the metrics: so the recorder is at work


def test_an_unpickled_name_is_recorded(record: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(RECORDER)
    code = "import pickle; pickle.loads(pickle.dumps(print))"
    env = {"PYTHONPATH": str(tmp_path), "TAXI_TEST_RECORD": str(tmp_path / "record")}
    subprocess.run([sys.executable, "-c", code, "_bentoml_impl.worker.service"], env=env, check=True)
    assert recorded(tmp_path / "record", "unpickled") == {"('builtins', 'print')"}
