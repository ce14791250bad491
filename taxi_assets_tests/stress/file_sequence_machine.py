"""State machine of files that land in any order, twice or cut off, while processes are killed."""

import shutil
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
from expected_state import ExpectedMonth
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from lake_state import (
    assert_consistent,
    file_checksums,
    ingested_files,
    ingestions,
    raw_trips_hashes,
    row_hashes,
)
from reference_lakes import ReferenceLakes
from sample_files import SLOTS, SampleFile, Slot, close, land, publish_month
from simulated_sensor import killed_at, publish_pending, scan

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.retry_files import accept, retry
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.fault_points import FAULT_POINTS

_SETTLING_SCANS = 4  # a file that stays incomplete is quarantined at the third
_DATES = st.sampled_from((None, 1_000_000_000))


class FileSequenceMachine(RuleBasedStateMachine):
    """One home, from the first file to the last check. Subclasses set `reference_lakes` and `counts`."""

    reference_lakes: ReferenceLakes
    counts: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.sample_files = self.reference_lakes.sample_files
        self.warehouse: Warehouse = self.sample_files.home(self.reference_lakes.folder)
        self.expected = {
            slot: ExpectedMonth(has_neighbours=slot[0] == "green") for slot in SLOTS
        }  # an older green month is in the warehouse
        self.landed: dict[str, tuple[SampleFile, int]] = {}  # by name: the file, and how many of its bytes have landed
        self.acknowledged: set[str] = set()  # SHA-256 of files accepted and never removed by a person
        self.removed: set[str] = set()

    # Actions of people

    @initialize(slots=st.lists(st.sampled_from(SLOTS), min_size=1, max_size=3), data=st.data(), scans=st.integers(0, 2))
    def begin(self, slots: list[Slot], data: st.DataObject, scans: int) -> None:
        for slot in slots:
            self.arrive(data, slot, scans, None)

    @rule(data=st.data(), slot=st.sampled_from(SLOTS), scans=st.integers(0, 2), modified=_DATES)
    def arrive(self, data: st.DataObject, slot: Slot, scans: int, modified: int | None) -> None:
        """Lands a good file of the month, new, repeated or corrected, with any date."""
        sample_file = data.draw(st.sampled_from(self.sample_files.good[slot]))
        land(sample_file, self.landing, modified=modified)
        self.landed[sample_file.name] = sample_file, len(sample_file.data)
        self.counts["files landed"] += 1
        for _ in range(scans):
            self.scan()

    @rule(data=st.data(), slot=st.sampled_from(SLOTS), kind=st.sampled_from(("copy", "bad", "partial")))
    def arrive_otherwise(self, data: st.DataObject, slot: Slot, kind: str) -> None:
        """Lands a file under another name, with rows of another month or none, or only its beginning."""
        sample_file = data.draw(
            st.sampled_from(self.sample_files.good[slot] if kind != "bad" else self.sample_files.bad)
        )
        name, size = sample_file.name, len(sample_file.data)
        if kind == "copy":
            name, sample_file = (
                f"{slot[0]}_tripdata_{slot[1]} (1).parquet",
                SampleFile(slot, sample_file.data, is_good=False),
            )
            land(sample_file, self.landing, name)
        elif kind == "bad":
            land(sample_file, self.landing)
        else:
            size = int(data.draw(st.floats(0, 0.99)) * size)
            (self.landing / name).unlink(missing_ok=True)
            (self.landing / name).write_bytes(sample_file.data[:size])
        self.landed[name] = sample_file, size
        self.counts[f"{kind} files"] += 1

    @precondition(lambda self: self.growing())
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.growing()))
        sample_file, size = self.landed[name]
        with (self.landing / name).open("ab") as file:
            file.write(sample_file.data[size:])
        self.landed[name] = sample_file, len(sample_file.data)

    @rule(data=st.data(), folder=st.sampled_from(("landing", "files", "quarantine")))
    def delete(self, data: st.DataObject, folder: str) -> None:
        """Removes a file by hand."""
        files = file_checksums(self.warehouse, self.warehouse.settings.root / folder)
        files = {p: s for p, s in files.items() if not p.name.startswith(".") and p.suffix == ".parquet"}
        if not files:
            return
        path = data.draw(st.sampled_from(sorted(files)))
        path.unlink()
        self.counts["files deleted"] += 1
        if folder == "landing":
            del self.landed[path.name]
            return
        self.removed.add(files[path])
        if files[path] not in self.kept():
            self.acknowledged.discard(files[path])
        for slot in SLOTS:
            if path.is_relative_to(self.warehouse.settings.file_store / slot[0] / str(slot[1])):
                self.remove_from_store(slot, files[path])

    @rule(data=st.data(), slot=st.sampled_from(SLOTS))
    def retry(self, data: st.DataObject, slot: Slot) -> None:
        """Runs `taxi files retry`: returns to a superseded file, or tries a refused one again."""
        sample_file = data.draw(st.sampled_from(self.sample_files.good[slot]))
        try:
            record = retry(self.warehouse, sample_file.sha256)
        except TaxiError:
            self.after_scan()
            return
        self.after_scan()
        self.counts["retries"] += 1
        if (record.service, record.month) == slot and record.state == "waiting":
            self.expected[slot].retry(sample_file)

    @rule(slot=st.sampled_from(SLOTS))
    def accept(self, slot: Slot) -> None:
        """Runs `taxi files accept`: accepts a file with few rows."""
        sample_file = self.sample_files.good[slot][-1]
        try:
            accept(self.warehouse, sample_file.sha256)
        except TaxiError:
            self.after_scan()
            return
        self.after_scan()
        self.counts["accepted"] += 1
        self.expected[slot].accept_small(sample_file)

    # Actions of the platform

    @rule()
    def scan(self) -> None:
        self.counts["scans"] += 1
        scan(self.warehouse)
        self.after_scan()

    @rule()
    def publish_pending(self) -> None:
        """Runs ticks and their runs until nothing is pending."""
        self.counts["publications"] += 1
        publish_pending(self.warehouse)
        self.after_scan()
        for expected in self.expected.values():
            expected.publish()
        self.assert_published()

    @rule(slot=st.sampled_from(SLOTS))
    def run_again(self, slot: Slot) -> None:
        """Materialises a month again, with or without new files."""
        try:
            publish_month(self.warehouse, slot)
        except TaxiError:
            self.after_kill()
            return
        self.after_kill()
        self.counts["months run again"] += 1

    @rule(
        doing=st.sampled_from(("scan", "publish", "run")),
        point_name=st.sampled_from(FAULT_POINTS),
        nth=st.integers(1, 2),
        restarts=st.booleans(),
    )
    def crash(self, doing: str, point_name: str, nth: int, restarts: bool) -> None:
        try:
            with killed_at(point_name, nth):
                if doing == "run":
                    publish_month(self.warehouse, SLOTS[nth])
                else:
                    scan(self.warehouse) if doing == "scan" else publish_pending(self.warehouse)
        except TaxiError:
            self.counts["errors shown"] += 1  # a TaxiError is allowed here; the file's state is checked below
        self.counts["disturbed"] += 1
        if restarts:
            self.restart()
        self.after_kill()

    @rule()
    def restart(self) -> None:
        close(self.warehouse)
        self.warehouse = Warehouse(self.warehouse.settings)

    # Invariants

    def teardown(self) -> None:
        try:
            for _ in range(_SETTLING_SCANS):
                if self.landed:
                    self.scan()
            self.publish_pending()
            self.assert_nothing_lost()
            self.assert_once()
            assert_consistent(self.warehouse, self.removed)
            surviving = frozenset(each.published for each in self.expected.values() if each.published)
            hashes, files = self.reference_lakes.lake(surviving)
            assert row_hashes(self.warehouse) == hashes
            assert ingested_files(self.warehouse) == files
            self.counts["sequences"] += 1
        finally:
            close(self.warehouse)
            shutil.rmtree(self.warehouse.settings.home)

    def assert_nothing_lost(self) -> None:
        assert self.acknowledged <= self.kept(), f"bytes are lost: {self.acknowledged - self.kept()}"
        assert not self.landed, f"left in the landing folder: {sorted(self.landed)}"

    def assert_once(self) -> None:
        for slot, shown in ingestions(self.warehouse).items():
            allowed_ingestions = self.expected[slot].allowed_ingestions
            for sha256, times in Counter(shown).items():
                assert times <= allowed_ingestions.get(sha256, 0), f"{sha256[:8]} of {slot} was ingested {times} times"

    def assert_published(self) -> None:
        shown = self.shown()
        assert shown == {slot: each.published for slot, each in self.expected.items()}

    # Follow-up of actions

    @property
    def landing(self) -> Path:
        return self.warehouse.settings.landing

    def growing(self) -> list[str]:
        return sorted(name for name, (sample_file, size) in self.landed.items() if size < len(sample_file.data))

    def kept(self) -> set[str]:
        return set(
            file_checksums(
                self.warehouse, self.warehouse.settings.file_store, self.warehouse.settings.quarantine
            ).values()
        )

    def shown(self) -> dict[Slot, SampleFile | None]:
        raw = raw_trips_hashes(self.warehouse)
        return {slot: self.reference_lakes.file_of(slot, raw.get((slot[0], str(slot[1])))) for slot in SLOTS}

    def remove_from_store(self, slot: Slot, sha256: str) -> None:
        for sample_file in self.sample_files.good[slot]:
            if sample_file.sha256 == sha256:
                self.expected[slot].remove(sample_file)

    def note_taken(self) -> None:
        """Counts files that have left the landing folder as accepted by the platform."""
        for name in [name for name in self.landed if not (self.landing / name).exists()]:
            sample_file, size = self.landed.pop(name)
            part = SampleFile(sample_file.slot, sample_file.data[:size], is_good=False)
            self.acknowledged.add(part.sha256)
            if sample_file.is_good and size == len(sample_file.data):
                self.expected[sample_file.slot].accepted.append(sample_file)

    def after_scan(self) -> None:
        self.note_taken()
        for expected in self.expected.values():
            expected.finish_scan()

    def after_kill(self) -> None:
        """Follows a killed process: reads from the warehouse which months it published."""
        self.note_taken()
        for slot, sample_file in self.shown().items():
            self.expected[slot].found_published(sample_file)
