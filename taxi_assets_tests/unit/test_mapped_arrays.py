"""Arrays mapped from a file are those that were written."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from numpy.typing import NDArray

from taxi_assets.serving.mapped_arrays import map_arrays, write_arrays

_ARRAYS = arrays_of.arrays(
    st.sampled_from(["float32", "float64", "int64", "bool", "<M8[s]"]),
    arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@given(st.dictionaries(st.text("abc/_", min_size=1), _ARRAYS, min_size=1, max_size=5))
def test_arrays_are_read_as_written(written: dict[str, NDArray[Any]]) -> None:
    with TemporaryDirectory() as folder:
        write_arrays(Path(folder, "arrays.npy"), written)
        read = map_arrays(Path(folder, "arrays.npy"))
    assert list(read) == list(written)
    for name, values in written.items():
        assert read[name].dtype == values.dtype
        np.testing.assert_array_equal(read[name], values)


def test_names_of_six_services_have_room(tmp_path: Path) -> None:
    written = {f"completed_service_{number}/pair_period_minutes": np.full(3, number) for number in range(6 * 22)}
    write_arrays(tmp_path / "arrays.npy", written)
    assert [values[2] for values in map_arrays(tmp_path / "arrays.npy").values()] == list(range(6 * 22))


def test_mapped_arrays_are_aligned_and_read_only(tmp_path: Path) -> None:
    write_arrays(tmp_path / "arrays.npy", {"flag": np.array([True]), "minutes": np.ones(3)})
    minutes = map_arrays(tmp_path / "arrays.npy")["minutes"]
    assert minutes.flags.aligned
    with pytest.raises(ValueError, match="read-only"):
        minutes[0] = 2


def test_mapped_arrays_outlive_their_file(tmp_path: Path) -> None:
    write_arrays(tmp_path / "arrays.npy", {"minutes": np.arange(5_000)})
    minutes = map_arrays(tmp_path / "arrays.npy")["minutes"]
    (tmp_path / "arrays.npy").unlink()
    assert minutes.sum() == 4_999 * 2_500


@pytest.mark.parametrize("content", [b"no arrays", b"\x93NUMPY"])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "arrays.npy").write_bytes(content)
    with pytest.raises((ValueError, OSError)):
        map_arrays(tmp_path / "arrays.npy")
