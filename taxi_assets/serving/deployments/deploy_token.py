"""The deployment token, which allows changes of deployments and of the routing."""

import os
import secrets
from collections.abc import Mapping
from uuid import uuid4

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.serving_state import ServingState

TOKEN_VARIABLE = "TAXI_DEPLOY_TOKEN"  # noqa: S105  # the name of a variable
_TOKEN_BYTES = 32


def read_token(state: ServingState, environment: Mapping[str, str] = os.environ) -> str | None:
    """The token of the variable, else that of the state folder; None without either.

    Raises:
        TaxiError: the file cannot be read.
    """
    if token := environment.get(TOKEN_VARIABLE):
        return token
    try:
        return state.token.read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise TaxiError(f"cannot read the token in {state.token}: set {TOKEN_VARIABLE}, or remove the file") from error


def create_token(state: ServingState) -> None:
    """Create a random token in the state folder, readable by its owner only, unless there is one.

    Raises:
        TaxiError: the file cannot be read, or the folder cannot be written to.
    """
    if read_token(state, {}):
        return
    draft = state.token.with_name(f".token.{uuid4().hex}")
    try:
        state.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(_TOKEN_BYTES))
        draft.replace(state.token)
    except OSError as error:
        raise TaxiError(f"cannot create {state.token} ({error.strerror}): make {state.folder} writable") from error


def is_token(given: bytes, token: str) -> bool:
    """True if a client gave the token; takes as long for a wrong one."""
    return secrets.compare_digest(given, token.encode("utf-8", "surrogateescape"))
