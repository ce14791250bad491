"""Complete files over HTTP: fetched once, and again when they change."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tlc_site import JANUARY, NAME, PATH, Client, parquet

from taxi_assets.tlc import tlc_source


def test_month_is_fetched_completely(client: Client) -> None:
    seen: list[tuple[int, int | None]] = []
    path = client.fetch(lambda done, total: seen.append((done, total)))
    assert (path, path.read_bytes()) == (client.landing / NAME, parquet())
    assert seen == sorted(seen)
    assert seen[-1] == (len(parquet()), len(parquet()))
    assert not client.left_over()
    assert client.site.requests[0]["Accept-Encoding"] == "identity"


def test_unchanged_file_is_not_sent_again(client: Client) -> None:
    first, before = client.fetch(), (client.landing / NAME).stat()
    seen: list[tuple[int, int | None]] = []
    assert client.fetch(lambda done, total: seen.append((done, total))) == first
    assert (client.landing / NAME).stat().st_mtime_ns == before.st_mtime_ns
    assert client.site.sent == len(parquet())
    assert seen == [(len(parquet()), len(parquet()))]


def test_a_republished_month_replaces_the_old_one(client: Client) -> None:
    client.fetch()
    client.site.files[PATH] = parquet(2)
    assert client.fetch().read_bytes() == parquet(2)


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(parquet(3)), Path.unlink])
def test_changed_local_copy_is_fetched_again(client: Client, damage: Callable[[Path], object]) -> None:
    damage(client.fetch())
    assert client.fetch().read_bytes() == parquet()


def test_damaged_note_causes_another_fetch(client: Client) -> None:
    client.fetch()
    (client.landing / f".{NAME}.origin.json").write_text('{"url": "http')
    assert client.fetch().read_bytes() == parquet()
    assert client.site.sent == 2 * len(parquet())


def test_zones_come_from_the_sites_other_folder(client: Client) -> None:
    empty_zip = b"PK\5\6" + bytes(18)
    client.site.files |= {"/misc/taxi_zone_lookup.csv": b"LocationID\n1\n", "/misc/taxi_zones.zip": empty_zip}
    zones = tlc_source.ensure_zone_files(client.site.url, client.landing, client.retry_policy)
    assert zones.lookup.read_bytes() == b"LocationID\n1\n"
    assert zones.shapes.read_bytes() == empty_zip


def test_concurrent_fetches_do_not_damage_the_file(client: Client) -> None:
    threads = [threading.Thread(target=client.fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (client.landing / NAME).read_bytes() == parquet()
    assert client.site.sent == len(parquet())


def test_a_site_below_a_path_with_a_token_and_a_password(client: Client) -> None:
    client.site.files = {f"/mirror{PATH}": parquet()}
    host = client.site.url.removeprefix("http://")
    source = f"http://me:word@{host}/mirror/?sig=token"
    tlc_source.fetch_month(source, "green", JANUARY, client.landing, None, client.retry_policy)
    assert client.site.requests[0]["path"] == f"/mirror{PATH}?sig=token"
    assert client.site.requests[0]["Authorization"].startswith("Basic ")
    kept = (client.landing / f".{NAME}.origin.json").read_text()
    assert "word" not in kept
    assert "token" not in kept
