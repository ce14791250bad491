"""Runs PostgreSQL, Redis and an S3 server on this machine, with their files in the home."""

import os
import pwd
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from taxi_assets.cli.supervisor import processes
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.program_logs import last_lines
from taxi_assets.errors import TaxiError
from taxi_assets.files import write_atomically
from taxi_assets.settings import Settings

ENVIRONMENT_FILE = "environment"
WORKERS = 2
_HOST = "127.0.0.1"
_BUCKET = "taxi"
_START_SECONDS = 60.0
_RECOVERY_SECONDS = 30.0
# Debian's, which are not in PATH.
_POSTGRESQL = "/usr/lib/postgresql"


def missing_parts() -> list[str]:
    """The parts that this machine lacks, each with its remedy."""
    missing = []
    if not _postgresql("postgres"):
        missing.append("PostgreSQL is missing: `apt-get install postgresql`, or put its programs into PATH")
    elif not os.geteuid() and not _postgres_user():
        missing.append("PostgreSQL refuses root, and there is no user postgres: run this as another user")
    if not shutil.which("redis-server"):
        missing.append("Redis is missing: `apt-get install redis-server`, or put redis-server into PATH")
    packages = (
        "psycopg",
        "duckdb_extension_postgres_scanner",
        "dagster_postgres",
        "obstore",
        "dagster_celery",
        "redis",
        "boto3",
    )
    if not all(map(find_spec, packages)) or not all(_beside_python(name).is_file() for name in ("rclone", "traefik")):
        missing.append("packages are missing: `make env-scale`")
    return missing


@contextmanager
def local_services(settings: Settings, tag: str) -> Iterator[Mapping[str, str]]:
    """PostgreSQL, S3 and Redis during the block.

    Args:
        settings: Location of the home.
        tag: The home's process tag.

    Yields:
        The variables by which processes use them; also in the file `cluster/environment`, for a shell.

    Raises:
        TaxiError: a part is missing or does not start.
    """
    if missing := missing_parts():
        raise TaxiError("; ".join(missing))
    folder = settings.home.absolute() / "cluster"
    folder.mkdir(parents=True, exist_ok=True)
    with processes.guarded_tag(tag) as own_tag:
        try:
            variables = _start_postgresql(folder, own_tag) | _start_s3(folder, own_tag) | _start_redis(folder, own_tag)
            variables |= {"TAXI_HOME": str(settings.home.absolute()), "TAXI_ENV": settings.env}
            variables |= {"TAXI_DATA_KIND": settings.active_data_kind}
            lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
            _write_secret(folder / ENVIRONMENT_FILE, "".join(lines))
            yield variables
        finally:
            processes.stop(own_tag)


def _start_postgresql(folder: Path, tag: str) -> dict[str, str]:
    password, port = _secret(folder / "password"), free_port(_HOST)
    data = folder / "postgres"
    if not (data / "PG_VERSION").is_file():
        _create_cluster(data, password)
    options = ("-p", str(port), "-c", f"listen_addresses={_HOST}", "-c", "unix_socket_directories=")
    command = _as_owner(_postgresql("postgres"), "-D", str(data), *options)
    url = f"postgres://taxi:{password}@{_HOST}:{port}/postgres"
    until = time.monotonic() + _RECOVERY_SECONDS
    while True:
        with (folder / "postgres.log").open("w") as log:
            process = processes.start(command, {}, tag, log)
        try:
            _wait(lambda: _answers_sql(url), process, folder / "postgres.log")
            break
        except TaxiError:
            # Processes of a killed server keep its memory until they notice.
            if process.poll() is None or time.monotonic() > until:
                raise
            time.sleep(1)
    return dict.fromkeys(("TAXI_CATALOG", "TAXI_DAGSTER_STORAGE", "TAXI_MLFLOW_STORE"), url)


def _create_cluster(data: Path, password: str) -> None:
    """Create the database files, which only their owner can read."""
    shutil.rmtree(data, ignore_errors=True)  # left by an interrupted creation
    data.mkdir(mode=0o700)
    if owner := _owner():
        shutil.chown(data, owner)
        _require_reachable(data, owner)
    with tempfile.NamedTemporaryFile("w", prefix="taxi-") as file:  # readable by its owner only
        file.write(password)
        file.flush()
        if owner:
            shutil.chown(file.name, owner)
        options = ("-U", "taxi", f"--pwfile={file.name}", "-A", "scram-sha-256")
        command = _as_owner(_postgresql("initdb"), "-D", str(data), *options)
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise TaxiError(f"PostgreSQL cannot create {data}: {done.stderr.strip().splitlines()[-1]}")


def _start_s3(folder: Path, tag: str) -> dict[str, str]:
    key, port = _secret(folder / "s3_key"), free_port(_HOST)
    (folder / "s3" / _BUCKET).mkdir(parents=True, exist_ok=True)
    command = (str(_beside_python("rclone")), "serve", "s3", "--config", "/dev/null", "--addr", f"{_HOST}:{port}")
    with (folder / "s3.log").open("w") as log:
        # Not as an argument, which every user of the machine can see.
        process = processes.start((*command, str(folder / "s3")), {"RCLONE_AUTH_KEY": f'"taxi,{key}"'}, tag, log)
    _wait(lambda: _accepts(port), process, folder / "s3.log")
    return {
        "AWS_ACCESS_KEY_ID": "taxi",
        "AWS_SECRET_ACCESS_KEY": key,
        "AWS_ENDPOINT_URL": f"http://{_HOST}:{port}",
        "TAXI_DATA_PATH": f"s3://{_BUCKET}/lake",
        "TAXI_SERVING_STORE": f"s3://{_BUCKET}/serving",
        "TAXI_SHARED_FILES": f"s3://{_BUCKET}/source-files",
        "TAXI_MLFLOW_ARTIFACTS": f"s3://{_BUCKET}/mlflow",
    }


def _start_redis(folder: Path, tag: str) -> dict[str, str]:
    password, port = _secret(folder / "redis_password"), free_port(_HOST)
    data, secret = folder / "redis", folder / "redis.conf"
    data.mkdir(exist_ok=True)
    _write_secret(secret, f"requirepass {password}\n")  # arguments can be seen by every user of the machine
    # A run that waits in the queue outlives the server.
    options = ["--bind", _HOST, "--port", str(port), "--dir", str(data), "--appendonly", "yes", "--save", ""]
    options += ["--set-proc-title", "no"]  # a title overwrites the tag by which the process is found
    with (folder / "redis.log").open("w") as log:
        process = processes.start((str(shutil.which("redis-server")), str(secret), *options), {}, tag, log)
    _wait(lambda: _accepts(port), process, folder / "redis.log")
    url = f"redis://:{password}@{_HOST}:{port}/0"
    return {"TAXI_RUN_BROKER": url, "TAXI_MAX_CONCURRENT_RUNS": str(WORKERS)}


def _answers_sql(url: str) -> bool:
    import psycopg

    with suppress(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2).close()
        return True
    return False


def _accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection((_HOST, port), timeout=2):
        return True
    return False


def _wait(is_ready: Callable[[], bool], process: "subprocess.Popen[str]", log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while not is_ready():
        if process.poll() is not None or time.monotonic() > until:
            raise TaxiError(f"{log.stem} does not start: see {log}{last_lines(log)}")
        time.sleep(processes.POLL_SECONDS)


def _secret(path: Path) -> str:
    """The secret in a file, made at the first call."""
    if not path.is_file():
        _write_secret(path, secrets.token_hex(20))
    return path.read_text()


def _write_secret(path: Path, content: str) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(path, content)
    finally:
        os.umask(before)


def _postgresql(program: str) -> str:
    """The path of a program of PostgreSQL, the newest version's; empty without one."""
    found = sorted(Path(_POSTGRESQL).glob(f"*/bin/{program}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else shutil.which(program) or ""


def _as_owner(*command: str) -> tuple[str, ...]:
    owner = _owner()
    return ("setpriv", f"--reuid={owner}", "--regid", owner, "--clear-groups", *command) if owner else command


def _owner() -> str:
    """The user that PostgreSQL runs as; empty for this one."""
    return "" if os.geteuid() else _postgres_user()


def _postgres_user() -> str:
    return next((user.pw_name for user in pwd.getpwall() if user.pw_name == "postgres"), "")


def _require_reachable(data: Path, owner: str) -> None:
    done = subprocess.run(_as_owner("test", "-x", str(data)), check=False, cwd="/")
    if done.returncode:
        raise TaxiError(f"{owner} cannot reach {data}: set TAXI_HOME to a folder that all users can pass through")


def _beside_python(name: str) -> Path:
    return Path(sys.executable).with_name(name)
