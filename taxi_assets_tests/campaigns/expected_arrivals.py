"""What should become of each month's files: a small model that is told what happens and reads neither row nor file."""

from dataclasses import dataclass, field

from little_months import Little

__all__ = ["Expected"]


@dataclass
class Expected:
    """One service's month.

    `published` is what the lake shows, `waiting` what shall be published next; `present` tells of each file that
    was accepted whether it is still in the store. A file that was overtaken waits again if its successor goes, or is
    one of few rows that nobody accepts.
    """

    published: Little | None = None
    waiting: Little | None = None
    present: dict[str, bool] = field(default_factory=dict)
    overtaken: dict[str, Little] = field(default_factory=dict)
    accepted: list[Little] = field(default_factory=list)  # left the landing folder, not settled by a whole look yet
    chances: dict[str, int] = field(default_factory=dict)  # to be ingested, by SHA-256
    has_neighbours: bool = False  # months nearby are held
    allowed: set[str] = field(default_factory=set)  # files of few rows that a person accepted, by SHA-256

    def settle(self) -> None:
        """A look came to its end: what was accepted counts, in the order it came, and what is missing is missed."""
        for little in self.accepted:
            self._take(little)
        self.accepted.clear()
        while self.waiting and not self.present[self.waiting.sha256]:
            gone = self.waiting
            del self.present[gone.sha256]
            self.waiting = self.overtaken.pop(gone.sha256, None)

    def _take(self, little: Little) -> None:
        known = little.sha256 in self.present
        self.present[little.sha256] = True
        if known:
            return  # the same bytes again: a duplicate, or they take the place of those that were removed
        self.chances[little.sha256] = self.chances.get(little.sha256, 0) + 1
        self._wait(little)

    def retry(self, little: Little) -> None:
        """A person has said that this file shall wait."""
        self.chances[little.sha256] = self.chances.get(little.sha256, 0) + 1
        self.present.setdefault(little.sha256, True)
        if self.waiting != little:
            self._wait(little)

    def _wait(self, little: Little) -> None:
        if self.waiting:
            self.overtaken[little.sha256] = self.waiting
        self.waiting = little

    def allow(self, little: Little) -> None:
        """A person has accepted the file, though it has few rows."""
        self.allowed.add(little.sha256)
        self.present.setdefault(little.sha256, True)
        if self.waiting != little:
            self._wait(little)

    def is_refused(self, little: Little) -> bool:
        """It has few rows beside what is held, and nobody has accepted it."""
        is_compared = self.has_neighbours or self.published is not None
        return little.is_few and is_compared and little.sha256 not in self.allowed

    def pass_refused(self) -> None:
        """Runs have refused what waited; what that had overtaken waits again."""
        while self.waiting and self.is_refused(self.waiting):
            self.waiting = self.overtaken.pop(self.waiting.sha256, None)

    def publish(self) -> None:
        """Runs went on until nothing waited."""
        self.pass_refused()
        if self.waiting:
            self.published, self.waiting = self.waiting, None

    def remove(self, little: Little) -> None:
        """A person removed the file from the store."""
        if little.sha256 in self.present:
            self.present[little.sha256] = False

    def found_published(self, little: Little | None) -> None:
        """After a kill: the lake shows these rows, so what led to them had been done."""
        if little is None or little == self.published:
            return
        self.settle()
        if little != self.waiting:
            self.pass_refused()
        assert little == self.waiting, f"{little} was published, though {self.waiting} was due"
        self.publish()
