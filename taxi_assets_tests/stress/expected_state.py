"""What should become of each month's files: a small model that is told what happens and reads neither row nor file."""

from dataclasses import dataclass, field

from sample_files import SampleFile

__all__ = ["ExpectedMonth"]


@dataclass
class ExpectedMonth:
    """One service's month.

    `published` is what the lake shows, `waiting` what shall be published next; `present` tells of each file that
    was accepted whether it is still in the store. A file that was overtaken waits again if its successor goes, or is
    one of few rows that nobody accepts.
    """

    published: SampleFile | None = None
    waiting: SampleFile | None = None
    present: dict[str, bool] = field(default_factory=dict)
    superseded_by: dict[str, SampleFile] = field(default_factory=dict)
    accepted: list[SampleFile] = field(default_factory=list)  # left the landing folder, not settled by a whole look yet
    allowed_ingestions: dict[str, int] = field(default_factory=dict)  # to be ingested, by SHA-256
    has_neighbours: bool = False  # months nearby are held
    accepted_small: set[str] = field(default_factory=set)  # files of few rows that a person accepted, by SHA-256

    def finish_scan(self) -> None:
        """A look came to its end: what was accepted counts, in the order it came, and what is missing is missed."""
        for sample_file in self.accepted:
            self._take(sample_file)
        self.accepted.clear()
        while self.waiting and not self.present[self.waiting.sha256]:
            gone = self.waiting
            del self.present[gone.sha256]
            self.waiting = self.superseded_by.pop(gone.sha256, None)

    def _take(self, sample_file: SampleFile) -> None:
        known = sample_file.sha256 in self.present
        self.present[sample_file.sha256] = True
        if known:
            return  # the same bytes again: a duplicate, or they take the place of those that were removed
        self.allowed_ingestions[sample_file.sha256] = self.allowed_ingestions.get(sample_file.sha256, 0) + 1
        self._wait(sample_file)

    def retry(self, sample_file: SampleFile) -> None:
        """A person has said that this file shall wait."""
        self.allowed_ingestions[sample_file.sha256] = self.allowed_ingestions.get(sample_file.sha256, 0) + 1
        self.present.setdefault(sample_file.sha256, True)
        if self.waiting != sample_file:
            self._wait(sample_file)

    def _wait(self, sample_file: SampleFile) -> None:
        if self.waiting:
            self.superseded_by[sample_file.sha256] = self.waiting
        self.waiting = sample_file

    def accept_small(self, sample_file: SampleFile) -> None:
        """A person has accepted the file, though it has few rows."""
        self.accepted_small.add(sample_file.sha256)
        self.present.setdefault(sample_file.sha256, True)
        if self.waiting != sample_file:
            self._wait(sample_file)

    def is_refused(self, sample_file: SampleFile) -> bool:
        """It has few rows beside what is held, and nobody has accepted it."""
        is_compared = self.has_neighbours or self.published is not None
        return sample_file.is_few and is_compared and sample_file.sha256 not in self.accepted_small

    def pass_refused(self) -> None:
        """Runs have refused what waited; what that had overtaken waits again."""
        while self.waiting and self.is_refused(self.waiting):
            self.waiting = self.superseded_by.pop(self.waiting.sha256, None)

    def publish(self) -> None:
        """Runs went on until nothing waited."""
        self.pass_refused()
        if self.waiting:
            self.published, self.waiting = self.waiting, None

    def remove(self, sample_file: SampleFile) -> None:
        """A person removed the file from the store."""
        if sample_file.sha256 in self.present:
            self.present[sample_file.sha256] = False

    def found_published(self, sample_file: SampleFile | None) -> None:
        """After a kill: the lake shows these rows, so what led to them had been done."""
        if sample_file is None or sample_file == self.published:
            return
        self.finish_scan()
        if sample_file != self.waiting:
            self.pass_refused()
        assert sample_file == self.waiting, f"{sample_file} was published, though {self.waiting} was due"
        self.publish()
