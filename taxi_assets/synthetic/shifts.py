"""Planted shifts: what changes in the synthetic city at will, for a detector of drift to find.

A shifted month is drawn from the same chances as the unshifted one of its seed: it differs in nothing but the
shift.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from taxi_assets.errors import TaxiError

__all__ = ["SHIFTS", "Shift", "ShiftKind", "amount_of", "parse_shift"]


@dataclass(frozen=True)
class ShiftKind:
    """What a shift's amount means, its range, which amount changes nothing, and how one is written."""

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
    """One planted shift: a name of `SHIFTS` and how much of it; `str` gives it as `parse_shift` reads it.

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
    """Read `slower_city=1.3`.

    Raises:
        TaxiError: it is not a known shift with a number within its range.
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
    """How much of a shift is asked for; where it is not, the amount that changes nothing.

    Raises:
        TaxiError: it is asked for twice.
    """
    amounts = [shift.amount for shift in shifts if shift.name == name]
    if len(amounts) > 1:
        raise TaxiError(f"the shift {name} is given twice: give it once")
    return amounts[0] if amounts else SHIFTS[name].nothing
