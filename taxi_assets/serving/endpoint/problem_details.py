"""Error responses: problem details of RFC 9457, which name the field, the value and the remedy."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus

from starlette.responses import JSONResponse

from taxi_assets.errors import TaxiError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1
_MAX_VALUE_CHARACTERS = 40


@dataclass(frozen=True)
class FieldError:
    """A rejected field.

    Attributes:
        field: Its name, with its place in a list, such as `rides[3].pickup_at`.
        value: The given value as JSON, cut at 40 characters; None if it is missing.
        remedy: The allowed values.
    """

    field: str
    value: str | None
    remedy: str

    def __str__(self) -> str:
        return f"{self.field} is {'missing' if self.value is None else self.value}: {self.remedy}"


class Problem(TaxiError):
    """A request that cannot be answered.

    Args:
        status: The response's HTTP status.
        detail: The fault and the remedy in a sentence.
        errors: The rejected fields.
        headers: Headers of the response, such as `retry-after`.
    """

    def __init__(
        self, status: int, detail: str, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class InvalidFields(Problem):
    """A body with wrong fields, status 422."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(422, "; ".join(map(str, errors)), errors)


def too_busy(fault: str) -> Problem:
    """A problem of status 503 for a client that may try again."""
    detail = f"{fault} at a time: try again in {RETRY_AFTER_SECONDS} s"
    return Problem(503, detail, headers={"retry-after": str(RETRY_AFTER_SECONDS)})


def problem_response(problem: Problem) -> JSONResponse:
    """The response to a request with a problem."""
    content = {
        "type": "about:blank",  # RFC 9457: the status explains the problem
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "errors": [asdict(error) for error in problem.errors],
    }
    return JSONResponse(content, problem.status, problem.headers, MEDIA_TYPE)


def as_json(value: object) -> str:
    """The value as JSON, cut at 40 characters so that it does not fill a response or a log."""
    text = json.dumps(value, default=str)
    return text if len(text) <= _MAX_VALUE_CHARACTERS else f"{text[: _MAX_VALUE_CHARACTERS - 3]}..."
