"""The software bill of materials: every package of the lock, valid for CycloneDX's own validator."""

import json
import re
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from taxi_assets.errors import TaxiError
from taxi_assets.monitoring.evidence_pack.bill_of_materials import LOCK, bill_of_materials
from taxi_assets.registry.model_files import Version

VERSION = Version("taxi-duration", 3, "run", "models:/m-1", {"model_sha256": "ab" * 32})


def test_every_package_of_the_lock_has_a_version_and_a_url() -> None:
    model, *packages = bill_of_materials(VERSION)["components"]
    lines = re.findall(r"^[a-z0-9].*", LOCK.read_text(), re.MULTILINE)
    assert len(lines) == len(packages) > 200
    for line, component in zip(lines, packages, strict=True):
        url = PackageURL.from_string(component["purl"])
        assert line.split(" ")[0] == f"{url.name}=={url.version}"
        assert (component["name"], component["version"], url.type) == (url.name, url.version, "pypi")
        marker = component["properties"][0]["value"] if "properties" in component else ""
        assert line.removesuffix(" \\").partition(" ; ")[2] == marker
    assert (model["name"], model["version"], model["hashes"][0]["content"]) == ("taxi-duration", "3", "ab" * 32)


def test_the_bill_is_valid_and_the_same_for_the_same_lock() -> None:
    text = json.dumps(bill_of_materials(VERSION))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert text == json.dumps(bill_of_materials(VERSION))


def test_a_component_of_an_unknown_type_is_invalid() -> None:
    bill = bill_of_materials(VERSION)
    bill["components"][0]["type"] = "model"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is not None


def test_unusual_names_and_versions_are_encoded(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("# a comment\nZope.Interface[extra]==1!2.0+local \\\n    --hash=sha256:00\n")
    (_, component) = bill_of_materials(VERSION, lock)["components"]
    assert component["purl"] == "pkg:pypi/zope-interface@1%212.0%2Blocal"
    assert PackageURL.from_string(component["purl"]).version == "1!2.0+local"


@pytest.mark.parametrize("content", [None, "", "# nothing\n"])
def test_a_missing_or_empty_lock_is_an_error(tmp_path: Path, content: str | None) -> None:
    lock = tmp_path / "requirements.lock"
    if content is not None:
        lock.write_text(content)
    with pytest.raises(TaxiError, match="make lock"):
        bill_of_materials(VERSION, lock)
