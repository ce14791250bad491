"""Where the Dagster UI finds this code: by it, runs that `taxi run` makes belong to their jobs as any others do."""

import sys

from dagster._core.code_pointer import CodePointer
from dagster._core.definitions.repository_definition.valid_definitions import SINGLETON_REPOSITORY_NAME
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.workspace.load_target import WorkspaceFileTarget

from taxi_assets.settings import WORKSPACE

__all__ = ["code_origin", "remote_origin"]


def remote_origin(job_name: str) -> RemoteJobOrigin:
    """The job as the webserver and the daemon know it, by the workspace's one code location."""
    (location,) = WorkspaceFileTarget([str(WORKSPACE)]).create_origins()
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), job_name)


def code_origin(job_name: str) -> JobPythonOrigin:
    """The job as a Python process finds it."""
    pointer = CodePointer.from_module("taxi_assets.definitions", "defs", None)
    repository = RepositoryPythonOrigin(sys.executable, pointer, entry_point=DEFAULT_DAGSTER_ENTRY_POINT)
    return JobPythonOrigin(job_name, repository)
