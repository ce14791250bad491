"""The errors a person can mend. One class: what differs is the sentence, not the handling."""


class TaxiError(Exception):
    """Something a person can put right; `str(error)` is one line that says what is wrong and what to do."""


def describe_error(error: BaseException) -> str:
    """An unexpected error in one line: its kind and what it says."""
    if isinstance(error, TaxiError):
        return str(error)
    message = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
