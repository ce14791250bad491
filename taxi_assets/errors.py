"""Errors for problems a person can fix."""


class TaxiError(Exception):
    """A problem a person can fix; `str(error)` is one line with the problem, the value and the remedy."""


class WarehouseUnavailable(TaxiError):
    """The catalogue or the parquet files cannot be reached; no file of a month is at fault."""


def describe_error(error: BaseException) -> str:
    """An unexpected error in one line: its class and its message."""
    if isinstance(error, TaxiError):
        return str(error)
    message = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
