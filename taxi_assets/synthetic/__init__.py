"""The synthetic city: TLC's files without TLC, from a seed.

Zones lie on a plane (`city`), trips are demanded (`demand`) and last as a known law has it (`law`), so that
the best possible error is known (`trips` draws them). A meter's notes are added (`fares`, `for_hire`), TLC's
defects planted (`defects`), shifts where asked for (`shifts`), and all is written in the formats of TLC's
eras (`eras`, `tables`, `month_files`, `zone_files`).
"""

from taxi_assets.synthetic.demand import PROFILES
from taxi_assets.synthetic.eras import ERAS
from taxi_assets.synthetic.law import (
    best_mae,
    best_rmse,
    conditional_mean,
    conditional_median,
    expected_minutes,
)
from taxi_assets.synthetic.month_files import write_month
from taxi_assets.synthetic.shifts import SHIFTS, Shift, parse_shift
from taxi_assets.synthetic.zone_files import write_zones

__all__ = [
    "ERAS",
    "PROFILES",
    "SHIFTS",
    "Shift",
    "best_mae",
    "best_rmse",
    "conditional_mean",
    "conditional_median",
    "expected_minutes",
    "parse_shift",
    "write_month",
    "write_zones",
]
