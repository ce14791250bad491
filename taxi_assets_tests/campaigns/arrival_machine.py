"""Files that come in any order, twice, cut off and again, while processes die: what must be true in the end."""

import shutil
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
from expected_arrivals import Expected
from fresh_lakes import Fresh
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from lake_state import (
    assert_at_rest,
    files_of,
    ingested_files,
    ingestions,
    row_hashes,
    what_raw_holds,
)
from little_months import SLOTS, Little, Slot, land, publish_month
from sensor_at_work import killed_at, look, work
from thrift import close

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.retry_files import accept, retry
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.fault_points import MOMENTS

__all__ = ["ArrivalMachine"]

_SETTLING_LOOKS = 4  # a file that is never finished is given up at the third
_DATES = st.sampled_from((None, 1_000_000_000))


class ArrivalMachine(RuleBasedStateMachine):
    """One home, from the first file to rest. A subclass says where files and fresh lakes come from."""

    fresh: Fresh
    counts: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.shelf = self.fresh.shelf
        self.warehouse: Warehouse = self.shelf.home(self.fresh.folder)
        self.expected = {slot: Expected(has_neighbours=slot[0] == "green") for slot in SLOTS}  # an older month is held
        self.landed: dict[str, tuple[Little, int]] = {}  # by name: the file, and how many of its bytes are there
        self.owed: set[str] = set()  # SHA-256 of what was accepted and never removed by a person
        self.removed: set[str] = set()

    # What people do

    @initialize(slots=st.lists(st.sampled_from(SLOTS), min_size=1, max_size=3), data=st.data(), looks=st.integers(0, 2))
    def begin(self, slots: list[Slot], data: st.DataObject, looks: int) -> None:
        for slot in slots:
            self.arrive(data, slot, looks, None)

    @rule(data=st.data(), slot=st.sampled_from(SLOTS), looks=st.integers(0, 2), modified=_DATES)
    def arrive(self, data: st.DataObject, slot: Slot, looks: int, modified: int | None) -> None:
        """New, again, or published with other bytes: whatever comes next of this month, with any date."""
        little = data.draw(st.sampled_from(self.shelf.good[slot]))
        land(little, self.landing, modified=modified)
        self.landed[little.name] = little, len(little.data)
        self.counts["arrivals"] += 1
        for _ in range(looks):
            self.look()

    @rule(data=st.data(), slot=st.sampled_from(SLOTS), kind=st.sampled_from(("copy", "bad", "partial")))
    def arrive_otherwise(self, data: st.DataObject, slot: Slot, kind: str) -> None:
        """Under another name, with rows of another month or none, or only the beginning of a file."""
        little = data.draw(st.sampled_from(self.shelf.good[slot] if kind != "bad" else self.shelf.bad))
        name, size = little.name, len(little.data)
        if kind == "copy":
            name, little = f"{slot[0]}_tripdata_{slot[1]} (1).parquet", Little(slot, little.data, is_good=False)
            land(little, self.landing, name)
        elif kind == "bad":
            land(little, self.landing)
        else:
            size = int(data.draw(st.floats(0, 0.99)) * size)
            (self.landing / name).unlink(missing_ok=True)
            (self.landing / name).write_bytes(little.data[:size])
        self.landed[name] = little, size
        self.counts[f"{kind} files"] += 1

    @precondition(lambda self: self.growing())
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.growing()))
        little, size = self.landed[name]
        with (self.landing / name).open("ab") as file:
            file.write(little.data[size:])
        self.landed[name] = little, len(little.data)

    @rule(data=st.data(), folder=st.sampled_from(("landing", "arrived", "quarantine")))
    def delete(self, data: st.DataObject, folder: str) -> None:
        """A person removes a file by hand."""
        files = files_of(self.warehouse, self.warehouse.settings.root / folder)
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
            self.owed.discard(files[path])
        for slot in SLOTS:
            if path.is_relative_to(self.warehouse.settings.arrived / slot[0] / str(slot[1])):
                self.remove_from_store(slot, files[path])

    @rule(data=st.data(), slot=st.sampled_from(SLOTS))
    def retry(self, data: st.DataObject, slot: Slot) -> None:
        """`taxi arrivals retry`: to go back to what was superseded, or to try a refused file again."""
        little = data.draw(st.sampled_from(self.shelf.good[slot]))
        try:
            record = retry(self.warehouse, little.sha256)
        except TaxiError:
            self.after_look()
            return
        self.after_look()
        self.counts["retries"] += 1
        if (record.service, record.month) == slot and record.state == "waiting":
            self.expected[slot].retry(little)

    @rule(slot=st.sampled_from(SLOTS))
    def accept(self, slot: Slot) -> None:
        """`taxi arrivals accept`: to have a file of few rows all the same."""
        little = self.shelf.good[slot][-1]
        try:
            accept(self.warehouse, little.sha256)
        except TaxiError:
            self.after_look()
            return
        self.after_look()
        self.counts["accepted"] += 1
        self.expected[slot].allow(little)

    # What the platform does

    @rule()
    def look(self) -> None:
        self.counts["looks"] += 1
        look(self.warehouse)
        self.after_look()

    @rule()
    def work(self) -> None:
        """Ticks and runs, until there is nothing to do."""
        self.counts["work"] += 1
        work(self.warehouse)
        self.after_look()
        for expected in self.expected.values():
            expected.publish()
        self.assert_published()

    @rule(slot=st.sampled_from(SLOTS))
    def run_again(self, slot: Slot) -> None:
        """A person materialises a month, whether there is anything new or not."""
        try:
            publish_month(self.warehouse, slot)
        except TaxiError:
            self.after_kill()
            return
        self.after_kill()
        self.counts["months run again"] += 1

    @rule(
        doing=st.sampled_from(("look", "work", "run")),
        moment=st.sampled_from(MOMENTS),
        nth=st.integers(1, 2),
        restarts=st.booleans(),
    )
    def crash(self, doing: str, moment: str, nth: int, restarts: bool) -> None:
        try:
            with killed_at(moment, nth):
                if doing == "run":
                    publish_month(self.warehouse, SLOTS[nth])
                else:
                    look(self.warehouse) if doing == "look" else work(self.warehouse)
        except TaxiError:
            self.counts["told"] += 1  # a sentence for a person is an answer; what became of the file is checked below
        self.counts["disturbed"] += 1
        if restarts:
            self.restart()
        self.after_kill()

    @rule()
    def restart(self) -> None:
        close(self.warehouse)
        self.warehouse = Warehouse(self.warehouse.settings)

    # What must be so

    def teardown(self) -> None:
        try:
            for _ in range(_SETTLING_LOOKS):
                if self.landed:
                    self.look()
            self.work()
            self.assert_nothing_lost()
            self.assert_once()
            assert_at_rest(self.warehouse, self.removed)
            surviving = frozenset(each.published for each in self.expected.values() if each.published)
            hashes, files = self.fresh.lake(surviving)
            assert row_hashes(self.warehouse) == hashes
            assert ingested_files(self.warehouse) == files
            self.counts["sequences"] += 1
        finally:
            close(self.warehouse)
            shutil.rmtree(self.warehouse.settings.home)

    def assert_nothing_lost(self) -> None:
        assert self.owed <= self.kept(), f"bytes are lost: {self.owed - self.kept()}"
        assert not self.landed, f"left where they landed: {sorted(self.landed)}"

    def assert_once(self) -> None:
        for slot, shown in ingestions(self.warehouse).items():
            chances = self.expected[slot].chances
            for sha256, times in Counter(shown).items():
                assert times <= chances.get(sha256, 0), f"{sha256[:8]} of {slot} was ingested {times} times"

    def assert_published(self) -> None:
        shown = self.shown()
        assert shown == {slot: each.published for slot, each in self.expected.items()}

    # What happened meanwhile

    @property
    def landing(self) -> Path:
        return self.warehouse.settings.landing

    def growing(self) -> list[str]:
        return sorted(name for name, (little, size) in self.landed.items() if size < len(little.data))

    def kept(self) -> set[str]:
        return set(
            files_of(self.warehouse, self.warehouse.settings.arrived, self.warehouse.settings.quarantine).values()
        )

    def shown(self) -> dict[Slot, Little | None]:
        raw = what_raw_holds(self.warehouse)
        return {slot: self.fresh.file_of(slot, raw.get((slot[0], str(slot[1])))) for slot in SLOTS}

    def remove_from_store(self, slot: Slot, sha256: str) -> None:
        for little in self.shelf.good[slot]:
            if little.sha256 == sha256:
                self.expected[slot].remove(little)

    def note_accepted(self) -> None:
        """What has left the landing folder is the platform's to keep."""
        for name in [name for name in self.landed if not (self.landing / name).exists()]:
            little, size = self.landed.pop(name)
            part = Little(little.slot, little.data[:size], is_good=False)
            self.owed.add(part.sha256)
            if little.is_good and size == len(little.data):
                self.expected[little.slot].accepted.append(little)

    def after_look(self) -> None:
        self.note_accepted()
        for expected in self.expected.values():
            expected.settle()

    def after_kill(self) -> None:
        """Nobody knows how far it came; what the lake shows tells which months were published."""
        self.note_accepted()
        for slot, little in self.shown().items():
            self.expected[slot].found_published(little)
