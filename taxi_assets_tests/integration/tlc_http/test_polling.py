"""Polling over HTTP: few requests for any response; new months are landed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tlc_site import JANUARY, NAME, PATH, Client, Handler, cut, parquet, silent, stall, status

from taxi_assets.months import Month
from taxi_assets.tlc import polling, tlc_source
from taxi_assets.tlc.download import RetryPolicy
from taxi_assets.tlc.landing_writes import Progress
from taxi_assets.tlc.polling import MIN_BUSY_SECONDS, RECHECK_SECONDS, PollingState, RemoteFile

NOW = datetime(2023, 3, 10, tzinfo=UTC).timestamp()  # January is the newest month that can be available
DECEMBER = JANUARY.plus(-1)


@dataclass
class PollingHarness:
    """Runs polling ticks with their state and a landing folder."""

    client: Client
    source: str
    available: dict[str, dict[Month, int]]
    polling_state: PollingState = field(default_factory=PollingState)
    now: float = NOW

    def tick(self, after: float = 0, read_seconds: float = 5) -> Sequence[str]:
        self.now += after
        retry_policy = replace(self.client.retry_policy, attempts=1, read_seconds=read_seconds)
        polling_state = PollingState.from_text(self.polling_state.as_text())
        self.polling_state, messages = polling.poll_once(
            self.source, self.available, polling_state, self.fetch, self.now, retry_policy
        )
        return tuple(messages)

    def fetch(self, service: str, month: Month, progress: Progress, retry_policy: RetryPolicy) -> None:
        tlc_source.fetch_month(self.source, service, month, self.client.landing, progress, retry_policy)

    @property
    def landed(self) -> bytes | None:
        path = self.client.landing / NAME
        return path.read_bytes() if path.is_file() else None

    def forget_december(self, january_bytes: int) -> None:
        self.available["green"] = {JANUARY: january_bytes}
        kept = {name: file for name, file in self.polling_state.files.items() if name.endswith(str(JANUARY))}
        self.polling_state = replace(self.polling_state, files=kept)

    def take(self) -> None:
        """Records the month as available and removes its file, as the landing sensor does."""
        path = self.client.landing / NAME
        self.forget_december(path.stat().st_size)
        path.unlink()


@pytest.fixture
def polling_harness(client: Client) -> PollingHarness:
    return PollingHarness(client, client.site.url, {"green": {DECEMBER: 100}}, polled_recently())


def polled_recently() -> PollingState:
    """A state where December was just checked, so only January is requested."""
    return PollingState().after_response("green", DECEMBER, RemoteFile(NOW + 6 * 86400, 0, (None, None, 100)))


def test_available_month_is_fetched_and_not_requested_again(polling_harness: PollingHarness) -> None:
    assert polling_harness.tick() == (f"green {JANUARY}: fetched into the landing folder",)
    assert polling_harness.landed == parquet()
    first = polling_harness.client.site.requests[0]
    assert (first["path"], first["Range"]) == (PATH, "bytes=0-0")
    assert first["User-Agent"] == "taxi-assets"
    polling_harness.take()
    requests = len(polling_harness.client.site.requests)
    assert polling_harness.tick(300) == ()
    assert len(polling_harness.client.site.requests) == requests


@pytest.mark.parametrize("code", [403, 404, 410])
def test_unavailable_month_is_requested_later(polling_harness: PollingHarness, code: int) -> None:
    polling_harness.client.site.files.clear()
    polling_harness.client.site.absent = code
    assert polling_harness.tick() == (f"green {JANUARY}: not published (it answers {code})",)
    assert polling_harness.tick(3600) == ()
    polling_harness.client.site.files[PATH] = parquet()
    assert polling_harness.tick(12 * 3600) == (f"green {JANUARY}: fetched into the landing folder",)


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_busy_site_gets_no_further_request(polling_harness: PollingHarness, code: int) -> None:
    polling_harness.client.site.faults.append(status(code))
    assert polling_harness.tick() == (f"green {JANUARY}: the source is busy (it answers {code})",)
    assert polling_harness.polling_state.quiet_until == NOW + MIN_BUSY_SECONDS
    assert polling_harness.tick(MIN_BUSY_SECONDS - 1) == ()
    assert len(polling_harness.client.site.requests) == 1
    assert polling_harness.tick(1) == (f"green {JANUARY}: fetched into the landing folder",)
    assert (polling_harness.polling_state.quiet_until, polling_harness.polling_state.failures) == (0, 0)


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_delays_the_next_request(polling_harness: PollingHarness, code: int) -> None:
    polling_harness.client.site.faults.append(status(code, Retry_After="7200"))
    polling_harness.tick()
    assert polling_harness.tick(7199) == ()
    assert polling_harness.tick(1) != ()


def test_silent_site_gets_no_further_request(polling_harness: PollingHarness) -> None:
    polling_harness.client.site.faults.append(silent)
    (sentence,) = polling_harness.tick(read_seconds=0.2)
    assert sentence.startswith(f"green {JANUARY}: no answer (")
    assert polling_harness.tick(60) == ()


def test_unreachable_site_gets_no_further_request(polling_harness: PollingHarness) -> None:
    polling_harness.source = "http://127.0.0.1:1"
    assert "no answer" in polling_harness.tick()[0]
    assert polling_harness.polling_state.failures == 1


def test_refused_request_is_repeated_later(polling_harness: PollingHarness) -> None:
    polling_harness.client.site.faults.append(status(401))
    assert polling_harness.tick() == (f"green {JANUARY}: the source refuses (it answers 401)",)
    assert polling_harness.tick(3600) == ()


@pytest.mark.parametrize("fault", [cut, stall])
def test_interrupted_download_is_resumed_by_the_next_tick(polling_harness: PollingHarness, fault: object) -> None:
    def first_byte(handler: Handler, body: bytes) -> None:
        handler.send_file(body)

    polling_harness.client.site.faults.extend([first_byte, fault])  # type: ignore[list-item]
    (sentence,) = polling_harness.tick(read_seconds=0.3)
    assert "cannot be reached" in sentence
    assert polling_harness.landed is None
    left = (polling_harness.client.landing / f".{NAME}.part").stat().st_size
    assert left > 0
    assert polling_harness.tick(MIN_BUSY_SECONDS) == (f"green {JANUARY}: fetched into the landing folder",)
    assert polling_harness.client.site.requests[-1]["Range"] == f"bytes={left}-"
    assert polling_harness.landed == parquet()


def test_a_large_file_comes_in_several_ticks(polling_harness: PollingHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "TICK_SECONDS", -1)
    monkeypatch.setattr(polling, "due_months", lambda *_: [("green", JANUARY)])
    assert polling_harness.tick() == ()
    monkeypatch.undo()
    ticks = iter([0.0, 0.0, 1e9, *[1e9] * 100])
    monkeypatch.setattr(polling.time, "monotonic", lambda: next(ticks))
    assert polling_harness.tick() == (f"green {JANUARY}: partly downloaded; the next tick resumes it",)
    assert polling_harness.landed is None
    monkeypatch.undo()
    assert polling_harness.tick(300) == (f"green {JANUARY}: fetched into the landing folder",)
    assert polling_harness.client.site.requests[-1]["Range"].startswith("bytes=")
    assert polling_harness.landed == parquet()


def test_invalid_file_is_not_landed_and_requested_later(polling_harness: PollingHarness) -> None:
    polling_harness.client.site.files[PATH] = b"<html>a page</html>"
    assert "is not a whole parquet file" in polling_harness.tick()[0]
    assert polling_harness.landed is None
    assert polling_harness.tick(3600) == ()


# Available months


def test_unchanged_month_is_requested_once_a_week(polling_harness: PollingHarness) -> None:
    polling_harness.tick()
    polling_harness.take()
    assert polling_harness.tick(RECHECK_SECONDS) == (f"green {JANUARY}: unchanged",)
    assert "If-None-Match" in polling_harness.client.site.requests[-1]
    assert polling_harness.landed is None
    assert polling_harness.tick(300) == ()


def test_a_republished_month_is_fetched(polling_harness: PollingHarness) -> None:
    polling_harness.tick()
    polling_harness.take()
    polling_harness.client.site.files[PATH] = parquet(2)
    assert polling_harness.tick(RECHECK_SECONDS) == (f"green {JANUARY}: fetched into the landing folder",)
    assert polling_harness.landed == parquet(2)


def test_manually_landed_month_of_equal_length_is_not_fetched(polling_harness: PollingHarness) -> None:
    polling_harness.forget_december(len(parquet()))
    assert polling_harness.tick() == (f"green {JANUARY}: unchanged",)
    assert polling_harness.landed is None
    polling_harness.client.site.files[PATH] = parquet(2)
    assert polling_harness.tick(RECHECK_SECONDS) == (f"green {JANUARY}: fetched into the landing folder",)


def test_manually_landed_month_of_another_length_is_fetched(polling_harness: PollingHarness) -> None:
    polling_harness.forget_december(5)
    assert polling_harness.tick() == (f"green {JANUARY}: fetched into the landing folder",)


# Folders


def test_folder_source_is_polled(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    polling_harness = PollingHarness(client, str(folder), {"green": {DECEMBER: 100}}, polled_recently())
    assert "no such folder" in polling_harness.tick()[0]
    folder.mkdir()
    assert polling_harness.tick(MIN_BUSY_SECONDS) == (f"green {JANUARY}: not published",)
    (folder / NAME).write_bytes(parquet())
    assert polling_harness.tick(12 * 3600) == (f"green {JANUARY}: fetched into the landing folder",)
    polling_harness.take()
    assert polling_harness.tick(RECHECK_SECONDS) == (f"green {JANUARY}: unchanged",)
    (folder / NAME).write_bytes(parquet(2))
    assert polling_harness.tick(RECHECK_SECONDS) == (f"green {JANUARY}: fetched into the landing folder",)
    assert polling_harness.landed == parquet(2)
