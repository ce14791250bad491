"""The synthetic city: generates files in TLC's formats from a seed.

- `city`, `demand`, `law`, `trips`: zones on a plane, and trips between them. Their durations follow a known
  distribution, so the best possible error is known.
- `fares`, `for_hire`: the other recorded columns. `defects`: TLC's data errors. `shifts`: optional drift.
- `eras`, `tables`, `month_files`, `zone_files`: the formats of TLC's eras.
"""

from taxi_assets.synthetic.demand import PROFILES
from taxi_assets.synthetic.eras import ERAS
from taxi_assets.synthetic.month_files import write_month
from taxi_assets.synthetic.shifts import SHIFTS, Shift, parse_shift
from taxi_assets.synthetic.zone_files import write_zones

__all__ = [
    "ERAS",
    "PROFILES",
    "SHIFTS",
    "Shift",
    "parse_shift",
    "write_month",
    "write_zones",
]
