"""Optional shifts of the synthetic city, for tests of drift detection.

A shifted month uses the same random draws as the unshifted month of its seed: it differs only by the shift.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from taxi_assets.errors import TaxiError


@dataclass(frozen=True)
class ShiftKind:
    """The meaning of a shift's amount, its range, its neutral value and an example."""

    meaning: str
    least: float
    most: float
    nothing: float
    example: str


SHIFTS: dict[str, ShiftKind] = {
    "slower_city": ShiftKind("factor on every duration", 0.1, 10, 1, "slower_city=1.3"),
    "zone_mix": ShiftKind("share of trips between other zones than usual", 0, 1, 0, "zone_mix=0.5"),
    "shifted_clock": ShiftKind("hours added to every time", -24, 24, 0, "shifted_clock=5"),
    "changed_unit": ShiftKind("factor on every distance", 0.001, 1000, 1, "changed_unit=1.609"),
    "null_burst": ShiftKind("share of metered rows, in one run, with gaps", 0, 1, 0, "null_burst=0.2"),
}


@dataclass(frozen=True)
class Shift:
    """One shift: a name of `SHIFTS` and an amount; `str` gives the text that `parse_shift` reads.

    Raises:
        TaxiError: there is no such shift, or the amount is out of its range.
    """

    name: str
    amount: float

    def __post_init__(self) -> None:
        kind = SHIFTS.get(self.name)
        if kind is None:
            raise TaxiError(f"there is no shift '{self.name}': choose one of {', '.join(SHIFTS)}")
        if not kind.least <= self.amount <= kind.most:
            wanted = f"{kind.meaning}, from {kind.least:g} to {kind.most:g}, such as {kind.example}"
            raise TaxiError(f"{self.name}={self.amount:g} is out of range: give the {wanted}")

    def __str__(self) -> str:
        return f"{self.name}={self.amount!r}"


def parse_shift(text: str) -> Shift:
    """Parses a shift such as `slower_city=1.3`.

    Raises:
        TaxiError: the name is unknown, or the amount is not a number within its range.
    """
    name, _, amount = (part.strip() for part in text.partition("="))
    if name not in SHIFTS:
        examples = ", ".join(kind.example for kind in SHIFTS.values())
        raise TaxiError(f"'{text}' is not a shift: write one such as {examples}")
    try:
        number = float(amount)
    except ValueError:
        raise TaxiError(f"'{text}' gives no number: write it such as {SHIFTS[name].example}") from None
    return Shift(name, number)


def amount_of(shifts: Sequence[Shift], name: str) -> float:
    """The amount of a shift; its neutral value if it is not given.

    Raises:
        TaxiError: it is given twice.
    """
    amounts = [shift.amount for shift in shifts if shift.name == name]
    if len(amounts) > 1:
        raise TaxiError(f"the shift {name} is given twice: give it once")
    return amounts[0] if amounts else SHIFTS[name].nothing
