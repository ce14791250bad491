"""The code location's origins: with them, Dagster's UI lists the runs of `taxi run` under their jobs."""

import sys

from dagster._core.code_pointer import CodePointer
from dagster._core.definitions.repository_definition.valid_definitions import SINGLETON_REPOSITORY_NAME
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.workspace.load_target import WorkspaceFileTarget

from taxi_assets.settings import WORKSPACE


def remote_origin(job_name: str) -> RemoteJobOrigin:
    """The job's origin in the webserver and the daemon, through the workspace's code location."""
    (location,) = WorkspaceFileTarget([str(WORKSPACE)]).create_origins()
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), job_name)


def code_origin(job_name: str) -> JobPythonOrigin:
    """The job's origin in a Python process."""
    pointer = CodePointer.from_module("taxi_assets.definitions", "defs", None)
    repository = RepositoryPythonOrigin(sys.executable, pointer, entry_point=DEFAULT_DAGSTER_ENTRY_POINT)
    return JobPythonOrigin(job_name, repository)
