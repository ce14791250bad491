"""A file is written whole or not at all, and its checksum is that of its bytes."""

import hashlib
from pathlib import Path

import pytest

from taxi_assets.files import sha256_of, write_atomically


@pytest.mark.parametrize("content", ["ä café\n", b"\x00\xff", ""])
def test_content_is_written_as_given(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    write_atomically(path, content)
    expected = content.encode() if isinstance(content, str) else content
    assert path.read_bytes() == expected
    assert sha256_of(path) == hashlib.sha256(expected).hexdigest()
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    write_atomically(path, "old")

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
