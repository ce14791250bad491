"""Expected state of each month's files: a small model that is given the events and reads no file."""

from dataclasses import dataclass, field

from sample_files import SampleFile


@dataclass
class ExpectedMonth:
    """The expected state of one service's month.

    `published` is in the warehouse, `waiting` is to be published next. `present` says of each accepted file if it is
    still in the file store. A superseded file waits again if its successor is removed, or if the successor has few
    rows and is not accepted by a person.
    """

    published: SampleFile | None = None
    waiting: SampleFile | None = None
    present: dict[str, bool] = field(default_factory=dict)
    superseded_by: dict[str, SampleFile] = field(default_factory=dict)
    accepted: list[SampleFile] = field(default_factory=list)  # left the landing folder; no complete scan since
    allowed_ingestions: dict[str, int] = field(default_factory=dict)  # by SHA-256
    has_neighbours: bool = False  # months nearby are in the warehouse
    accepted_small: set[str] = field(default_factory=set)  # SHA-256 of files with few rows that a person accepted

    def finish_scan(self) -> None:
        """Applies a complete scan: accepted files count in their order, missing files are dropped."""
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
            return  # the same bytes again: a duplicate, or a replacement of a removed file
        self.allowed_ingestions[sample_file.sha256] = self.allowed_ingestions.get(sample_file.sha256, 0) + 1
        self._wait(sample_file)

    def retry(self, sample_file: SampleFile) -> None:
        """Makes this file wait, as `taxi files retry` does."""
        self.allowed_ingestions[sample_file.sha256] = self.allowed_ingestions.get(sample_file.sha256, 0) + 1
        self.present.setdefault(sample_file.sha256, True)
        if self.waiting != sample_file:
            self._wait(sample_file)

    def _wait(self, sample_file: SampleFile) -> None:
        if self.waiting:
            self.superseded_by[sample_file.sha256] = self.waiting
        self.waiting = sample_file

    def accept_small(self, sample_file: SampleFile) -> None:
        """Accepts a file with few rows, as `taxi files accept` does."""
        self.accepted_small.add(sample_file.sha256)
        self.present.setdefault(sample_file.sha256, True)
        if self.waiting != sample_file:
            self._wait(sample_file)

    def is_refused(self, sample_file: SampleFile) -> bool:
        """True if the file has few rows beside its neighbours or predecessor, and no person has accepted it."""
        is_compared = self.has_neighbours or self.published is not None
        return sample_file.is_few and is_compared and sample_file.sha256 not in self.accepted_small

    def pass_refused(self) -> None:
        """Drops refused files; the files they had superseded wait again."""
        while self.waiting and self.is_refused(self.waiting):
            self.waiting = self.superseded_by.pop(self.waiting.sha256, None)

    def publish(self) -> None:
        """Publishes the waiting file, as runs without a kill do."""
        self.pass_refused()
        if self.waiting:
            self.published, self.waiting = self.waiting, None

    def remove(self, sample_file: SampleFile) -> None:
        """Notes that a person removed the file from the file store."""
        if sample_file.sha256 in self.present:
            self.present[sample_file.sha256] = False

    def found_published(self, sample_file: SampleFile | None) -> None:
        """After a kill: follows what the warehouse shows as published."""
        if sample_file is None or sample_file == self.published:
            return
        self.finish_scan()
        if sample_file != self.waiting:
            self.pass_refused()
        assert sample_file == self.waiting, f"{sample_file} was published, though {self.waiting} was due"
        self.publish()
