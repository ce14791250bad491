"""A file of named arrays that is mapped into memory: opened in a millisecond, shared by all processes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the arrays as one record in NumPy's format; the same arrays give the same bytes.

    Args:
        path: The file, whose name ends in `.npy`.
        arrays: Arrays of numbers by name; none has an empty name. NumPy reads at most 10,000 bytes of names and shapes,
            those of 200 arrays; each service has 22.
    """
    fields = [(name, values.dtype, values.shape) for name, values in arrays.items()]
    record = np.zeros(1, np.dtype(fields, align=True))
    for name, values in arrays.items():
        record[name][0] = values
    np.save(path, record, allow_pickle=False)


def map_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file, read-only and mapped into memory.

    A page is read at its first use and shared with other processes. The file may be removed meanwhile, but not changed.

    Raises:
        OSError: there is no such file.
        ValueError: it is not in NumPy's format.
    """
    record = np.asarray(np.load(path, mmap_mode="r"))
    return {name: record[name][0] for name in record.dtype.names or ()}
