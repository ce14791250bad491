"""The watch over HTTP: polite questions, whatever the site answers; what is new comes to the landing folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tlc_site import JANUARY, NAME, PATH, Client, Handler, cut, parquet, silent, stall, status

from taxi_assets.tlc import polling, tlc_source
from taxi_assets.tlc.download import Patience
from taxi_assets.tlc.file_transfer import Progress
from taxi_assets.tlc.polling_plan import FIRST_BUSY_SECONDS, HELD_AGAIN_SECONDS, Held, Question, Watch

NOW = datetime(2023, 3, 10, tzinfo=UTC).timestamp()  # January is the newest month that can be there
DECEMBER = JANUARY.plus(-1)


@dataclass
class Watcher:
    """Ticks, with what they remember; a landing folder."""

    client: Client
    source: str
    held: dict[str, list[Held]]
    watch: Watch = field(default_factory=Watch)
    now: float = NOW

    def tick(self, after: float = 0, read_seconds: float = 5) -> Sequence[str]:
        self.now += after
        patience = replace(self.client.patience, attempts=1, read_seconds=read_seconds)
        watch = Watch.from_text(self.watch.as_text())
        seen = polling.watch_once(self.source, self.held, watch, self.fetch, self.now, patience)
        self.watch = seen.watch
        return seen.sentences

    def fetch(self, question: Question, progress: Progress, patience: Patience) -> None:
        tlc_source.bring_month(self.source, question.service, question.month, self.client.landing, progress, patience)

    @property
    def landed(self) -> bytes | None:
        path = self.client.landing / NAME
        return path.read_bytes() if path.is_file() else None

    def forget_december(self, january_bytes: int) -> None:
        self.held["green"] = [Held(JANUARY, january_bytes)]
        kept = {name: known for name, known in self.watch.months.items() if name.endswith(str(JANUARY))}
        self.watch = replace(self.watch, months=kept)

    def take(self) -> None:
        """As the landing sensor does: the month is held, its file elsewhere."""
        path = self.client.landing / NAME
        self.forget_december(path.stat().st_size)
        path.unlink()


@pytest.fixture
def watcher(client: Client) -> Watcher:
    return Watcher(client, client.site.url, {"green": [Held(DECEMBER, 100)]}, settled())


def settled() -> Watch:
    """December was seen a moment ago, so that only January is asked for."""
    return Watch.from_text(f'{{"months": {{"green {DECEMBER}": {{"next_at": {NOW + 6 * 86400}, "length": 100}}}}}}')


def test_a_month_that_is_there_is_fetched_and_asked_for_no_more(watcher: Watcher) -> None:
    assert watcher.tick() == (f"green {JANUARY}: fetched into the landing folder",)
    assert watcher.landed == parquet()
    first = watcher.client.site.requests[0]
    assert (first["path"], first["Range"]) == (PATH, "bytes=0-0")
    assert first["User-Agent"] == "taxi-assets"
    watcher.take()
    questions = len(watcher.client.site.requests)
    assert watcher.tick(300) == ()
    assert len(watcher.client.site.requests) == questions


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_month_that_is_not_there_yet_is_asked_for_later(watcher: Watcher, code: int) -> None:
    watcher.client.site.files.clear()
    watcher.client.site.absent = code
    assert watcher.tick() == (f"green {JANUARY}: not there (it answers {code})",)
    assert watcher.tick(3600) == ()
    watcher.client.site.files[PATH] = parquet()
    assert watcher.tick(12 * 3600) == (f"green {JANUARY}: fetched into the landing folder",)


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_a_busy_site_is_left_alone(watcher: Watcher, code: int) -> None:
    watcher.client.site.faults.append(status(code))
    assert watcher.tick() == (f"green {JANUARY}: the source is busy (it answers {code})",)
    assert watcher.watch.quiet_until == NOW + FIRST_BUSY_SECONDS
    assert watcher.tick(FIRST_BUSY_SECONDS - 1) == ()
    assert len(watcher.client.site.requests) == 1
    assert watcher.tick(1) == (f"green {JANUARY}: fetched into the landing folder",)
    assert (watcher.watch.quiet_until, watcher.watch.failures) == (0, 0)


@pytest.mark.parametrize("code", [429, 503])
def test_a_site_that_says_how_long_is_left_alone_as_long(watcher: Watcher, code: int) -> None:
    watcher.client.site.faults.append(status(code, Retry_After="7200"))
    watcher.tick()
    assert watcher.tick(7199) == ()
    assert watcher.tick(1) != ()


def test_a_site_that_says_nothing_is_left_alone(watcher: Watcher) -> None:
    watcher.client.site.faults.append(silent)
    (sentence,) = watcher.tick(read_seconds=0.2)
    assert sentence.startswith(f"green {JANUARY}: no answer (")
    assert watcher.tick(60) == ()


def test_a_site_that_is_not_there_is_left_alone(watcher: Watcher) -> None:
    watcher.source = "http://127.0.0.1:1"
    assert "no answer" in watcher.tick()[0]
    assert watcher.watch.failures == 1


def test_a_site_that_refuses_is_asked_again_later(watcher: Watcher) -> None:
    watcher.client.site.faults.append(status(401))
    assert watcher.tick() == (f"green {JANUARY}: the source refuses (it answers 401)",)
    assert watcher.tick(3600) == ()


@pytest.mark.parametrize("fault", [cut, stall])
def test_a_line_that_breaks_is_taken_up_where_it_broke(watcher: Watcher, fault: object) -> None:
    def first_byte(handler: Handler, body: bytes) -> None:
        handler.send_file(body)

    watcher.client.site.faults.extend([first_byte, fault])  # type: ignore[list-item]
    (sentence,) = watcher.tick(read_seconds=0.3)
    assert "cannot be reached" in sentence
    assert watcher.landed is None
    left = (watcher.client.landing / f".{NAME}.part").stat().st_size
    assert left > 0
    assert watcher.tick(FIRST_BUSY_SECONDS) == (f"green {JANUARY}: fetched into the landing folder",)
    assert watcher.client.site.requests[-1]["Range"] == f"bytes={left}-"
    assert watcher.landed == parquet()


def test_a_large_file_comes_in_several_ticks(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "TICK_SECONDS", -1)
    monkeypatch.setattr(polling, "questions", lambda *_: ())
    assert watcher.tick() == ()
    monkeypatch.undo()
    ticks = iter([0.0, 0.0, 1e9, *[1e9] * 100])
    monkeypatch.setattr(polling.time, "monotonic", lambda: next(ticks))
    assert watcher.tick() == (f"green {JANUARY}: more of it came; the rest in the next tick",)
    assert watcher.landed is None
    monkeypatch.undo()
    assert watcher.tick(300) == (f"green {JANUARY}: fetched into the landing folder",)
    assert watcher.client.site.requests[-1]["Range"].startswith("bytes=")
    assert watcher.landed == parquet()


def test_what_is_no_month_is_not_landed_and_asked_for_later(watcher: Watcher) -> None:
    watcher.client.site.files[PATH] = b"<html>a page</html>"
    assert "is not a whole parquet file" in watcher.tick()[0]
    assert watcher.landed is None
    assert watcher.tick(3600) == ()


# Months that are held


def test_an_unchanged_month_costs_a_question_a_week(watcher: Watcher) -> None:
    watcher.tick()
    watcher.take()
    assert watcher.tick(HELD_AGAIN_SECONDS) == (f"green {JANUARY}: unchanged",)
    assert "If-None-Match" in watcher.client.site.requests[-1]
    assert watcher.landed is None
    assert watcher.tick(300) == ()


def test_a_republished_month_is_fetched(watcher: Watcher) -> None:
    watcher.tick()
    watcher.take()
    watcher.client.site.files[PATH] = parquet(2)
    assert watcher.tick(HELD_AGAIN_SECONDS) == (f"green {JANUARY}: fetched into the landing folder",)
    assert watcher.landed == parquet(2)


def test_a_month_a_person_brought_is_the_sites_where_it_is_as_long(watcher: Watcher) -> None:
    watcher.forget_december(len(parquet()))
    assert watcher.tick() == (f"green {JANUARY}: unchanged",)
    assert watcher.landed is None
    watcher.client.site.files[PATH] = parquet(2)
    assert watcher.tick(HELD_AGAIN_SECONDS) == (f"green {JANUARY}: fetched into the landing folder",)


def test_a_month_a_person_brought_is_fetched_where_the_site_has_another(watcher: Watcher) -> None:
    watcher.forget_december(5)
    assert watcher.tick() == (f"green {JANUARY}: fetched into the landing folder",)


# Folders


def test_a_folder_is_watched_too(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    watcher = Watcher(client, str(folder), {"green": [Held(DECEMBER, 100)]}, settled())
    assert "there is no such folder" in watcher.tick()[0]
    folder.mkdir()
    assert watcher.tick(FIRST_BUSY_SECONDS) == (f"green {JANUARY}: not there",)
    (folder / NAME).write_bytes(parquet())
    assert watcher.tick(12 * 3600) == (f"green {JANUARY}: fetched into the landing folder",)
    watcher.take()
    assert watcher.tick(HELD_AGAIN_SECONDS) == (f"green {JANUARY}: unchanged",)
    (folder / NAME).write_bytes(parquet(2))
    assert watcher.tick(HELD_AGAIN_SECONDS) == (f"green {JANUARY}: fetched into the landing folder",)
    assert watcher.landed == parquet(2)
