"""What a challenger must show to become champion: every threshold of the promotion, each with its reason."""

from dataclasses import dataclass

__all__ = ["PROMOTION_POLICY", "PromotionPolicy"]


@dataclass(frozen=True)
class PromotionPolicy:
    """The thresholds of a promotion. Errors are RMSE, differences are challenger minus champion."""

    # The whole interval must lie this far below zero. A hundredth of a minute of RMSE is half a second: less is not
    # worth another model, its Bento and its check by a person, however sure it is.
    margin_minutes: float = 0.01
    # Two-sided, so that a challenger that is no better passes once in forty months at most.
    confidence: float = 0.95
    # The ends of the interval then move by less than a fiftieth of its width from seed to seed.
    resamples: int = 4_000
    # Fixed: the same evidence makes the same decision, whoever repeats it.
    seed: int = 20_230_301
    # Who is told three minutes too long on average, as by a model of before the lockdown in it, is misled whatever the
    # RMSE. The 24 months of the back-test, 2023-07 to 2025-06, are 0.61 off at most on 1-60 minutes and 1.09 on 1-180;
    # a challenger may be further off than this only where the champion is further still.
    max_bias_minutes: float = 1.5
    # On fewer rides or days the interval itself is not to be trusted: it is told by the days it is drawn from.
    min_trips: int = 1_000
    min_days: int = 14
    # Who rides from a borough, from or to an airport, or at a time of the day must not pay for the others' gain.
    guarded_slices: tuple[str, ...] = ("pickup_borough", "airport_trip", "hour_band")
    # A slice of fewer rides is told by chance; with this many the error's own chance is about the bound below.
    min_slice_trips: int = 500
    # As a share of the champion's RMSE in the slice, whatever the interval says: who rides there has that error.
    max_slice_worsening: float = 0.02


PROMOTION_POLICY = PromotionPolicy()
