"""Returns freed memory to the system."""

import ctypes
from contextlib import suppress
from functools import cache


def return_freed_memory() -> None:
    """Return the memory of models that were freed, in some milliseconds.

    The C library keeps it for the thread that loads, and takes more for the next models: after 100 swaps half as much
    again. Other C libraries have no such function.
    """
    with suppress(OSError, AttributeError):
        _c_library().malloc_trim(0)


@cache
def _c_library() -> ctypes.CDLL:
    return ctypes.CDLL(None)
