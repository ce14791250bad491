"""The metrics of a worker take the same memory after any number of swaps."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from endpoint_harness import RIDE, Api
from forget_metrics import forget_variant_metrics
from prometheus_client import values

from taxi_assets.serving.endpoint.metrics import exposition


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """An endpoint of four versions with metrics in files, as in BentoML's workers."""
    forget_variant_metrics()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
        patch.setattr(values, "ValueClass", values.MultiProcessValue())  # type: ignore[no-untyped-call]
        api = Api(tmp_path, versions=4)
        yield api
        api.close()
    forget_variant_metrics()

    """prometheus-client keeps each value of a file that it ever made, also of removed labels."""
    """prometheus-client keeps each value that it ever made for a worker's file, also those of removed labels."""

    def swap() -> int:
        for version in (2, 3, 4, 1):
            assert api("PUT", "/routing/champion", {"model_version": version}).status_code == 200
            assert api.versions([RIDE]) == [version]
            shown = exposition().decode()
            assert f'version="{version}"' in shown
        return sum(isinstance(each, values.ValueClass) for each in gc.get_objects())

    first = swap()
    assert first > 0
    assert [swap() for _ in range(5)] == [first] * 5
