"""Thresholds of the promotion, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PromotionPolicy:
    """The thresholds of a promotion. Errors are RMSE, differences are challenger minus champion."""

    # The whole interval must lie this far below zero. 0.01 minutes of RMSE is half a second: a smaller gain does not
    # justify a new model, a new Bento and a person's review.
    margin_minutes: float = 0.01
    # Two-sided: a challenger that is no better passes once in forty months at most.
    confidence: float = 0.95
    # From seed to seed the ends of the interval then move by less than a fiftieth of its width.
    resamples: int = 4_000
    # Fixed: the same evidence always gives the same decision.
    seed: int = 20_230_301
    # A biased model misleads riders whatever its RMSE: one from before the lockdown predicts 3 minutes too long in it.
    # In the 24 months of the back-test, 2023-07 to 2025-06, the bias is at most 0.61 on 1-60 minutes and 1.09 on
    # 1-180. A challenger may exceed this bound only if the champion's bias is larger.
    max_bias_minutes: float = 1.5
    # With fewer trips or days the bootstrap interval is unreliable, since whole days are drawn.
    min_trips: int = 1_000
    min_days: int = 14
    # A gain on other trips must not cost the trips of a borough, an airport or a part of the day.
    guarded_slices: tuple[str, ...] = ("pickup_borough", "airport_trip", "hour_band")
    # In smaller slices the change of RMSE is mostly noise; with 500 trips the noise is about the bound below.
    min_slice_trips: int = 500
    # As a share of the champion's RMSE in the slice. It limits the measured change, not the interval.
    max_slice_worsening: float = 0.02


PROMOTION_POLICY = PromotionPolicy()
